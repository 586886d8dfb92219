package channel

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// CommandNotice tells channels of an account what Meta has told. It is folded in the account's shard. Order and repeats do not
// matter: of each subject the fact that was told last stands.
const CommandNotice = "channel.notice"

// Heard is the body of a channel.notice.
type Heard struct {
	At       int64       `json:"at"` // ms since 1970 at which it was told
	By       string      `json:"by"` // ByWebhook or ByGraph
	Notice   chat.Notice `json:"notice"`
	Channels []Concerned `json:"channels"` // of the account, that belong to the notice's business account
}

// Concerned is a channel that a notice may be about.
type Concerned struct {
	ID        string `json:"id"`
	Portfolio string `json:"portfolio"`
}

// Who told a fact.
const (
	ByWebhook = "webhook"
	ByGraph   = "graph"
)

// NewNotice makes the command that tells channels of one account of a notice.
func NewNotice(id string, made, at int64, by string, notice chat.Notice, channels []chat.Channel) (shard.Command, error) {
	heard := Heard{At: at, By: by, Notice: notice}
	for _, c := range channels {
		heard.Channels = append(heard.Channels, Concerned{ID: c.ID, Portfolio: c.Portfolio})
	}
	return shard.NewCommand(id, CommandNotice, channels[0].Account, made, heard)
}

// Rules gives the folds of this room.
func Rules() shard.Rules {
	return shard.Rules{CommandNotice: {Keys: noticeKeys, Apply: applyNotice}}
}

