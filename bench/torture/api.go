package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// api asks the console.
type api struct {
	address string
	client  *http.Client
}

func newAPI(address string) *api {
	return &api{address: address, client: &http.Client{Timeout: 8 * time.Second}}
}

// answerTooLong is an API's answer that is none of ours.
const answerTooLong = 64 << 20

// file is a body of CSV.
type file string

// ask makes one call and reads its answer into out; nil: it is not looked at. Anything but 2xx is an error.
func (a *api) ask(ctx context.Context, method, path string, query url.Values, key string, in any, out any) error {
	var body io.Reader
	kind := "application/json"
	switch in := in.(type) {
	case nil:
	case file:
		body, kind = strings.NewReader(string(in)), "text/csv"
	default:
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+a.address+path+"?"+query.Encode(), body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+apiToken)
	request.Header.Set("Content-Type", kind)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerTooLong))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.200s", method, path, response.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// page is one answer of a list.
type page struct {
	Data []json.RawMessage `json:"data"`
	Next string            `json:"next"`
}

// pages gives every element of a list.
func (a *api) pages(ctx context.Context, path string, each func(json.RawMessage) error) error {
	query := url.Values{"limit": {"1000"}}
	for {
		var p page
		if err := a.ask(ctx, http.MethodGet, path, query, "", nil, &p); err != nil {
			return err
		}
		for _, one := range p.Data {
			if err := each(one); err != nil {
				return err
			}
		}
		if p.Next == "" {
			return nil
		}
		query.Set("after", p.Next)
	}
}

// listed is an entry of an opt-out list.
type listed struct {
	To    string    `json:"to"`
	Since time.Time `json:"since"`
}

// entries gives who stands on a list, by identifier, and since when in ms.
func (a *api) entries(ctx context.Context, list string) (map[string]int64, error) {
	all := map[string]int64{}
	err := a.pages(ctx, "/v1/optout-lists/"+list+"/entries", func(raw json.RawMessage) error {
		var one listed
		if err := json.Unmarshal(raw, &one); err != nil {
			return err
		}
		all[identifier(one.To)] = one.Since.UnixMilli()
		return nil
	})
	return all, err
}

// identifier reads an identifier as the API shows it.
func identifier(shown string) string {
	if len(shown) > 0 && shown[0] == '+' {
		return "phone:" + shown[1:]
	}
	return "bsuid:" + shown
}
