package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
)

// Limits of a request that subscribes people.
const (
	subscribeBody  = 4 << 20
	subscribeOnce  = 200       // people in one command
	subscribeBytes = 128 << 10 // of their parameters
	changedTries   = 3         // where the sequence is changed at the same time
)

// subscriberView is one subscription as the API shows it.
type subscriberView struct {
	To         string            `json:"to"`
	Given      string            `json:"given"`
	Status     sequence.Standing `json:"status"`
	Params     map[string]string `json:"params"`
	Subscribed string            `json:"subscribed_at"`
	Ended      *string           `json:"ended_at"`
	NextStep   *int              `json:"next_step"`
	NextAt     *string           `json:"next_at"`
}

func viewSubscriber(q sequence.Sequence, s sequence.Subscriber) subscriberView {
	v := subscriberView{
		To: s.To.Shown(), Given: s.Given, Status: shownStanding(q, s.Standing), Params: s.Params, Subscribed: instant(s.Since),
	}
	if v.Params == nil {
		v.Params = map[string]string{}
	}
	if s.Ended != 0 {
		ended := instant(s.Ended)
		v.Ended = &ended
	}
	if v.Status == sequence.Waiting && s.Step != 0 {
		at := instant(s.Due)
		v.NextStep, v.NextAt = &s.Step, &at
	}
	return v
}

// subscribing is a request that subscribes people.
type subscribing struct {
	To          string          `json:"to"`
	Params      json.RawMessage `json:"params"`
	Again       *bool           `json:"again"`
	Subscribers []struct {
		To     string          `json:"to"`
		Params json.RawMessage `json:"params"`
	} `json:"subscribers"`
}

// subscribedView says what became of one of those that were to be subscribed, in their order.
type subscribedView struct {
	To     string `json:"to"`
	Given  string `json:"given"`
	Result string `json:"result"`
	Error  string `json:"error"`
}

const refusedPerson = "refused"

// subscribe answers POST /v1/sequences/{id}/subscribers. Of many people each gets an answer of its own; what is wrong with the
// only one is an error.
func (a *API) subscribe(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	var asked subscribing
	body, err := c.read(subscribeBody, &asked)
	if err != nil {
		return err
	}
	q, _, err := a.sequenceOf(c, c.param("id"))
	if err != nil {
		return err
	}
	one := asked.Subscribers == nil
	if one {
		asked.Subscribers = append(asked.Subscribers, struct {
			To     string          `json:"to"`
			Params json.RawMessage `json:"params"`
		}{asked.To, asked.Params})
	} else if asked.To != "" || asked.Params != nil {
		return wrongField(fault.Unprocessable, "to", "out_of_place", "stands in each of subscribers, or alone")
	}
	if n := len(asked.Subscribers); n == 0 || n > sequence.MaxAtOnce {
		return wrongField(fault.Unprocessable, "subscribers", "out_of_range", fmt.Sprintf("is a list of 1 to %d people", sequence.MaxAtOnce))
	}
	views, people, wrong := make([]subscribedView, len(asked.Subscribers)), make([]*sequence.Person, len(asked.Subscribers)), []fault.Field(nil)
	seen := map[chat.Identifier]bool{}
	for i, given := range asked.Subscribers {
		at := ""
		if !one {
			at = "subscribers[" + strconv.Itoa(i) + "]."
		}
		views[i].Given = given.To
		params, bad := broadcast.Params(at+"params", given.Params)
		if wrong = append(wrong, bad...); len(bad) > 0 {
			continue
		}
		who, field := a.candidate(*q, given.To, params)
		switch {
		case field != nil && one:
			wrong = append(wrong, *field)
		case field != nil:
			views[i].Result, views[i].Error = refusedPerson, field.Detail
		case seen[who.To]:
			views[i].To, views[i].Result, views[i].Error = who.To.Shown(), refusedPerson, "stands earlier in this request"
		default:
			seen[who.To] = true
			views[i].To, people[i] = who.To.Shown(), who
		}
	}
	if err := wrongFields(wrong); err != nil {
		return err
	}
	id, _, err := a.once(c, account, body)
	if err != nil {
		return err
	}
	fresh := asked.Again != nil && !*asked.Again
	decided, err := a.subscribeAll(c, account.Key, q.Ref(), id, fresh, people, views)
	if err != nil {
		return err
	}
	status, counts := http.StatusOK, map[string]int{}
	for _, v := range views {
		counts[v.Result]++
		if v.Result == sequence.Subscribed || v.Result == sequence.Again {
			status = http.StatusCreated
		}
	}
	if !decided {
		status = http.StatusAccepted
	}
	return c.answer(status, map[string]any{
		"data": views, "subscribed": counts[sequence.Subscribed] + counts[sequence.Again], "unchanged": counts[sequence.Already] + counts[sequence.Before],
		"refused": counts[refusedPerson] + counts[sequence.Full],
	})
}

