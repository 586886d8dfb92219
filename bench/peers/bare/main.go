// Command bare is what no gateway can be faster than: fasthttp takes the same bytes in and answers 200. It verifies nothing
// and keeps nothing.
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/valyala/fasthttp"
)

func main() {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Fprintln(os.Stdout, "listening on", listener.Addr())
		err = (&fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) { _ = rc.PostBody() }}).Serve(listener)
	}
	fmt.Fprintln(os.Stderr, "bare:", err)
	os.Exit(1)
}
