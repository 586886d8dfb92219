package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// asked is one call that a gateway got.
type asked struct{ call, body string }

// gatewayOf answers every call with what answer says, and keeps what it was asked.
func gatewayOf(t *testing.T, answer func(r *http.Request) (status int, body string)) (flags []string, calls *[]asked) {
	t.Helper()
	calls = &[]asked{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*calls = append(*calls, asked{r.Method + " " + r.URL.RequestURI(), string(body)})
		status, said := answer(r)
		if status >= http.StatusBadRequest {
			problem(w, status, said)
			return
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, said)
	}))
	t.Cleanup(server.Close)
	return []string{"--api", server.URL, "--token", "key"}, calls
}

func TestListsAreMadeAndChangedByFlags(t *testing.T) {
	flags, calls := gatewayOf(t, func(*http.Request) (int, string) {
		return http.StatusOK, `{"id":"news","name":"News","keywords":["a, b"]}`
	})
	for _, c := range []struct {
		args []string
		want asked
	}{
		{[]string{"lists", "show", "a/b"}, asked{"GET /v1/optout-lists/a%2Fb", ""}},
		{
			[]string{"lists", "create", "--name", "News", "--keyword", "a, b", "--keyword", "c", "--channel", "wa", "--scope", "all", "--feed-removals", "--language-keyword", "fr=mot, non"},
			asked{"POST /v1/optout-lists", `{"channels":["wa"],"feed_removals":true,"keywords":["a, b","c"],"languages":{"fr":{"keywords":["mot","non"]}},"name":"News","scope":"all"}`},
		},
		{
			[]string{"lists", "change", "news", "--clear", "keywords,webhook_url", "--confirmation", "", "--language-text", "fr=Au revoir; à bientôt", "--no-feed-removals"},
			asked{"PATCH /v1/optout-lists/news", `{"confirmation":"","feed_removals":false,"keywords":null,"languages":{"fr":{"confirmation":"Au revoir; à bientôt"}},"webhook_url":null}`},
		},
		{[]string{"lists", "change", "news", "--name", "Other"}, asked{"PATCH /v1/optout-lists/news", `{"name":"Other"}`}},
		{[]string{"lists", "adopt", "news", "sotp"}, asked{"POST /v1/optout-lists/news/near-misses/adopt", `{"text":"sotp"}`}},
		{[]string{"lists", "delete", "news", "--name", "News"}, asked{"DELETE /v1/optout-lists/news?name=News", ""}},
	} {
		*calls = nil
		got := command(t, nil, append(c.args, flags...)...)
		if got.code != exitFine || len(*calls) != 1 || (*calls)[0] != c.want || !strings.Contains(got.out, "news") {
			t.Errorf("%v: %d %q\n%s%s", c.args, got.code, *calls, got.out, got.err)
		}
	}
	*calls = nil
	if got := command(t, nil, append([]string{"lists", "change", "news"}, flags...)...); got.code != exitUsage || len(*calls) > 0 {
		t.Errorf("nothing to change: %d %s", got.code, got.err)
	}
}

func TestADeletionAsksForTheName(t *testing.T) {
	flags, calls := gatewayOf(t, func(r *http.Request) (int, string) {
		if r.URL.Query().Get("name") != "News" {
			return http.StatusUnprocessableEntity, `{"code":"confirm_name","detail":"3 are on this list."}`
		}
		return http.StatusOK, `{"id":"news","entries":3,"reachable_again":2}`
	})
	for _, c := range []struct {
		typed, says string
		code, calls int
	}{
		{"News\n", "reachable again", exitFine, 2},
		{" News ", "reachable again", exitFine, 2}, // the input ends without a line's end
		{"Other\n", "3 are on this list", exitFailed, 2},
		{"\n", "nothing was deleted", exitFailed, 1},
		{"", "nothing was deleted", exitFailed, 1},
	} {
		*calls = nil
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"lists", "delete", "news"}, flags...), terminal{in: strings.NewReader(c.typed), out: &out, err: &errs})
		if code != c.code || len(*calls) != c.calls || !strings.Contains(out.String()+errs.String(), c.says) || !strings.Contains(errs.String(), "3 are on this list.") {
			t.Errorf("%q: %d %v\n%s%s", c.typed, code, *calls, out.String(), errs.String())
		}
	}
}

func TestNearMissesAreATable(t *testing.T) {
	flags, _ := gatewayOf(t, func(*http.Request) (int, string) {
		return http.StatusOK, `{"data":[{"text":"sotp","count":7,"first":"2026-11-22T10:00:00Z","last":"2026-11-22T11:00:00Z"}],"next":null}`
	})
	got := command(t, nil, append([]string{"lists", "near", "default"}, flags...)...)
	if rows := strings.Split(got.out, "\n"); !strings.HasPrefix(rows[0], "COUNT") || !strings.HasPrefix(rows[1], "7 ") || !strings.Contains(rows[1], "sotp") {
		t.Errorf("%s%s", got.out, got.err)
	}
}
