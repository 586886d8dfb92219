package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

const (
	contactBody   = 512 << 10 // bytes of one contact
	contactsBody  = 16 << 20  // bytes of many
	contactsMost  = 1000      // of one call
	contactsPiece = 384 << 10 // bytes of contacts in one command, so that it stays below the largest
)

// newContact is one contact of a POST. It is found by to, or where that is missing by the e-mail.
type newContact struct {
	To      string `json:"to"`
	Country string `json:"country"` // that a phone without a country code is read with
	contactFields
}

// upsertContacts answers POST /v1/contacts: each contact is made, or changed where it is there. Of many, each stands by itself:
// those that are refused are named.
func (a *API) upsertContacts(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	var body struct {
		newContact
		Contacts *[]newContact `json:"contacts"`
	}
	raw, err := c.read(contactsBody, &body)
	if err != nil {
		return err
	}
	if body.Contacts == nil {
		return a.upsertContact(c, account, raw, body.newContact)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err == nil && len(members) > 1 {
		return wrongField(fault.Unprocessable, "contacts", "one_of", "stands alone: what is said of each contact belongs into it")
	}
	return a.upsertMany(c, account, raw, *body.Contacts)
}

// upsertContact makes or changes one contact.
func (a *API) upsertContact(c *call, account optout.Account, raw []byte, body newContact) error {
	one, wrong := a.readContact(account, body)
	if len(wrong) > 0 {
		return wrongFields(wrong)
	}
	if len(raw) > contactBody {
		return fault.New(fault.TooLarge, "too_large", "One contact has at most %d KiB.", contactBody>>10)
	}
	id, _, err := a.once(c, account, raw)
	if err != nil {
		return err
	}
	results, err := a.editContacts(c, id, []contact.Edit{{Show: true, Edits: []contact.One{one}}})
	if err != nil || results == nil {
		return err
	}
	if err := refusedContact(results[0]); err != nil {
		return err
	}
	status := fasthttp.StatusOK
	if results[0].Created {
		status = fasthttp.StatusCreated
		c.rc.Response.Header.Set("Location", "/v1/contacts/"+one.Who.P.String())
	}
	return c.answerContact(status, *results[0].Contact)
}

// upsertedView says what became of many contacts.
type upsertedView struct {
	Added   int                  `json:"added"`
	Changed int                  `json:"changed"` // those that were there, whether or not anything is different now
	Refused []refusedContactView `json:"refused"`
	IDs     []*string            `json:"ids"` // in the order of the contacts; null of a refused one
}

type refusedContactView struct {
	Index  int           `json:"index"` // from 0
	Errors []fault.Field `json:"errors"`
}

func (a *API) upsertMany(c *call, account optout.Account, raw []byte, bodies []newContact) error {
	if n := len(bodies); n == 0 || n > contactsMost {
		return wrongField(fault.Unprocessable, "contacts", "out_of_range", fmt.Sprintf("holds 1 to %d contacts", contactsMost))
	}
	said := upsertedView{Refused: []refusedContactView{}, IDs: make([]*string, len(bodies))}
	ones, places := []contact.One{}, []int{}
	for i, body := range bodies {
		one, wrong := a.readContact(account, body)
		if len(wrong) > 0 {
			said.Refused = append(said.Refused, refusedContactView{i, wrong})
			continue
		}
		ones, places = append(ones, one), append(places, i)
	}
	id, _, err := a.once(c, account, raw)
	if err != nil {
		return err
	}
	edits, order := a.contactEdits(ones)
	results, err := a.editContacts(c, id, edits)
	if err != nil || results == nil && len(edits) > 0 {
		return err
	}
	for n, result := range results {
		at := places[order[n]]
		switch who := ones[order[n]].Who.P.String(); {
		case result.Code != "":
			said.Refused = append(said.Refused, refusedContactView{at, []fault.Field{{Field: "contact", Code: result.Code, Detail: result.Msg}}})
		case result.Created:
			said.Added++
			said.IDs[at] = &who
		default:
			said.Changed++
			said.IDs[at] = &who
		}
	}
	slices.SortFunc(said.Refused, func(a, b refusedContactView) int { return a.Index - b.Index })
	return c.answer(fasthttp.StatusOK, said)
}

// contactEdits cuts contacts into commands by shard and size, and gives the index of each in the order of the commands. The
// same contacts are cut alike whenever they come again.
func (a *API) contactEdits(ones []contact.One) (edits []contact.Edit, order []int) {
	inShard := map[int][]int{}
	for i, one := range ones {
		at := a.Shards.Of(one.Who.P)
		inShard[at] = append(inShard[at], i)
	}
	for at := range int(a.Shards) {
		size := contactsPiece
		for _, i := range inShard[at] {
			text, _ := json.Marshal(ones[i]) //nolint:errchkjson // texts and numbers can always be written
			if size += len(text); size > contactsPiece {
				edits, size = append(edits, contact.Edit{}), len(text)
			}
			last := &edits[len(edits)-1]
			last.Edits, order = append(last.Edits, ones[i]), append(order, i)
		}
	}
	return edits, order
}

// readContact reads one contact, and names every wrong field.
func (a *API) readContact(account optout.Account, body newContact) (one contact.One, wrong []fault.Field) {
	one.Fields, wrong = body.read(account)
	country := body.Country
	if country != "" && !chat.IsCountry(country) {
		wrong = append(wrong, fault.Field{Field: "country", Code: "unknown_country", Detail: "is two letters of ISO 3166, as GB"})
	}
	if country == "" {
		country = a.country(account, "")
	}
	switch to := strings.TrimSpace(body.To); {
	case to != "":
		id, err := chat.ParseTo(to, country)
		if err != nil {
			wrong = append(wrong, fieldOf("to", err))
		}
		one.Who = ref(account, id)
	case one.Fields.Email.Value.ID != "":
		one.Who, one.Fields.Email = one.Fields.Email.Value, optout.Said[optout.Ref]{}
	case body.Email == nil || *body.Email == "":
		wrong = append(wrong, fault.Field{Field: "to", Code: "required", Detail: "to or email is needed: by it the contact is found"})
	}
	return one, wrong
}
