package broadcast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/template"
)

// DryRun says what a broadcast would do now. It changes nothing and keeps nothing.
type DryRun struct {
	Shards   chat.Shards
	Channel  chat.Channel
	Gate     asker
	States   pages
	Segments Segments // may be nil where the draft has none
	// Served says of people, in their order, whether each is within the service window of a channel.
	Served     func(ctx context.Context, account, channel string, ids []chat.Identifier) ([]bool, error)
	Conditions conditions
	// Left tells how many people the channel's portfolio may still reach outside of service windows in these 24 h.
	Left func(ctx context.Context, c chat.Channel, now channel.Condition) (left int, known bool, err error)
}

// pages reads states of a shard: nil where there is none, fault.NotCertain where nobody can know.
type pages interface {
	States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
}

// Rehearsal is what a dry run found. Audience is the sum of Go, Skipped, Invalid and Failing.
type Rehearsal struct {
	Audience   int           `json:"audience"`
	Duplicates int           `json:"duplicates"`
	Go         int           `json:"go"`
	Skipped    []Skips       `json:"skipped"`
	Invalid    int           `json:"invalid"`            // no number and no user id
	Missing    []Lacking     `json:"missing_parameters"` // recipients that lack each
	Failing    []Failures    `json:"failing"`            // for another reason than their number
	Outside    int           `json:"outside_window"`     // of those that go: who has not written within 24 h
	Tier       TierShare     `json:"tier"`
	Rate       float64       `json:"rate"`    // messages a second
	Seconds    int           `json:"seconds"` // that sending takes at this rate
	Warnings   []Remark      `json:"warnings"`
	Errors     []fault.Field `json:"errors"` // for which the broadcast would be refused
}

// Skips counts the recipients that one list holds back.
type Skips struct {
	Error string `json:"error"`
	List  string `json:"list"`
	Count int    `json:"count"`
}

// Lacking counts the recipients that lack one parameter.
type Lacking struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Failures counts the recipients whose message can't be sent, by the error that their rows would show.
type Failures struct {
	Error string `json:"error"`
	Count int    `json:"count"`
}

// TierShare is what is left of the people whom the portfolio may reach outside of service windows in 24 h.
type TierShare struct {
	Limit     *int `json:"limit"` // nil: not known, or there is none
	Left      *int `json:"left"`
	Unlimited bool `json:"unlimited"`
	Needed    int  `json:"needed"`
}

// Remark is something to think of before sending.
type Remark struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// askRehearsed is how many recipients the gate is asked about at once.
const askRehearsed = 50_000

// Run goes through all recipients of a draft. t is the template that its message is an instance of, nil if it is none or nobody
// knows; unfit is what is wrong with that. Where nobody can be certain of somebody the error is a fault.NotCertain.
func (d DryRun) Run(ctx context.Context, draft Draft, terms Terms, t *template.Template, unfit []fault.Field) (Rehearsal, error) {
	r := &rehearsal{
		DryRun: d, draft: draft, lists: gate.Lists(chat.KindBroadcast, draft.Plan.Category, draft.Plan.Lists),
		skipped: map[[2]string]int{}, missing: map[string]int{}, failing: map[string]int{},
	}
	r.said.Duplicates, r.said.Errors = draft.Plan.Duplicates, append([]fault.Field{}, unfit...)
	if err := r.all(ctx, terms); err != nil {
		return Rehearsal{}, err
	}
	if err := r.ask(ctx); err != nil {
		return Rehearsal{}, err
	}
	r.count()
	if err := r.weigh(ctx, terms, t); err != nil {
		return Rehearsal{}, err
	}
	return r.said, nil
}

// rehearsal is one dry run.
type rehearsal struct {
	DryRun

	draft   Draft
	lists   []string // that the gate is asked about
	rows    []Row    // that it wasn't asked about yet
	said    Rehearsal
	skipped map[[2]string]int // error and list
	missing map[string]int
	failing map[string]int
}

// take looks at one recipient, and asks the gate once there are many.
func (r *rehearsal) take(ctx context.Context, row Row) error {
	r.said.Audience++
	switch {
	case row.Error == InvalidNumber:
		r.said.Invalid++
	case row.Error != "":
		r.fails(row)
	default:
		if r.rows = append(r.rows, row); len(r.rows) >= askRehearsed {
			return r.ask(ctx)
		}
	}
	return nil
}

func (r *rehearsal) fails(row Row) {
	r.failing[row.Error]++
	for _, name := range r.draft.Plan.Message.Names() {
		if _, there := row.Params[name]; !there && strings.HasPrefix(row.Error, MissingParameter) {
			r.missing[name]++
		}
	}
}

