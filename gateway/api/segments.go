package api

import (
	"context"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
	"optgate/pipeline/shard"
)

// segments reads an account's segments and whom they hold. fault.NotCertain where nobody can know.
type segments interface {
	Segments(ctx context.Context, account string) ([]segment.Segment, error)
	Segment(ctx context.Context, account, id string) (*segment.Segment, error) // fault.NotFound where there is none
	Members(ctx context.Context, s segment.Segment, channel string, each func([]chat.Identifier) error) error
	InService(ctx context.Context, account, channel string, ids []chat.Identifier) ([]bool, error)
}

// segmentBody bounds the body of a segment, in bytes.
const segmentBody = 128 << 10

// segmentView is a segment as the API shows it.
type segmentView struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"`
	Match      segment.Match       `json:"match"`
	Conditions []segment.Condition `json:"conditions"`
	Created    time.Time           `json:"created_at"`
	Updated    time.Time           `json:"updated_at"`
}

func viewSegment(s segment.Segment) segmentView {
	return segmentView{s.ID, s.Name, s.Match, append([]segment.Condition{}, s.Conditions...), time.UnixMilli(s.Created).UTC(), time.UnixMilli(s.Updated).UTC()}
}

// listSegments answers GET /v1/segments. Its cursor is the id of the last segment shown.
func (a *API) listSegments(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	all, err := a.Segments.Segments(c.ctx, c.account)
	if err != nil {
		return err
	}
	if after != "" {
		at := segment.Segments{Segments: all}.Find(after)
		if at < 0 {
			return badCursor()
		}
		all = all[at+1:]
	}
	views, next := []segmentView{}, ""
	for i, s := range all {
		if i == limit {
			next = all[i-1].ID
			break
		}
		views = append(views, viewSegment(s))
	}
	return c.list(views, next)
}

// showSegment answers GET /v1/segments/{id}.
func (a *API) showSegment(c *call) error {
	s, err := a.Segments.Segment(c.ctx, c.account, c.param("id"))
	if err != nil {
		return err
	}
	return c.answerSegment(fasthttp.StatusOK, *s)
}

// answerSegment answers with a segment and the tag that If-Match takes.
func (c *call) answerSegment(status int, s segment.Segment) error {
	c.rc.Response.Header.Set("ETag", `"`+s.Tag()+`"`)
	return c.answer(status, viewSegment(s))
}

// createSegment answers POST /v1/segments.
func (a *API) createSegment(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	body, err := c.body(segmentBody)
	if err != nil {
		return err
	}
	fields, err := readSegment(account, body, segment.Segment{}, segment.Segment.Wrong)
	if err != nil {
		return err
	}
	id, _, err := a.once(c, account, body)
	if err != nil {
		return err
	}
	s, err := a.decideSegment(c, id+".0", segment.CommandCreate, segment.Create{ID: id, Fields: fields})
	if err != nil || s == nil {
		return err
	}
	c.rc.Response.Header.Set("Location", "/v1/segments/"+s.ID)
	return c.answerSegment(fasthttp.StatusCreated, *s)
}

// changeSegment answers PATCH /v1/segments/{id}: what is not named stays. Broadcasts that were made with it keep what it was.
func (a *API) changeSegment(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	there, err := a.Segments.Segment(c.ctx, c.account, c.param("id"))
	if err != nil {
		return err
	}
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	body, err := c.body(segmentBody)
	if err != nil {
		return err
	}
	fields, err := readSegment(account, body, *there, segment.Segment.Wrong)
	if err != nil {
		return err
	}
	s, err := a.decideSegment(c, chance(), segment.CommandChange, segment.Change{ID: there.ID, If: tags, Fields: fields})
	if err != nil || s == nil {
		return err
	}
	return c.answerSegment(fasthttp.StatusOK, *s)
}

// deleteSegment answers DELETE /v1/segments/{id}. Broadcasts that were made with it keep what it was.
func (a *API) deleteSegment(c *call) error {
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	gone, err := a.decideSegment(c, chance(), segment.CommandDelete, segment.Delete{ID: c.param("id"), If: tags})
	if err != nil || gone == nil {
		return err
	}
	return c.answer(fasthttp.StatusOK, map[string]string{"id": gone.ID})
}

// readSegment reads what a body says of a segment that is there, or is new, and tells every wrong field at once.
func readSegment(account optout.Account, body []byte, there segment.Segment, check func(segment.Segment) []fault.Field) (segment.Fields, error) {
	fields, wrong, err := segment.Parse(body)
	if err != nil {
		return fields, err
	}
	wanted := fields.Apply(there)
	for _, field := range check(wanted) {
		if !told(wrong, field.Field) {
			wrong = append(wrong, field)
		}
	}
	if fields.Conditions.Given {
		for i, one := range wanted.Conditions {
			if _, known := account.List(one.List); one.List != "" && !known {
				wrong = append(wrong, fault.Field{Field: fmt.Sprintf("conditions[%d].list", i), Code: "unknown_list", Detail: "names a list that is not there"})
			}
		}
	}
	return fields, wrongFields(wrong)
}

// decideSegment makes a command about segments and waits for what the account's shard says. nil and no error: it is accepted
// and not decided yet, and the call is answered.
func (a *API) decideSegment(c *call, id, kind string, body any) (*segment.Segment, error) {
	command, err := shard.NewCommand(id, kind, c.account, a.Now().UnixMilli(), body)
	if err != nil {
		return nil, err
	}
	answer, err := a.decide(c.ctx, a.Shards.Account(c.account), command)
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, accepted(c, id)
	}
	s, err := valueOf[segment.Segment](answer)
	return &s, err
}

// countView says how many people a segment holds.
type countView struct {
	People        int `json:"people"`         // whom the channel reaches, each once
	OutsideWindow int `json:"outside_window"` // of them, those whom only a template may be sent to now
}

// countSegment answers GET /v1/segments/{id}/count?channel=.
func (a *API) countSegment(c *call) error {
	s, err := a.Segments.Segment(c.ctx, c.account, c.param("id"))
	if err != nil {
		return err
	}
	return a.count(c, *s)
}

// countUnsaved answers POST /v1/segments/count?channel=: it counts a segment that nobody saves.
func (a *API) countUnsaved(c *call) error {
	c.changesNothing()
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	body, err := c.body(segmentBody)
	if err != nil {
		return err
	}
	fields, err := readSegment(account, body, segment.Segment{}, segment.Segment.WrongChoice)
	if err != nil {
		return err
	}
	return a.count(c, fields.Apply(segment.Segment{Account: account.ID}))
}

func (a *API) count(c *call, s segment.Segment) error {
	channel, ok := a.Directory.Channel(c.account, c.query("channel"))
	if !ok {
		return wrongFields([]fault.Field{unknownChannel(c.query("channel"))})
	}
	var n countView
	err := a.Segments.Members(c.ctx, s, channel.ID, func(ids []chat.Identifier) error {
		inside, err := a.Segments.InService(c.ctx, c.account, channel.ID, ids)
		if err != nil {
			return err
		}
		n.People += len(ids)
		for _, in := range inside {
			if !in {
				n.OutsideWindow++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.answer(fasthttp.StatusOK, n)
}