// candidate reads one person, who must have what every step needs.
func (a *API) candidate(q sequence.Sequence, given string, params map[string]string) (*sequence.Person, *fault.Field) {
	channel, _ := a.Directory.Channel(q.Account, q.Channel)
	to, err := chat.ParseRecipient(given, channel.DefaultCountry)
	if err != nil || len(given) > 256 {
		return nil, &fault.Field{Field: "to", Code: "invalid_number", Detail: "must be a phone number or a business-scoped user id"}
	}
	who := &sequence.Person{To: to, Given: given}
	if dial, err := chat.Given(given, channel.DefaultCountry); err == nil && dial != to.Shown() {
		who.Dial = dial
	}
	size := 0
	for _, step := range q.Series {
		if missing := step.Message.Missing(params); missing != "" {
			return nil, &fault.Field{Field: "params." + missing, Code: "required", Detail: "lacks the parameter " + missing + ", which a step needs"}
		}
	}
	for name, value := range params {
		size += len(name) + len(value)
	}
	if who.Params = params; size > subscribeBytes/4 {
		return nil, &fault.Field{Field: "params", Code: "too_long", Detail: "has more than 32 KiB of parameters"}
	}
	return who, nil
}

// subscribeAll has people subscribed, in portions whose commands have ids of their own: a repeat of the request finds each decided.
func (a *API) subscribeAll(c *call, key chat.Key, ref sequence.Ref, id string, fresh bool, people []*sequence.Person, views []subscribedView) (decided bool, err error) {
	decided = true
	for from, n := 0, 0; from < len(people); n++ {
		to, size, whom := from, 0, []int{}
		for ; to < len(people) && len(whom) < subscribeOnce && size < subscribeBytes; to++ {
			if people[to] == nil {
				continue
			}
			whom = append(whom, to)
			for name, value := range people[to].Params {
				size += len(name) + len(value)
			}
		}
		if from = to; len(whom) == 0 {
			continue
		}
		results, err := a.subscribeSome(c, key, ref, id+"."+strconv.Itoa(n), fresh, people, whom)
		if err != nil {
			return false, err
		}
		decided = decided && results != nil
		for i, result := range results {
			if views[whom[i]].Result = result; result == sequence.Full {
				views[whom[i]].Error = fmt.Sprintf("the sequence has %d subscribers", sequence.MaxSubscribers)
			}
		}
	}
	return decided, nil
}

// subscribeSome gives nil where the decision takes longer. Where the sequence was changed since it was read, the first step is
// found anew.
func (a *API) subscribeSome(c *call, key chat.Key, ref sequence.Ref, id string, fresh bool, people []*sequence.Person, whom []int) (results []string, err error) {
	for try := range changedTries {
		q, _, err := a.sequenceOf(c, ref.ID)
		if err != nil {
			return nil, err
		}
		calendar := sequence.Calendar{Directory: a.Directory}
		body := sequence.Subscribe{ID: ref.ID, Version: q.Version, Fresh: fresh}
		for _, i := range whom {
			body.People = append(body.People, calendar.Candidate(*q, key.Pseudonym(people[i].To), *people[i], a.Now()))
		}
		command, err := shard.NewCommand(id+strings.Repeat("'", try), sequence.KindSubscribe, c.account, a.Now().UnixMilli(), body)
		if err != nil {
			return nil, err
		}
		answer, err := a.decide(c.ctx, ref.Shard(a.Shards), command)
		if f, ok := err.(*fault.Error); ok && f.Code == sequence.CodeChanged && try < changedTries-1 { //nolint:errorlint // decide gives it as it is
			continue
		}
		if err != nil || answer == nil {
			return nil, err
		}
		return valueOf[[]string](answer)
	}
	return nil, nil
}

// unsubscribe answers DELETE /v1/sequences/{id}/subscribers/{identifier}.
func (a *API) unsubscribe(c *call) error {
	q, _, err := a.sequenceOf(c, c.param("id"))
	if err != nil {
		return err
	}
	account, who, err := a.whom(c, false, q.Channel)
	if err != nil {
		return err
	}
	body := sequence.Unsubscribe{ID: q.ID, P: account.Key.Pseudonym(who)}
	command, err := shard.NewCommand(chance(), sequence.KindUnsubscribe, c.account, a.Now().UnixMilli(), body)
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, q.Ref().Shard(a.Shards), command)
	if err != nil {
		return err
	}
	if answer == nil {
		return c.answer(http.StatusAccepted, map[string]string{"id": command.ID, "status": "accepted"})
	}
	s, err := valueOf[sequence.Subscriber](answer)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, viewSubscriber(*q, s))
}

// listSubscribers answers GET /v1/sequences/{id}/subscribers, in the order of subscribing. ?status= may leave pages shorter.
func (a *API) listSubscribers(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	if after != "" && !placeForm.MatchString(after) {
		return badCursor()
	}
	wanted := sequence.Standing(c.query("status"))
	switch wanted {
	case "", sequence.Waiting, sequence.Done, sequence.Unsubscribed, sequence.Stopped:
	default:
		return wrongField(fault.Invalid, "status", "unknown_status", "is active, done, unsubscribed or stopped")
	}
	q, _, err := a.sequenceOf(c, c.param("id"))
	if err != nil {
		return err
	}
	page, next, err := a.Sequences.Subscribers(c.ctx, q.Ref(), after, limit)
	if err != nil {
		return err
	}
	views := []subscriberView{}
	for _, s := range page {
		if v := viewSubscriber(*q, s); wanted == "" || v.Status == wanted {
			views = append(views, v)
		}
	}
	return c.list(views, next)
}
