package offer_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/bench/load/offer"
)

// The same over real sockets, to a server that checks each signature.
func TestARealServerTakesEveryWebhook(t *testing.T) {
	var rightly atomic.Int64
	s := fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
		mac := hmac.New(sha256.New, []byte("s"))
		mac.Write(rc.PostBody())
		if string(rc.Request.Header.Peek("X-Hub-Signature-256")) != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			rc.SetStatusCode(401)
			return
		}
		rightly.Add(1)
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	go s.Serve(listener)
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}
	for _, rate := range []float64{0, 500} {
		marks := 0
		rightly.Store(0)
		o, err := offer.Run(t.Context(), offer.Options{
			Dial: dial, Mix: texts(t), Connections: 8, Rate: rate, Warmup: 50 * time.Millisecond, Time: 200 * time.Millisecond,
			Timeout: 10 * time.Second, Mark: func() { marks++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		if int64(o.All.Webhooks) != rightly.Load() || o.Kept.Webhooks == 0 || len(o.Errors) > 0 || len(o.Answers) != 1 || marks != 2 {
			t.Errorf("%d rightly signed; %+v; %d marks", rightly.Load(), o, marks)
		}
		if o.CPU <= 0 {
			t.Errorf("it took %v s of processor time", o.CPU)
		}
	}
}
