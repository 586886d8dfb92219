package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"time"

	"optgate/gateway/meta/fake"
)

// play tells the story: webhooks, a kill in their middle, a broadcast, a kill in its middle, receipts. Its error is that it
// could not begin, or that ctx ended.
func (s *stage) play(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{
		s.deliver, s.settle, s.broadcastToAll, s.look, s.receipts, s.showReport, s.close,
	} {
		err := act(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.complain(err)
		}
	}
	return nil
}

func (s *stage) open(ctx context.Context) error {
	if err := s.gateway.start(ctx); err != nil {
		return err
	}
	s.sayf("A gateway serves on embedded Kafka and Redis; a simulated Meta stands beside it.")
	return nil
}

// deliver delivers everything that the crowd sends, and kills the gateway when half of it is acknowledged.
func (s *stage) deliver(ctx context.Context) error {
	all := s.crowd.sends
	s.sayf("Meta delivers %d signed webhooks of all kinds; %d people opt out, in many languages.", len(all), len(s.crowd.barred))
	half, delivered := make(chan struct{}), make(chan error, 1)
	go func() {
		delivered <- s.courier.deliver(ctx, all, 12*time.Millisecond, func(answered int) {
			if answered == len(all)/2 {
				close(half)
			}
		})
	}()
	select {
	case <-half:
	case <-ctx.Done():
		return <-delivered
	}
	if err := s.restart(ctx, fmt.Sprintf("%d of them are acknowledged", len(all)/2)); err != nil {
		return err
	}
	err := <-delivered
	s.sayf("All are acknowledged: what had found nobody was delivered again, %d times.", s.courier.refused)
	return err
}

// restart kills the gateway as a power cut would, and starts it again on the same data.
func (s *stage) restart(ctx context.Context, when string) error {
	s.sayf("kill -9, when %s.", when)
	s.gateway.end()
	if err := s.gateway.start(ctx); err != nil {
		return err
	}
	s.sayf("The gateway serves again, on the same data.")
	return nil
}

// settle waits until everybody who opted out is on a list and has got the confirmation.
func (s *stage) settle(ctx context.Context) error {
	listed := map[string]bool{}
	err := s.wait(ctx, inForceWithin, "all opt-outs are in force", func(ctx context.Context) (_ bool, err error) {
		listed, err = s.listed(ctx)
		return err == nil && len(missing(s.crowd.barred, listed)) == 0, err
	})
	if err != nil {
		return err
	}
	s.sayf("%d of %d are on their opt-out lists.", len(listed), len(s.crowd.barred))
	return s.confirmed(ctx, s.crowd.typed)
}

// listed gives the digits of all who are on one of the system lists.
func (s *stage) listed(ctx context.Context) (map[string]bool, error) {
	listed := map[string]bool{}
	for _, list := range []string{"default", "meta"} {
		err := s.api(s.business.token).pages(ctx, "/v1/optout-lists/"+list+"/entries", nil, func(rows []json.RawMessage) error {
			for _, row := range rows {
				var entry struct {
					To string `json:"to"`
				}
				if err := json.Unmarshal(row, &entry); err != nil {
					return err
				}
				listed[s.crowd.phone(entry.To)] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return listed, nil
}

// confirmed waits until a confirmation has reached each of these people.
func (s *stage) confirmed(ctx context.Context, people map[string]bool) error {
	left := len(people)
	err := s.wait(ctx, confirmedWithin, "all opt-outs are confirmed", func(context.Context) (bool, error) {
		reached := map[string]bool{}
		for _, c := range s.calls() {
			if c.confirmation {
				reached[c.person] = true
			}
		}
		left = len(missing(people, reached))
		return left == 0, nil
	})
	s.sayf("%d of the %d who typed or pressed it have their confirmation.", len(people)-left, len(people))
	return err
}

// How long the demo waits for what should come at once, or in two seconds.
const (
	inForceWithin   = 10 * time.Second
	confirmedWithin = 8 * time.Second
	calledWithin    = 10 * time.Second
	finishedWithin  = 15 * time.Second
	receivedWithin  = 5 * time.Second
)

// look gathers what the gateway says of itself: the report, and what it kept.
func (s *stage) look(ctx context.Context) (err error) {
	s.seen.calls, s.seen.acknowledged, s.seen.kept = s.calls(), maps.Clone(s.courier.acknowledged), map[string]bool{}
	for _, topic := range []string{"inbound", "dead"} {
		if err := s.readIDs(ctx, topic); err != nil {
			return fmt.Errorf("tail %s: %w", topic, err)
		}
	}
	if s.seen.report, err = s.report(ctx); err != nil {
		return fmt.Errorf("read the report: %w", err)
	}
	if _, _, unknown := s.seen.rows(); unknown > 0 {
		s.sayf("%d rows are Unknown: the kill cut their calls off. Nobody calls again; receipts will tell.", unknown)
	}
	return nil
}

// anyID finds ids of messages, also where a record holds Meta's JSON as a text.
var anyID = regexp.MustCompile(`(?:wamid\.|m_)[A-Za-z0-9+/=_-]+`)

// readIDs notes the ids of all messages that stand in a topic.
func (s *stage) readIDs(ctx context.Context, topic string) error {
	body, err := s.api(s.business.operator).call(ctx, http.MethodGet, "/v1/tail/"+topic, nil, nil)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was read
	return lines(body, func(line []byte) error {
		for _, id := range anyID.FindAllString(string(line), -1) {
			s.seen.kept[id] = true
		}
		return nil
	})
}

// receipts tells the gateway that everybody called got the message, and that a third has read it, and waits until the
// report says so.
func (s *stage) receipts(ctx context.Context) error {
	var all []webhook
	for i, one := range s.meta.Sends() {
		if one.Type == "text" {
			continue
		}
		s.seen.told++
		told := fake.Told{MessageID: one.MessageID, Status: "delivered", Callback: one.Callback}
		events := []fake.Event{fake.Receipt(whatsapp(), fake.Person{Phone: one.Person}, told, time.Now())}
		if told.Status = "read"; i%3 == 0 {
			events = append(events, fake.Receipt(whatsapp(), fake.Person{Phone: one.Person}, told, time.Now()))
		}
		all = append(all, pack(events...))
	}
	if err := s.courier.deliver(ctx, all, time.Millisecond, func(int) {}); err != nil {
		return err
	}
	err := s.wait(ctx, receivedWithin, "receipts have arrived", func(ctx context.Context) (bool, error) {
		now, err := s.sent(ctx)
		s.seen.known = now.Totals.Delivered + now.Totals.Read
		return err == nil && s.seen.known >= s.seen.told, err
	})
	s.sayf("Receipts have come for %d of %d messages.", s.seen.known, s.seen.told)
	return err
}