func noticeKeys(p shard.Place, c shard.Command) ([]string, error) {
	heard, err := shard.Body[Heard](c)
	if err != nil {
		return nil, err
	}
	if c.Account == "" || heard.At <= 0 || len(heard.Channels) == 0 {
		return nil, errors.New("a notice that names no channel, or no time")
	}
	if p.Shards.Account(c.Account) != p.Shard {
		return nil, errors.New("what concerns an account is decided in its own shard")
	}
	var keys []string
	for _, of := range heard.Channels {
		keys = append(keys, Key(c.Account, of.ID), PortfolioKey(c.Account, of.Portfolio))
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

func applyNotice(t *shard.Turn, c shard.Command) error {
	heard, err := shard.Body[Heard](c)
	if err != nil {
		return err
	}
	conditions, moved := make([]Condition, len(heard.Channels)), make([]bool, len(heard.Channels))
	for i, of := range heard.Channels {
		known, err := t.Get(Key(c.Account, of.ID), &conditions[i])
		if err != nil {
			return err
		}
		moved[i] = !known || conditions[i].Portfolio != of.Portfolio
		conditions[i].V, conditions[i].Account, conditions[i].Channel, conditions[i].Portfolio = stream.Version, c.Account, of.ID, of.Portfolio
	}
	for i := range conditions {
		if !conditions[i].hears(heard, len(conditions) == 1) && !moved[i] {
			continue
		}
		if err := t.Put(Key(c.Account, conditions[i].Channel), conditions[i]); err != nil {
			return err
		}
	}
	return hearTier(t, c.Account, heard)
}

// hearTier folds what is told of a portfolio.
func hearTier(t *shard.Turn, account string, heard *Heard) error {
	for _, said := range heard.Notice.Says {
		if said.Subject != chat.SaysTier || TierOf(said.Value) == 0 {
			continue
		}
		for _, of := range heard.Channels {
			key := PortfolioKey(account, of.Portfolio)
			p := Portfolio{}
			if _, err := t.Get(key, &p); err != nil {
				return err
			}
			facts, changed := hear(p.Facts, said, heard)
			if !changed {
				continue
			}
			if err := t.Put(key, Portfolio{V: stream.Version, Facts: facts}); err != nil {
				return err
			}
		}
	}
	return nil
}

// hears folds a notice and says whether it changed anything. only: no other channel here is of the business account, though
// numbers that aren't declared here may be; so it is the one meant unless its own number is known to be another.
func (c *Condition) hears(heard *Heard, only bool) (changed bool) {
	n := &heard.Notice
	named := n.Number == "" || c.display() == n.Number || only && c.display() == ""
	if !named && c.display() == "" { // perhaps it is about this number: Graph knows
		if heard.At > c.UpgradeAt {
			c.UpgradeAt, changed = heard.At, true
		}
		return changed
	}
	if !named {
		return false
	}
	for _, said := range n.Says {
		changed = c.hear1(heard, said) || changed
	}
	if n.Number != "" && heard.At > c.UpgradeAt {
		c.UpgradeAt, changed = heard.At, true
	}
	c.settle()
	return changed
}

func (c *Condition) hear1(heard *Heard, said chat.Said) (changed bool) {
	n := &heard.Notice
	switch said.Subject {
	case chat.SaysTier:
		return false // the portfolio's
	case chat.SaysTemplate, chat.SaysTemplateQuality, chat.SaysTemplateCategory:
		return n.Template != "" && c.hearTemplate(heard, said)
	case chat.SaysAccount:
		if said.Subject = factOf[said.Value]; said.Subject == "" {
			said.Subject = chat.SaysAlert
		}
	case chat.SaysEvent:
		switch said.Value {
		case "THROUGHPUT_UPGRADE":
			said = chat.Said{Subject: chat.SaysThroughput, Value: "HIGH"}
		case "FLAGGED", "UNFLAGGED":
		case "DOWNGRADE":
			if heard.At > c.Worse {
				c.Worse, changed = heard.At, true
			}
			return changed
		default:
			return false
		}
	case chat.SaysQuality: // a fall that is told before what it fell from goes unnoticed
		if now := c.Facts[chat.SaysQuality]; newer(now, told(said, heard)) && rank(said.Value) > rank(now.Value) && rank(now.Value) > 0 {
			c.Worse = max(c.Worse, heard.At)
		}
	}
	c.Facts, changed = hear(c.Facts, said, heard)
	return changed
}

// rank orders qualities, the worst last; 0: not known.
func rank(quality string) int { return 1 + slices.Index([]string{"GREEN", "YELLOW", "RED"}, quality) }

// mostTemplates bounds a channel's state; Meta allows a business account 250, or 6,000 that nobody would use at once.
const mostTemplates = 1000

func (c *Condition) hearTemplate(heard *Heard, said chat.Said) (changed bool) {
	n := &heard.Notice
	at := slices.IndexFunc(c.Templates, func(t Template) bool { return t.Name == n.Template && t.Language == n.Language })
	t := Template{Name: n.Template, Language: n.Language}
	if at >= 0 {
		t = c.Templates[at]
	}
	fact := map[string]*Told{
		chat.SaysTemplate: &t.Status, chat.SaysTemplateQuality: &t.Quality, chat.SaysTemplateCategory: &t.Category,
	}[said.Subject]
	now, changed := tell(*fact, told(said, heard))
	if !changed {
		return false
	}
	*fact = now
	c.Templates = slices.Clone(c.Templates)
	if at >= 0 {
		c.Templates[at] = t
		return true
	}
	c.Templates = append(c.Templates, t)
	slices.SortFunc(c.Templates, func(a, b Template) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Language, b.Language))
	})
	if len(c.Templates) > mostTemplates {
		oldest := 0
		for i := range c.Templates {
			if c.Templates[i].last() < c.Templates[oldest].last() {
				oldest = i
			}
		}
		c.Templates = slices.Delete(c.Templates, oldest, oldest+1)
	}
	return true
}

// last gives when the template was last told of.
func (t *Template) last() int64 { return max(t.Status.At, t.Quality.At, t.Category.At) }

func told(said chat.Said, heard *Heard) Told {
	return Told{Value: said.Value, Detail: said.Detail, At: heard.At, By: heard.By, Until: said.Until}
}

// hear folds one fact into others.
func hear(facts map[string]Told, said chat.Said, heard *Heard) (map[string]Told, bool) {
	now, changed := tell(facts[said.Subject], told(said, heard))
	if !changed {
		return facts, false
	}
	facts = maps.Clone(facts)
	if facts == nil {
		facts = map[string]Told{}
	}
	facts[said.Subject] = now
	return facts, true
}

// tell gives the fact that stands of two about one subject.
func tell(now, next Told) (Told, bool) {
	if newer(now, next) {
		return next, true
	}
	return now, false
}
