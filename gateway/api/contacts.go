package api

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// contacts reads an account's contacts. after and next are cursors, "" for the beginning and the end. fault.NotCertain where
// nobody can know.
type contacts interface {
	Contact(ctx context.Context, account string, p chat.Pseudonym) (*contact.Contact, error) // nil: there is none
	ContactPage(ctx context.Context, account string, search contact.Search, after string, limit int) (page []contact.Contact, next string, err error)
}

// contactView is a contact as the API shows it.
type contactView struct {
	ID         string            `json:"id"`
	To         *string           `json:"to"`
	UserID     *string           `json:"user_id"`
	Email      *string           `json:"email"`
	Name       string            `json:"name"`
	Tags       []string          `json:"tags"`
	Categories []string          `json:"categories"`
	Attributes map[string]string `json:"attributes"`
	Created    time.Time         `json:"created_at"`
	Updated    time.Time         `json:"updated_at"`
}

func viewContact(c contact.Contact) contactView {
	v := contactView{
		ID: c.Who[0].P.String(), Name: c.Name, Tags: append([]string{}, c.Tags...), Categories: append([]string{}, c.Categories...),
		Attributes: map[string]string{}, Created: time.UnixMilli(c.Created).UTC(), Updated: time.UnixMilli(c.Updated).UTC(),
	}
	maps.Copy(v.Attributes, c.Attributes)
	v.To, v.Email = shown(c.Who[0].ID)
	if v.Email == nil {
		_, v.Email = shown(c.Other(chat.KindEmail).ID)
	}
	v.UserID, _ = shown(c.Other(chat.KindBSUID).ID)
	return v
}

// listContacts answers GET /v1/contacts.
func (a *API) listContacts(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	search := contact.Search{
		Who: optout.NewSearch(c.query("search"), "", a.countries(account)...), Tag: c.query("tag"), Category: c.query("category"),
	}
	page, next, err := a.Contacts.ContactPage(c.ctx, c.account, search, after, limit)
	if err != nil {
		return err
	}
	views := make([]contactView, len(page))
	for i, one := range page {
		views[i] = viewContact(one)
	}
	return c.list(views, next)
}

// contactOf finds the contact that a path names.
func (a *API) contactOf(c *call) (*contact.Contact, error) {
	n, err := strconv.ParseUint(c.param("id"), 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != c.param("id") {
		return nil, unknownContact()
	}
	there, err := a.Contacts.Contact(c.ctx, c.account, chat.Pseudonym(n))
	if err == nil && there == nil {
		err = unknownContact()
	}
	return there, err
}

func unknownContact() error {
	return fault.New(fault.NotFound, contact.CodeUnknown, "There is no such contact.")
}

// showContact answers GET /v1/contacts/{id}.
func (a *API) showContact(c *call) error {
	there, err := a.contactOf(c)
	if err != nil {
		return err
	}
	return c.answerContact(fasthttp.StatusOK, *there)
}

// answerContact answers with a contact and the tag that If-Match takes.
func (c *call) answerContact(status int, one contact.Contact) error {
	c.rc.Response.Header.Set("ETag", `"`+one.Tag()+`"`)
	return c.answer(status, viewContact(one))
}

// changeContact answers PATCH /v1/contacts/{id}: what is not named stays.
func (a *API) changeContact(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	there, err := a.contactOf(c)
	if err != nil {
		return err
	}
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	var body contactFields
	if err := c.decode(contactBody, &body); err != nil {
		return err
	}
	fields, wrong := body.read(account)
	if len(wrong) > 0 {
		return wrongFields(wrong)
	}
	edit := contact.Edit{Show: true, Edits: []contact.One{{Who: there.Who[0], There: true, If: tags, Fields: fields}}}
	results, err := a.editContacts(c, chance(), []contact.Edit{edit})
	if err != nil || results == nil {
		return err
	}
	if err := refusedContact(results[0]); err != nil {
		return err
	}
	return c.answerContact(fasthttp.StatusOK, *results[0].Contact)
}

// refusedContact is the error that a contact's refusal becomes.
func refusedContact(r contact.Result) error {
	if r.Code == "" {
		return nil
	}
	return refused(&shard.Answer{Code: r.Code, Msg: r.Msg})
}

// deleteContact answers DELETE /v1/contacts/{id}. What is known of the person's consent stays.
func (a *API) deleteContact(c *call) error {
	there, err := a.contactOf(c)
	if err != nil {
		return err
	}
	tags, err := c.ifMatch()
	if err != nil {
		return err
	}
	who, id := there.Who[0].P, chance()
	command, err := shard.NewCommand(id, contact.CommandDelete, c.account, a.Now().UnixMilli(), contact.Delete{Who: who, If: tags})
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, a.Shards.Of(who), command)
	if err != nil {
		return err
	}
	if answer == nil {
		return accepted(c, id)
	}
	return c.answer(fasthttp.StatusOK, map[string]string{"id": who.String()})
}

