package sequence

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// tend brings one sequence on as far as it goes without waiting.
func (r *Runner) tend(ctx context.Context, q *run) error {
	now := r.Now()
	if now.Before(q.rests) {
		return nil
	}
	q.rests = now.Add(lookEvery)
	if q.Status == Deleted {
		return r.clear(ctx, q, now)
	}
	if q.Swept < q.Version && (!q.swept || now.Sub(q.asked) > tellAgain) {
		q.swept = false
		if err := r.sweep(ctx, q); err != nil {
			return err
		}
	}
	if q.Status != Active {
		return nil
	}
	due, err := r.due(ctx, q, now)
	if err != nil || len(due) == 0 {
		return err
	}
	return r.decide(ctx, q, due, now)
}

// due gives people for whom something is to be done and hasn't been asked for: as many as there is room for in the lanes.
func (r *Runner) due(ctx context.Context, q *run, now time.Time) ([]Subscriber, error) {
	limit := pageSize + len(q.told)
	all, err := r.States.DueSubscribers(ctx, q.Ref(), now.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("look for who is due: %w", err)
	}
	waits := make(map[chat.Pseudonym]told, len(q.told))
	var due []Subscriber
	for _, s := range all {
		if t := (told{s.Round, s.Step, s.Due, false, now.Add(doubtTime)}); q.Status == Active && s.inLane(now) {
			waits[s.P] = t
		} else if t, asked := q.told[s.P]; asked && t.round == s.Round && t.step == s.Step && t.due == s.Due && now.Before(t.until) {
			waits[s.P] = t
		} else {
			due = append(due, s)
		}
	}
	q.told = waits // whatever else was told has shown its effect
	if len(due) == 0 {
		return nil, nil
	}
	room, err := r.room(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(all) == limit && room > len(due) {
		q.rests = now // there are more
	}
	return due[:max(0, min(room, len(due)))], nil
}

// room is how many more messages of a sequence the lanes may hold. Those that are decided and have no outcome yet count, and
// those that are about to be decided.
func (r *Runner) room(ctx context.Context, q *run) (int, error) {
	channel, declared := r.Directory.Channel(q.Account, q.Channel)
	if !declared {
		return 0, nil
	}
	_, sums, err := r.States.Sequence(ctx, q.Ref())
	if err != nil || sums == nil {
		return 0, err
	}
	credit := r.Credit
	if credit == 0 {
		rate := channel.Rate
		if r.Rate != nil {
			rate = r.Rate(ctx, channel)
		}
		credit = min(mostCredit, int(rate*creditTime.Seconds()))
	}
	room := max(1, credit) - sums.Status(chat.Queued)
	for _, t := range q.told {
		if t.laned {
			room--
		}
	}
	return room, nil
}

// decide finds out what is to become of people who are due, and asks for it.
func (r *Runner) decide(ctx context.Context, q *run, due []Subscriber, now time.Time) error {
	bySteps := map[int][]Subscriber{}
	var moved []Moved
	var gone []chat.Pseudonym
	for _, s := range due {
		if s.Standing != Waiting {
			gone = append(gone, s.P)
			q.note(s, false, now.Add(tellAgain))
			continue
		}
		step, ok := q.Step(s.Step)
		if next, at := r.calendar.Place(q.Sequence, s); !ok || next != s.Step || at > now.UnixMilli() || r.calendar.opens(q.Sequence, s.To, now).After(now) {
			if next == s.Step && at <= now.UnixMilli() {
				at = r.calendar.opens(q.Sequence, s.To, now).UnixMilli() // the quiet hours have begun since it was due
			}
			moved = append(moved, Moved{P: s.P, Round: s.Round, From: s.Step, Next: next, Due: at})
			q.note(s, false, now.Add(tellAgain))
			continue
		}
		bySteps[step.No] = append(bySteps[step.No], s)
	}
	var commands []shard.Command
	add := func(kind string, body any) error {
		c, err := r.command(q, kind, "turn."+strconv.FormatInt(now.UnixMilli(), 36)+"."+strconv.Itoa(len(commands)), body)
		commands = append(commands, c)
		return err
	}
	if len(moved) > 0 {
		if err := add(KindMove, Move{ID: q.ID, Version: q.Version, People: moved}); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		if err := add(KindForget, Forget{ID: q.ID, People: gone}); err != nil {
			return err
		}
	}
	for _, step := range q.Series {
		for _, body := range r.steps(ctx, q, step, bySteps[step.No], now) {
			if err := add(KindStep, body); err != nil {
				return err
			}
		}
	}
	return r.publish(ctx, commands...)
}

// note remembers what was asked for.
func (q *run) note(s Subscriber, laned bool, until time.Time) {
	q.told[s.P] = told{round: s.Round, step: s.Step, due: s.Due, laned: laned, until: until}
}

// steps asks the gate about people who are due for one step, and gives what is to be decided, in portions that cause no more than
// pageBytes of messages.
func (r *Runner) steps(ctx context.Context, q *run, step Step, people []Subscriber, now time.Time) (bodies []StepOf) {
	if len(people) == 0 {
		return nil
	}
	slices.SortStableFunc(people, func(a, b Subscriber) int { return r.Shards.Of(a.P) - r.Shards.Of(b.P) })
	message, wrong, err := r.resolve(ctx, q, step)
	if err != nil {
		r.Logger.Warn().Int("shard", r.Shard).Str("account", q.Account).Str("sequence", q.ID).Int("step", step.No).Err(err).Msg("files of a step can't be shown yet")
		for _, s := range people {
			q.note(s, false, now.Add(mediaAgain))
		}
		return nil
	}
	answers := r.ask(ctx, q, step, people)
	body, size := StepOf{}, 0
	for i, s := range people {
		late := now.UnixMilli()-max(s.Due, q.Resumed) > Validity.Milliseconds()
		d, bytes, certain := r.verdict(q, step, s, message, wrong, late, answers[i], now)
		if !certain {
			q.note(s, false, now.Add(doubtTime))
			continue
		}
		q.note(s, d.Status == "", now.Add(tellAgain))
		if size += bytes; size > pageBytes && len(body.People) > 0 {
			bodies, body, size = append(bodies, body), StepOf{}, bytes
		}
		if body.ID == "" {
			body = StepOf{ID: q.ID, Version: q.Version, Step: step.No}
			if r.Media != nil && wrong == "" {
				body.Message = &message
			}
		}
		body.People = append(body.People, d)
	}
	if len(body.People) > 0 {
		bodies = append(bodies, body)
	}
	return bodies
}

// resolve gives a step's message with what Meta knows its files by. wrong is the error of everybody's row where there is
// one that can't be shown; an error may pass, and then everybody waits.
func (r *Runner) resolve(ctx context.Context, q *run, step Step) (m broadcast.Message, wrong string, err error) {
	if r.Media == nil {
		return step.Message, "", nil
	}
	raw, err := json.Marshal(step.Message)
	if err != nil {
		return m, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, mediaTime)
	defer cancel()
	shown, err := broadcast.Shown(ctx, r.Media, chat.Outbound{Account: q.Account, Channel: q.Channel, Message: raw})
	if wrong := broadcast.MediaError(err); wrong != "" {
		return step.Message, wrong, nil
	}
	if err != nil {
		return m, "", err
	}
	return m, "", json.Unmarshal(shown, &m)
}

// verdict says what becomes of a step for one person, and how large the message is; false where nobody can be certain.
func (r *Runner) verdict(q *run, step Step, s Subscriber, message broadcast.Message, wrong string, late bool, answer gate.Answer, now time.Time) (d Decided, size int, certain bool) {
	due := max(s.Due, q.Resumed)
	d = Decided{P: s.P, Round: s.Round, From: due, Left: now.UnixMilli()}
	switch missing := s.missing(message); {
	case late:
		d.Status, d.Left = chat.Expired, due // nothing has left: the series goes on from when it should have
	case wrong != "":
		d.Status, d.Error = chat.Failed, wrong
	case missing != "":
		d.Status, d.Error = chat.Failed, broadcast.MissingParameter+missing
	case answer.Verdict == gate.Skip:
		d.Status, d.Error, d.List, d.Reason = chat.Skipped, answer.Error(), answer.List, optout.Reason(answer)
	case answer.Verdict != gate.Go:
		return d, 0, false
	default:
		filled, err := message.Fill(s.Params)
		if size = len(filled); err != nil || size > maxMessage {
			d.Status, d.Error, size = chat.Failed, TooLarge, 0
		}
	}
	s.Rows = append(slices.Clip(s.Rows), Row{Round: s.Round, Step: step.No})
	s.From, s.Left = d.From, d.Left
	d.Next, d.Due = r.calendar.Place(q.Sequence, s)
	return d, size, true
}

// What a row shows that fails before it is sent.
const (
	TooLarge = "Message Too Large" // with this person's parameters

	maxMessage = 64 << 10 // bytes, as of any message
)

// ask asks the gate.
func (r *Runner) ask(ctx context.Context, q *run, step Step, people []Subscriber) []gate.Answer {
	lists := gate.Lists(chat.KindSequence, q.category(step), q.Lists)
	questions := make([]gate.Question, len(people))
	for i, s := range people {
		questions[i] = gate.Question{Account: q.Account, Channel: q.Channel, Pseudonym: s.P, Lists: lists}
	}
	answers := r.Gate.Ask(ctx, questions)
	if r.Explain != nil {
		r.Explain(ctx, questions, answers)
	}
	for i := range people {
		if i >= len(answers) {
			answers = append(answers, gate.Answer{})
		}
		r.Metrics.Gate(answers[i].Verdict.String())
	}
	return answers
}