// ask asks the gate about those that wait for it, and the windows about those that would go.
func (r *rehearsal) ask(ctx context.Context) error {
	rows := r.rows
	r.rows = r.rows[:0]
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(x, y Row) int { return r.Shards.Of(x.Pseudonym) - r.Shards.Of(y.Pseudonym) })
	questions := make([]gate.Question, len(rows))
	for i, row := range rows {
		questions[i] = gate.Question{Account: r.draft.Account, Channel: r.draft.Plan.Channel, Pseudonym: row.Pseudonym, Lists: r.lists}
	}
	var going []chat.Identifier
	for i, answer := range r.Gate.Ask(ctx, questions) {
		switch answer.Verdict {
		case gate.Skip:
			r.skipped[[2]string{answer.Error(), answer.List}]++
		case gate.Go:
			if rows[i].Error = r.unfit(rows[i]); rows[i].Error != "" {
				r.fails(rows[i])
				continue
			}
			r.said.Go++
			going = append(going, rows[i].To)
		default:
			return fault.New(fault.NotCertain, "not_certain", "The gate can't know of all recipients just now. Try again in a moment.")
		}
	}
	if r.Served == nil {
		return nil
	}
	for some := range slices.Chunk(going, askAtOnce*10) {
		served, err := r.Served(ctx, r.draft.Account, r.draft.Plan.Channel, some)
		if err != nil {
			return err
		}
		for _, in := range served {
			if !in {
				r.said.Outside++
			}
		}
	}
	return nil
}

// unfit says what keeps the message from being sent to a row; "": nothing.
func (r *rehearsal) unfit(row Row) string {
	if row.Message != nil {
		return ""
	}
	_, wrong, err := r.draft.Plan.Message.For(row.Params)
	if err != nil {
		return InvalidMessage + "message"
	}
	return wrong
}

// count puts what was counted in order, the most first.
func (r *rehearsal) count() {
	r.said.Skipped, r.said.Missing, r.said.Failing = []Skips{}, []Lacking{}, []Failures{}
	for at, n := range r.skipped {
		r.said.Skipped = append(r.said.Skipped, Skips{at[0], at[1], n})
	}
	for name, n := range r.missing {
		r.said.Missing = append(r.said.Missing, Lacking{name, n})
	}
	for wrong, n := range r.failing {
		r.said.Failing = append(r.said.Failing, Failures{wrong, n})
	}
	slices.SortFunc(r.said.Skipped, func(x, y Skips) int {
		return most(x.Count, y.Count, x.Error+x.List, y.Error+y.List)
	})
	slices.SortFunc(r.said.Missing, func(x, y Lacking) int { return most(x.Count, y.Count, x.Name, y.Name) })
	slices.SortFunc(r.said.Failing, func(x, y Failures) int { return most(x.Count, y.Count, x.Error, y.Error) })
}

func most(x, y int, nameX, nameY string) int {
	if x != y {
		return y - x
	}
	return strings.Compare(nameX, nameY)
}

// weigh says how long it takes, what it takes of the tier, and what to think of.
func (r *rehearsal) weigh(ctx context.Context, terms Terms, t *template.Template) error {
	var condition channel.Condition
	var err error
	if r.Conditions != nil {
		if condition, err = r.Conditions.Condition(ctx, r.draft.Account, r.draft.Plan.Channel); err != nil {
			return err
		}
	}
	r.said.Rate = channel.Rate(r.Channel, condition)
	if own := r.draft.Plan.Rate; own > 0 {
		r.said.Rate = min(r.said.Rate, own)
	}
	r.said.Seconds = int(math.Ceil(float64(r.said.Go) / r.said.Rate))
	if err := r.tier(ctx, condition); err != nil {
		return err
	}
	r.said.Warnings = []Remark{}
	r.remark(terms, condition, t)
	return nil
}

func (r *rehearsal) tier(ctx context.Context, condition channel.Condition) error {
	share := &r.said.Tier
	share.Needed = r.said.Outside
	switch {
	case condition.Tier == channel.Unlimited:
		share.Unlimited = true
		return nil
	case condition.Tier == 0 || r.Left == nil:
		return nil
	}
	share.Limit = &condition.Tier
	left, known, err := r.Left(ctx, r.Channel, condition)
	if err != nil {
		return err
	}
	if known {
		share.Left = &left
	}
	return nil
}

// within writes how long something takes, for people.
func within(seconds int) string {
	return fmt.Sprint((time.Duration(seconds) * time.Second).Round(time.Second))
}