// editContacts makes a command of each edit and waits for what their shards say of every contact, in their order. No results
// and no error: they are kept and not decided yet, and the call is answered.
func (a *API) editContacts(c *call, id string, edits []contact.Edit) ([]contact.Result, error) {
	type asked struct {
		at      int
		offset  int64
		command string
	}
	commands := make([]asked, len(edits))
	for i, edit := range edits {
		record, err := edit.Record(a.Shards, fmt.Sprintf("%s.%d", id, i), c.account, a.Now().UnixMilli())
		if err != nil {
			return nil, err
		}
		if err := a.Publisher.Publish(c.ctx, record); err != nil {
			return nil, notKept(err)
		}
		commands[i] = asked{record.Partition, record.Offset, string(record.Key)}
	}
	ctx, cancel := context.WithTimeout(c.ctx, decisionTime) // for all together
	defer cancel()
	var results []contact.Result
	for _, one := range commands {
		answer, err := a.decided(ctx, one.at, one.offset, one.command)
		if err != nil {
			return nil, err
		}
		if answer == nil {
			return nil, accepted(c, id)
		}
		said, err := valueOf[contact.EditAnswer](answer)
		if err != nil {
			return nil, err
		}
		results = append(results, said.Results...)
	}
	return results, nil
}

// contactFields is what a body says of a contact: what is missing or null stays.
type contactFields struct {
	Email            *string            `json:"email"`   // "" takes it away
	UserID           *string            `json:"user_id"` // "" takes it away
	Name             *string            `json:"name"`
	Tags             *[]string          `json:"tags"`
	AddTags          []string           `json:"add_tags"`
	RemoveTags       []string           `json:"remove_tags"`
	Categories       *[]string          `json:"categories"`
	AddCategories    []string           `json:"add_categories"`
	RemoveCategories []string           `json:"remove_categories"`
	Attributes       map[string]*string `json:"attributes"` // null takes one away
}

// read reads the fields, and names every wrong one.
func (b contactFields) read(account optout.Account) (fields contact.Fields, wrong []fault.Field) {
	fields = contact.Fields{
		AddTags: b.AddTags, RemoveTags: b.RemoveTags, AddCategories: b.AddCategories, RemoveCategories: b.RemoveCategories,
		Attributes: b.Attributes, Name: said(b.Name), Tags: said(b.Tags), Categories: said(b.Categories),
	}
	also := func(name string, text *string, kind string) (s optout.Said[optout.Ref]) {
		if text == nil {
			return s
		}
		s.Given = true
		if *text = strings.TrimSpace(*text); *text == "" {
			return s
		}
		id, err := chat.ParseIdentifier(*text, "")
		if err == nil && id.Kind() != kind {
			err = fault.New(fault.Unprocessable, "wrong_kind", "is of another kind")
		}
		if err != nil {
			wrong = append(wrong, fieldOf(name, err))
			return s
		}
		s.Value = ref(account, id)
		return s
	}
	fields.Email = also("email", b.Email, chat.KindEmail)
	fields.UserID = also("user_id", b.UserID, chat.KindBSUID)
	return fields, append(wrong, fields.Wrong()...)
}

// said tells what is given from what is missing.
func said[T any](value *T) (s optout.Said[T]) {
	if value != nil {
		s.Given, s.Value = true, *value
	}
	return s
}
