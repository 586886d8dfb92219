package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"optgate/gateway/meta"
)

// Deliver posts a signed body to the webhook until it is answered 200, waiting longer each time, as Meta does. It gives
// how many posts that took; its error is that ctx has ended first, or that there is no webhook.
func (m *Meta) Deliver(ctx context.Context, body []byte) (posts int, err error) {
	if m.options.Webhook == "" {
		return 0, errors.New("deliver webhook: no URL is given")
	}
	wait := m.options.Backoff
	for longest := 64 * wait; ; wait = min(2*wait, longest) {
		posts++
		status, err := m.Post(ctx, body)
		if err == nil && status == http.StatusOK {
			return posts, nil
		}
		if !pause(ctx, wait) {
			return posts, fmt.Errorf("deliver webhook: %w", ctx.Err())
		}
	}
}

// Post posts a signed body to the webhook once and gives the status of the answer.
func (m *Meta) Post(ctx context.Context, body []byte) (status int, err error) {
	return m.PostAs(ctx, body, meta.Sign(m.options.Secret, body))
}

// PostAs posts a body with a signature of one's choice; "" leaves the header out.
func (m *Meta) PostAs(ctx context.Context, body []byte, signature string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.options.Webhook, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("post webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "facebookexternalua")
	if signature != "" {
		request.Header.Set("X-Hub-Signature-256", signature)
	}
	response, err := m.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("post webhook: %w", err)
	}
	defer response.Body.Close()                                 //nolint:errcheck // nothing is read but to reuse the connection
	io.Copy(io.Discard, io.LimitReader(response.Body, maxSend)) //nolint:errcheck // as above
	return response.StatusCode, nil
}
