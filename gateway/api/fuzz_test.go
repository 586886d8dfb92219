package api_test

import (
	"context"
	"io"
	"testing"

	"github.com/valyala/fasthttp"

	"optgate/gateway/api"
)

// FuzzCall: whatever is asked about lists, entries, people and broadcasts, it is answered, and never as a fault of our own.
func FuzzCall(f *testing.F) {
	f.Add("GET", "/v1/optout-lists/default/entries?search=%2B44&after=1", "")
	f.Add("POST", "/v1/optout-lists/default/entries", `{"to":"+447700900001","email":"a@b.c","channel":"*"}`)
	f.Add("DELETE", "/v1/optout-lists/default/entries/1.wa", "")
	f.Add("GET", "/v1/why?channel=wa&to=GB.9021&lists=default,news&category=utility", "")
	f.Add("POST", "/v1/optout-lists/default/entries/delete", `{"ids":["1.wa","1.wa","x"]}`)
	f.Add("GET", "/v1/optout-lists/default/entries?search=0049+(0)&channel=*", "")
	f.Add("GET", "/v1/people/psid:1%2F2?country=GB", "")
	f.Add("GET", "/v1/people/%2B44%207700%20900001?channel=wa", "")
	f.Add("POST", "/v1/people/ada@example.com/optouts", `{"lists":["default","news"],"channel":"*"}`)
	f.Add("DELETE", "/v1/people/GB.9021/optouts?lists=default&channel=wa&aliases=true", "")
	f.Add("GET", "/v1/why?email=a@b.c", "")
	f.Add("GET", "/v1/dead?after=0.1", "")
	f.Add("POST", "/v1/unsubscribe-links", `{"list":"news","channel":"*","recipients":["+447700900001","a@b.c"]}`)
	f.Add("GET", "/v1/broadcasts/b1/report?format=csv", "")
	f.Add("POST", "/api/v2/push", pushedText)
	f.Add("POST", "/app/api/v2/delivery-report", `{"token":"acme-admin","push_id":"b1"}`)
	f.Fuzz(func(t *testing.T, method, uri, body string) {
		w := emptyWorld()
		o := w.options()
		o.Broadcast = emptyDesk().options()
		a := api.New(o)
		var rc fasthttp.RequestCtx
		rc.Request.Header.SetMethod(method)
		rc.Request.SetRequestURI(uri)
		rc.QueryArgs().Del("format") // streams need a connection, which is not here
		rc.Request.Header.Set("Authorization", "Bearer acme-lists")
		rc.Request.SetBodyStream(&once{text: body}, len(body))
		a.Handle(context.Background(), &rc)
		if status := rc.Response.StatusCode(); status < 200 || status >= 500 {
			t.Errorf("%d %s", status, rc.Response.Body())
		}
	})
}

// once gives a text once.
type once struct{ text string }

func (o *once) Read(p []byte) (int, error) {
	n := copy(p, o.text)
	if o.text = o.text[n:]; o.text == "" {
		return n, io.EOF
	}
	return n, nil
}
