package main

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestTheCommandReports(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
		if string(rc.Path()) != "/webhooks/meta/main" {
			rc.SetStatusCode(404)
		}
	}}
	defer s.Shutdown()
	go s.Serve(listener)
	args := []string{"-url", "http://" + listener.Addr().String() + "/webhooks/meta/main", "-secret", "s", "-connections", "2", "-rate", "100", "-warmup", "0s", "-time", "100ms", "-idle", "3", "-batch", "1"}
	var text, errs bytes.Buffer
	if err := run(t.Context(), args, &text, &errs); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "100/s, 0.1 s") || !strings.Contains(text.String(), "answers   200: 10\n") ||
		!strings.Contains(text.String(), "beside    idle: 3 of 3 connections stood, 0 were closed, 0 times refused\n") {
		t.Errorf("it says %s", text.String())
	}
	text.Reset()
	if err := run(t.Context(), append(args, "-json"), &text, &errs); err != nil {
		t.Fatal(err)
	}
	var told report
	if err := json.Unmarshal(text.Bytes(), &told); err != nil || told.Kept.Webhooks != 10 || len(told.Crowd) != 2 || told.Crowd[0].Stood != 3 {
		t.Errorf("%v: %s", err, text.String())
	}
}

func TestWrongUsageIsRefused(t *testing.T) {
	for _, args := range [][]string{{"-url", "https://a"}, {"-url", "nonsense"}, {"-mix", "nonsense=1"}, {"-connections", "0"}, {"-time", "0s"}, {"more"}, {"-idle", "1000000000"}} {
		var out, errs bytes.Buffer
		if err := run(t.Context(), args, &out, &errs); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
