package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// webhook is one POST of Meta's.
type webhook struct {
	body []byte
	ids  []string // of the messages in it
}

// courier delivers webhooks as Meta does: signed, several at once, and each again until it is answered 200.
type courier struct {
	target func() string // URL of the callback at this moment
	secret string
	client *http.Client

	mu           sync.Mutex
	acknowledged map[string]bool // ids of messages in webhooks that were answered 200
	answered     int             // webhooks answered 200
	refused      int             // deliveries that were not: no answer, or another one
}

const (
	deliveredAtOnce = 8
	redeliverAfter  = 100 * time.Millisecond
	deliveryTimeout = 10 * time.Second
)

func newCourier(secret string, target func() string) *courier {
	return &courier{
		target: target, secret: secret, client: &http.Client{Timeout: deliveryTimeout}, acknowledged: map[string]bool{},
	}
}

// deliver delivers all, and returns once each was answered 200. each is told after every one, with the number so far.
func (c *courier) deliver(ctx context.Context, all []webhook, pause time.Duration, each func(answered int)) error {
	queue := make(chan webhook)
	var workers sync.WaitGroup
	for range deliveredAtOnce {
		workers.Go(func() {
			for one := range queue {
				if c.untilKept(ctx, one) {
					each(c.count(one))
				}
			}
		})
	}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for _, one := range all {
		select {
		case queue <- one:
		case <-ctx.Done():
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	close(queue)
	workers.Wait()
	return ctx.Err()
}

// untilKept delivers one again and again; false: ctx ended before it was answered 200.
func (c *courier) untilKept(ctx context.Context, one webhook) bool {
	for {
		err := c.post(ctx, one.body)
		if err == nil {
			return true
		}
		c.mu.Lock()
		c.refused++
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-time.After(redeliverAfter):
		}
	}
}

func (c *courier) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.target(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(c.secret))
	mac.Write(body)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("a webhook was answered %s", answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}

func (c *courier) count(one webhook) (answered int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range one.ids {
		c.acknowledged[id] = true
	}
	c.answered++
	return c.answered
}
