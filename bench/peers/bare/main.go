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
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func serve() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, "listening on", listener.Addr()); err != nil {
		return err
	}
	return (&fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) { _ = rc.PostBody() }}).Serve(listener)
}
