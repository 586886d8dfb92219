package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// nearView is a near miss as the API shows it.
type nearView struct {
	Text  string    `json:"text"`
	Count int       `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// listNear answers GET /v1/optout-lists/{list}/near-misses, the most frequent first. Its cursor is a place in that order.
func (a *API) listNear(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	from := 0
	if after != "" {
		if from, err = strconv.Atoi(after); err != nil || from < 0 {
			return badCursor()
		}
	}
	_, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	states, err := a.States.States(c.ctx, a.Shards.Account(c.account), optout.NearKey(c.account, l.ID))
	if err != nil {
		return err
	}
	var near optout.NearMisses
	if states[0] != nil {
		if err := json.Unmarshal(states[0], &near); err != nil {
			return fmt.Errorf("state of near misses: %w", err)
		}
	}
	slices.SortFunc(near.Texts, func(a, b optout.NearMiss) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Text, b.Text))
	})
	views, next := []nearView{}, ""
	for i, m := range near.Texts[min(from, len(near.Texts)):] {
		if i == limit {
			next = strconv.Itoa(from + limit)
			break
		}
		views = append(views, nearView{m.Text, m.Count, time.UnixMilli(m.First).UTC(), time.UnixMilli(m.Last).UTC()})
	}
	return c.list(views, next)
}

// adoptNear answers POST /v1/optout-lists/{list}/near-misses/adopt: the text becomes a stop word.
func (a *API) adoptNear(c *call) error {
	_, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	var body struct {
		Text string `json:"text"`
	}
	if err := c.decode(smallBody, &body); err != nil {
		return err
	}
	if optout.FoldText(body.Text) == "" {
		return wrongField(fault.Unprocessable, "text", "required", "is a text that near-misses shows")
	}
	changed, err := a.decideList(c, chance(), optout.CommandListChange, optout.ListChange{List: l.ID, If: tags, Adopt: body.Text})
	if err != nil || changed == nil {
		return err
	}
	return c.answerList(fasthttp.StatusOK, *changed)
}
