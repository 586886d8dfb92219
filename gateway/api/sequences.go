package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// sequences reads sequences and who is subscribed; fault.NotCertain where nobody can know.
type sequences interface {
	// Sequence gives nil where there is none.
	Sequence(ctx context.Context, r sequence.Ref) (*sequence.Sequence, *sequence.Sums, error)
	// SequencesOf names an account's, the newest first.
	SequencesOf(ctx context.Context, account, after string, limit int) (page []sequence.Ref, next string, err error)
	Subscribers(ctx context.Context, r sequence.Ref, after string, limit int) (page []sequence.Subscriber, next string, err error)
}

// createSequence answers POST /v1/sequences.
func (a *API) createSequence(c *call) error {
	account, body, err := a.askedOf(c)
	if err != nil {
		return err
	}
	plan, wrong, err := sequence.ParsePlan(body)
	if err != nil {
		return err
	}
	if wrong, err = a.checkPlan(c, account, plan, wrong); err != nil {
		return err
	}
	if err := wrongFields(wrong); err != nil {
		return err
	}
	id, _, err := a.once(c, account, body)
	if err != nil {
		return err
	}
	ref := sequence.Ref{Account: c.account, ID: sequence.Prefix + id}
	_, end, err := a.Topics.Ends(c.ctx, stream.Outcomes, ref.Shard(a.Shards))
	if err != nil {
		return notKept(err)
	}
	c.rc.Response.Header.Set("Location", "/v1/sequences/"+ref.ID)
	return a.decideSequence(c, ref, id+".0", sequence.KindCreate, sequence.Create{ID: ref.ID, Outcomes: end, Plan: plan}, http.StatusCreated)
}

// askedOf reads an account and the body of a sequence.
func (a *API) askedOf(c *call) (account optout.Account, body []byte, err error) {
	if account, err = a.Accounts.Account(c.ctx, c.account); err != nil {
		return account, nil, err
	}
	body, err = c.body(sequence.MaxBody)
	return account, body, err
}

// checkPlan says what is wrong with a plan by what the account has, besides what is known to be wrong with it: its channel, its
// lists, and the templates of its steps.
func (a *API) checkPlan(c *call, account optout.Account, p sequence.Plan, wrong []fault.Field) ([]fault.Field, error) {
	terms := broadcast.Terms{Account: account, Directory: a.Directory, Now: a.Now()}
	for _, w := range terms.Check(p.Channel, p.Category, p.Lists) {
		if !told(wrong, w.Field) {
			wrong = append(wrong, w)
		}
	}
	for i, step := range p.Series {
		at := "steps[" + strconv.Itoa(i) + "]"
		category := step.Category
		if category == "" {
			category = p.Category
		} else if !told(wrong, at+".category") && !told(wrong, "lists") {
			for _, w := range terms.Check("", category, p.Lists) {
				w.Field = at + "." + w.Field
				wrong = append(wrong, w)
			}
		}
		if told(wrong, at+".message") || step.Message.IsZero() {
			continue
		}
		message, err := json.Marshal(step.Message)
		if err != nil {
			return nil, err
		}
		_, unfit, err := a.fits(c, p.Channel, category, message)
		if err != nil {
			return nil, err
		}
		for _, w := range unfit {
			w.Field = at + "." + w.Field
			wrong = append(wrong, w)
		}
	}
	return wrong, nil
}

// decideSequence has a command about a sequence decided and answers with the sequence as it is then; 202 where that takes longer.
func (a *API) decideSequence(c *call, ref sequence.Ref, id, kind string, body any, status int) error {
	command, err := shard.NewCommand(id, kind, c.account, a.Now().UnixMilli(), body)
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, ref.Shard(a.Shards), command)
	if err != nil {
		return err
	}
	if answer == nil {
		return c.answer(http.StatusAccepted, map[string]string{"id": command.ID, "status": "accepted"})
	}
	return a.answerSequence(c, ref, status)
}

func (a *API) answerSequence(c *call, ref sequence.Ref, status int) error {
	q, sums, err := a.sequenceOf(c, ref.ID)
	if err != nil {
		return err
	}
	c.rc.Response.Header.Set("ETag", `"`+q.Tag()+`"`)
	return c.answer(status, viewSequence(*q, *sums))
}

// sequenceOf finds a sequence. Another account's is not there.
func (a *API) sequenceOf(c *call, id string) (*sequence.Sequence, *sequence.Sums, error) {
	q, sums, err := a.Sequences.Sequence(c.ctx, sequence.Ref{Account: c.account, ID: id})
	if err == nil && q == nil {
		err = fault.New(fault.NotFound, sequence.CodeNotFound, "There is no such sequence.")
	}
	return q, sums, err
}

// showSequence answers GET /v1/sequences/{id}.
func (a *API) showSequence(c *call) error {
	return a.answerSequence(c, sequence.Ref{Account: c.account, ID: c.param("id")}, http.StatusOK)
}

// listSequences answers GET /v1/sequences.
func (a *API) listSequences(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	refs, next, err := a.Sequences.SequencesOf(c.ctx, c.account, after, limit)
	if err != nil {
		return err
	}
	views := []sequenceView{}
	for _, ref := range refs {
		q, sums, err := a.Sequences.Sequence(c.ctx, ref)
		if err != nil {
			return err
		}
		if q != nil { // else it was forgotten a moment ago
			views = append(views, viewSequence(*q, *sums))
		}
	}
	return c.list(views, next)
}

// changeSequence answers PATCH /v1/sequences/{id}: what is not named stays.
func (a *API) changeSequence(c *call) error {
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	account, body, err := a.askedOf(c)
	if err != nil {
		return err
	}
	q, _, err := a.sequenceOf(c, c.param("id"))
	if err != nil {
		return err
	}
	patch, wrong, err := sequence.ParsePatch(body)
	if err != nil {
		return err
	}
	plan := patch.Apply(q.Plan)
	for i, step := range patch.Series {
		if _, known := q.Step(step.No); step.No != 0 && !known {
			wrong = append(wrong, fault.Field{
				Field: fmt.Sprintf("steps[%d].id", i), Code: sequence.CodeUnknownStep, Detail: "is no step of this sequence: leave the id of a new one out"})
		}
	}
	if wrong, err = a.checkPlan(c, account, plan, wrong); err != nil {
		return err
	}
	if err := wrongFields(wrong); err != nil {
		return err
	}
	return a.decideSequence(c, q.Ref(), chance(), sequence.KindChange, sequence.Change{ID: q.ID, If: tags, Patch: patch}, http.StatusOK)
}

// pauseSequence answers POST /v1/sequences/{id}/pause, resumeSequence …/resume, deleteSequence DELETE /v1/sequences/{id}.
func (a *API) pauseSequence(c *call) error { return a.moveSequence(c, sequence.Paused) }

func (a *API) resumeSequence(c *call) error { return a.moveSequence(c, sequence.Active) }

func (a *API) deleteSequence(c *call) error { return a.moveSequence(c, sequence.Deleted) }

func (a *API) moveSequence(c *call, to sequence.Status) error {
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	q, _, err := a.sequenceOf(c, c.param("id"))
	if err != nil {
		return err
	}
	return a.decideSequence(c, q.Ref(), chance(), sequence.KindStatus, sequence.SetStatus{ID: q.ID, If: tags, Status: to}, http.StatusOK)
}
