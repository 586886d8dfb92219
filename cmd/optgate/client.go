package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// gatewayFlags say which gateway to ask, and as whom.
type gatewayFlags struct {
	API   string `name:"api" env:"OPTGATE_API" default:"http://127.0.0.1:8081" placeholder:"URL" help:"The gateway's private listener."`
	Token string `name:"token" env:"OPTGATE_TOKEN" placeholder:"TOKEN" help:"A token of the account; for tail and dead, one of the operator."`
}

func (f gatewayFlags) client() client {
	return client{base: strings.TrimSuffix(f.API, "/"), token: f.Token, http: &http.Client{
		// A token goes nowhere but where it was sent to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// client calls a gateway's API.
type client struct {
	base, token string
	http        *http.Client
}

// askTimeout bounds one call that is no stream.
const askTimeout = time.Minute

// maxAnswer bounds an answer that is no stream: pages are far smaller.
const maxAnswer = 64 << 20

// ask makes one call and reads its answer into a value. body, where it is not nil, goes along as JSON.
func (c client) ask(ctx context.Context, method, path string, query url.Values, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := c.call(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read
	if err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return nil
}

// call makes one call and gives the body of its answer, which the caller closes. An answer that is no success is an error.
func (c client) call(ctx context.Context, method, path string, query url.Values, body any) (io.ReadCloser, error) {
	request, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	return c.do(request)
}

// do sends a request and gives the body of its answer, which the caller closes.
func (c client) do(request *http.Request) (io.ReadCloser, error) {
	answer, err := c.http.Do(request) //nolint:gosec // whoever calls names the gateway
	if wrong := (*url.Error)(nil); errors.As(err, &wrong) {
		return nil, fmt.Errorf("no answer from %s, which --api or OPTGATE_API names: %w", c.base, wrong.Err)
	}
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 300 {
		return answer.Body, nil
	}
	defer answer.Body.Close() //nolint:errcheck // nothing more is read
	return nil, refusal(answer)
}

// read sends a request and gives the whole body of its answer.
func (c client) read(request *http.Request) (json.RawMessage, error) {
	answer, err := c.do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Close() //nolint:errcheck // it was read
	return io.ReadAll(io.LimitReader(answer, maxAnswer))
}

func (c client) request(ctx context.Context, method, path string, query url.Values, body any) (*http.Request, error) {
	var sent io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(data)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, sent)
	if err != nil || request.URL.Host == "" || request.URL.Scheme != "http" && request.URL.Scheme != "https" {
		return nil, usageError{fmt.Errorf("--api or OPTGATE_API: %q is no URL as http://127.0.0.1:8081", c.base)}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}

// refused is an answer that is no success, as RFC 9457 has it.
type refused struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"errors"`
}

func refusal(answer *http.Response) error {
	r := &refused{}
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil || json.Unmarshal(body, r) != nil || r.Detail == "" {
		r = &refused{Detail: "the gateway answered " + answer.Status}
	}
	r.Status = answer.StatusCode
	return r
}

// Error is what the gateway says, its code, and what to do where that is plain.
func (r *refused) Error() string {
	said := []string{r.Detail}
	if r.Code != "" {
		said[0] += " (" + r.Code + ")"
	}
	for _, wrong := range r.Errors {
		said = append(said, wrong.Field+": "+wrong.Detail)
	}
	if r.Status == http.StatusUnauthorized {
		said = append(said, "--token or OPTGATE_TOKEN names the token")
	}
	return plainLines(said)
}

// pages gives the rows of a list, page after page, to each.
func (c client) pages(ctx context.Context, path string, query url.Values, each func(rows []json.RawMessage) error) error {
	asked := url.Values{"limit": {"1000"}}
	maps.Copy(asked, query)
	for {
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next *string           `json:"next"`
		}
		if err := c.ask(ctx, http.MethodGet, path, asked, nil, &page); err != nil {
			return err
		}
		if err := each(page.Data); err != nil {
			return err
		}
		if page.Next == nil || *page.Next == "" {
			return nil
		}
		asked.Set("after", *page.Next)
	}
}
