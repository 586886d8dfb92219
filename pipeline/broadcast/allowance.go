package broadcast

import (
	"context"
	"math"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
)

// conditions tells in what condition a channel is; an error where nobody can know just now.
type conditions interface {
	Condition(ctx context.Context, account, channel string) (channel.Condition, error)
}

// MostCredit is how many messages of one broadcast are at most in the lanes without an outcome.
const MostCredit = 10_000

const (
	creditTime = 30 * time.Second // of a channel's rate: how long pausing takes to act
	considered = time.Second      // after which a channel's condition is asked again
	paceBurst  = time.Second      // of a broadcast's own rate: what may go at once after a wait
)

// allowance is what a channel allows, as last asked.
type allowance struct {
	channel   chat.Channel
	declared  bool
	rate      float64 // messages a second
	left      int     // people who may still be written to today; -1: as many as there are, or not known
	condition channel.Condition
	asked     time.Time
}

// credit is how many messages may be in the lanes: none where the channel is no longer declared, so that they wait.
func (t *allowance) credit(b Broadcast) int {
	if !t.declared {
		return 0
	}
	rate := t.rate
	if b.Rate > 0 {
		rate = min(rate, b.Rate)
	}
	credit := max(1, min(MostCredit, int(rate*creditTime.Seconds())))
	if t.left >= 0 {
		credit = min(credit, t.left)
	}
	return credit
}

// consider asks about the broadcast's channel, where that is due, and notes what it must be paused for. What can't be known just
// now stays as it was last.
func (r *Runner) consider(ctx context.Context, b *run, now time.Time) {
	t := &b.allowed
	if !t.asked.IsZero() && now.Sub(t.asked) < considered {
		return
	}
	t.channel, t.declared = r.Directory.Channel(b.Account, b.Channel)
	if t.asked.IsZero() {
		t.left = -1
	}
	t.asked = now
	if r.Conditions != nil {
		if c, err := r.Conditions.Condition(ctx, b.Account, b.Channel); err == nil {
			t.condition = c
		}
	}
	t.rate = channel.Rate(t.channel, t.condition)
	name, language, template := b.Message.template()
	if r.Left != nil && template {
		if left, known, err := r.Left(ctx, t.channel, t.condition); err == nil {
			if t.left = left; !known {
				t.left = -1
			}
		}
	}
	if bar := t.condition.Bars(name, language, max(b.Resumed, b.Created)); bar != nil && bar.At > b.Resumed {
		b.halt(bar.Code, bar.Reason)
	}
}

// template gives the name and the language of a message that is a template.
func (m Message) template() (name, language string, ok bool) {
	inner, ok := m.tree["template"].(map[string]any)
	if !ok {
		return "", "", false
	}
	name, _ = inner["name"].(string)
	if code, there := inner["language"].(map[string]any); there {
		language, _ = code["code"].(string)
	}
	return name, language, true
}

// pace spreads a broadcast's messages evenly over time.
type pace struct {
	tokens float64
	at     time.Time
}

// room gives how many messages may go now at a rate a second; 0: as many as there are.
func (p *pace) room(rate float64, now time.Time) int {
	if rate <= 0 {
		return math.MaxInt
	}
	if p.at.IsZero() {
		p.tokens, p.at = 1, now
	}
	p.tokens = min(p.tokens+rate*max(0, now.Sub(p.at).Seconds()), max(1, rate*paceBurst.Seconds()))
	p.at = now
	return int(p.tokens)
}

// used takes messages off that went.
func (p *pace) used(n int) { p.tokens -= float64(n) }
