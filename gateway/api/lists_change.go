package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// listBody bounds the body of a list, which may hold a hundred words in each of many languages.
const listBody = 256 << 10

// members counts a list's people. alone are those on no other list of the account.
type members interface {
	CountMembers(ctx context.Context, account optout.Account, list string) (entries, alone int, err error)
}

// createList answers POST /v1/optout-lists.
func (a *API) createList(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	body, err := c.body(listBody)
	if err != nil {
		return err
	}
	fields, err := a.listFields(account, body, optout.NewList())
	if err != nil {
		return err
	}
	id, _, err := a.once(c, account, body)
	if err != nil {
		return err
	}
	l, err := a.decideList(c, id+".0", optout.CommandListCreate, optout.ListCreate{Fields: fields})
	if err != nil || l == nil {
		return err
	}
	c.rc.Response.Header.Set("Location", "/v1/optout-lists/"+l.ID)
	return c.answerList(fasthttp.StatusCreated, *l)
}

// changeList answers PATCH /v1/optout-lists/{list}: what is not named stays.
func (a *API) changeList(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	body, err := c.body(listBody)
	if err != nil {
		return err
	}
	fields, err := a.listFields(account, body, l)
	if err != nil {
		return err
	}
	changed, err := a.decideList(c, chance(), optout.CommandListChange, optout.ListChange{List: l.ID, If: tags, Fields: fields})
	if err != nil || changed == nil {
		return err
	}
	return c.answerList(fasthttp.StatusOK, *changed)
}

// listFields reads what a body says of a list, and tells every wrong field at once. The shard decides on what is there then.
func (a *API) listFields(account optout.Account, body []byte, l optout.List) (optout.ListPatch, error) {
	fields, wrong, err := optout.ParseListPatch(body)
	if err != nil {
		return fields, err
	}
	wanted := fields.Apply(l, l.Made())
	for _, field := range wanted.Wrong() {
		if !told(wrong, field.Field) {
			wrong = append(wrong, field)
		}
	}
	if fields.Channels.Given && !told(wrong, "channels") {
		for i, id := range wanted.Channels {
			if _, ok := a.Directory.Channel(account.ID, id); !ok && id != chat.AnyChannel {
				field := unknownChannel(id)
				field.Field = fmt.Sprintf("channels[%d]", i)
				wrong = append(wrong, field)
			}
		}
	}
	if url := wanted.WebhookURL; fields.WebhookURL.Given && url != "" && a.CheckURL != nil && !told(wrong, "webhook_url") {
		if err := a.CheckURL(url); err != nil {
			wrong = append(wrong, fieldOf("webhook_url", err))
		}
	}
	return fields, wrongFields(wrong)
}

// told says whether something is known to be wrong with a field, or with a part of it.
func told(wrong []fault.Field, field string) bool {
	for _, w := range wrong {
		if w.Field == field || strings.HasPrefix(w.Field, field+"[") || strings.HasPrefix(w.Field, field+".") {
			return true
		}
	}
	return false
}

// deleteList answers DELETE /v1/optout-lists/{list}?name=: without the list's name it only says what would happen.
func (a *API) deleteList(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	if l.System {
		return fault.New(fault.Forbidden, optout.CodeSystemList, "The list %s belongs to every account and can't be deleted.", l.ID)
	}
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	entries, alone, err := a.Members.CountMembers(c.ctx, account, l.ID)
	if err != nil {
		return err
	}
	if c.query("name") != l.Name {
		unconfirmed := fault.New(fault.Unprocessable, optout.CodeConfirmName, "%d are on this list, of whom %d could be "+
			"reached again, since they are on no other list. Repeat the list's name as ?name= to delete it.", entries, alone)
		unconfirmed.Members = map[string]any{"id": l.ID, "entries": entries, "reachable_again": alone}
		return unconfirmed
	}
	gone, err := a.decideList(c, chance(), optout.CommandListDelete, optout.ListDelete{List: l.ID, If: tags, Name: l.Name})
	if err != nil || gone == nil {
		return err
	}
	return c.answer(fasthttp.StatusOK, struct {
		ID             string `json:"id"`
		Entries        int    `json:"entries"`
		ReachableAgain int    `json:"reachable_again"`
	}{l.ID, entries, alone})
}

// decideList makes a command about lists and waits for what the account's shard says. nil and no error: it is accepted and
// not decided yet, and the call is answered.
func (a *API) decideList(c *call, id, kind string, body any) (*optout.List, error) {
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
	_, _ = a.Accounts.Account(c.ctx, c.account) // this process hears new words at once; others, or where it can't be read, within a second
	l, err := valueOf[optout.List](answer)
	return &l, err
}

// answerList answers with a list and the tag that If-Match takes.
func (c *call) answerList(status int, l optout.List) error {
	c.rc.Response.Header.Set("ETag", `"`+l.Tag()+`"`)
	return c.answer(status, viewList(l))
}

// ifMatch gives the tags of If-Match, none where whatever is there will do. Weak tags match nothing (RFC 9110, 13.1.1).
func (c *call) ifMatch() (tags []string, err error) {
	given := strings.TrimSpace(c.header("If-Match"))
	if given == "" || given == "*" {
		return nil, nil
	}
	for one := range strings.SplitSeq(given, ",") {
		one = strings.TrimSpace(one)
		strong, isWeak := strings.CutPrefix(one, "W/")
		tag, ends := strings.CutSuffix(strings.TrimPrefix(strong, `"`), `"`)
		if !strings.HasPrefix(strong, `"`) || !ends || strings.Contains(tag, `"`) {
			return nil, fault.New(fault.Invalid, "invalid_if_match", `If-Match is "*" or holds ETags in quotation marks.`)
		}
		if isWeak {
			tag = "weak" // which no list's is
		}
		tags = append(tags, tag)
	}
	return tags, nil
}
