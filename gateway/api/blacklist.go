package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// blockView is one person on the blacklist.
type blockView struct {
	entryView
	Note string `json:"note"`
	By   string `json:"by"` // name of the token that did it
}

func viewBlock(l optout.Listed) blockView { return blockView{viewEntry(l), l.Note, l.By} }

// viewBlocked shows an entry of somebody's state.
func viewBlocked(who optout.Ref, e optout.Entry) blockView {
	return blockView{viewStanding(who, e), e.Note, e.By}
}

// blacklist is the blacklist where a list is asked for.
func blacklist() optout.List { return optout.List{ID: gate.Blacklist, Name: optout.BlacklistName} }

// listNamed gives a list of an account, or its blacklist.
func listNamed(account optout.Account, id string) (optout.List, bool) {
	if id == gate.Blacklist {
		return blacklist(), true
	}
	return account.List(id)
}

// listBlacklist answers GET /v1/blacklist: a page, or with ?format= all of them as a stream.
func (a *API) listBlacklist(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	return a.pageEntries(c, account, blacklist(), func(l optout.Listed) any { return viewBlock(l) })
}

// longestNote bounds a note, in code points.
const longestNote = 300

// block answers POST /v1/blacklist. Once it says 201, nothing more is sent to whom it names, under no linked identifier either; what they write is no longer worked
// on at the latest a second later, where nobody of the account was blocked before.
func (a *API) block(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	var body struct {
		newEntry
		Note string `json:"note"`
	}
	raw, err := c.read(smallBody, &body)
	if err != nil {
		return err
	}
	body.Note = strings.TrimSpace(body.Note)
	who, err := a.blocked(account, body.newEntry, body.Note)
	if err != nil {
		return err
	}
	id, _, err := a.once(c, account, raw)
	if err != nil {
		return err
	}
	if err := a.haveBlacklist(c, account); err != nil {
		return err
	}
	pieces := make([]piece, len(who))
	for i, one := range who {
		named := ref(account, one)
		person, err := a.person(c, account.ID, named.P)
		if err != nil {
			return err
		}
		mark := a.mark(blacklist(), body.Channel, person.Entry(gate.Blacklist, body.Channel), true)
		mark.Note, mark.By = body.Note, c.token
		pieces[i] = piece{fmt.Sprintf("%s.%d", id, i), optout.Edit{Show: true, Edits: []optout.PersonEdit{{
			Who: named, Out: true, Marks: []optout.Mark{mark},
		}}}}
	}
	answers, decided, err := a.edits(c, account.ID, pieces)
	if err != nil {
		return err
	}
	if !decided {
		return accepted(c, id)
	}
	if !a.spread(c, account, body.Channel, who) {
		return accepted(c, id)
	}
	var said struct {
		blockView
		Also []blockView `json:"also,omitempty"`
	}
	for i, one := range answers {
		e := one.Entries[0][0]
		if !e.Barred() {
			return changedMeanwhile()
		}
		view := viewBlocked(pieces[i].edit.Edits[0].Who, e)
		if i == 0 {
			said.blockView = view
		} else {
			said.Also = append(said.Also, view)
		}
	}
	return c.answer(fasthttp.StatusCreated, said)
}

// spread waits until a block is in force for every identifier that is linked to whom it names, each in a shard of its own; false
// where nobody can say so in the time that a decision has.
func (a *API) spread(c *call, account optout.Account, channel string, who []chat.Identifier) bool {
	ctx, cancel := context.WithTimeout(c.ctx, decisionTime)
	defer cancel()
	spared := func(p optout.Person) bool { return !p.Entry(gate.Blacklist, channel).Barred() }
	for pause := firstLook; len(who) > 0; pause = min(2*pause, longestToLook) {
		known, err := a.circle(c, account, ref(account, who[0]).P)
		if err == nil && !slices.ContainsFunc(known.persons, spared) {
			who = who[1:]
		} else if !shard.Sleep(ctx, pause) {
			return false
		}
	}
	return true
}

// blocked reads whom a body names. All its wrong fields are told at once.
func (a *API) blocked(account optout.Account, body newEntry, note string) ([]chat.Identifier, error) {
	who, err := a.named(account, body)
	var wrong []fault.Field
	if utf8.RuneCountInString(note) > longestNote {
		wrong = append(wrong, fault.Field{Field: "note", Code: "too_long", Detail: fmt.Sprintf("has at most %d characters", longestNote)})
	}
	if strings.ContainsFunc(note, unicode.IsControl) {
		wrong = append(wrong, fault.Field{Field: "note", Code: "control_character", Detail: "holds a control character"})
	}
	return who, alsoWrong(err, wrong)
}

// haveBlacklist sees to it that the account is known to have a blacklist before anybody is on it.
func (a *API) haveBlacklist(c *call, account optout.Account) error {
	if account.Blocks {
		return nil
	}
	command, err := optout.NewBlocks(chance(), account.ID, a.Now().UnixMilli())
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, a.Shards.Account(account.ID), command)
	if err != nil {
		return err
	}
	if answer == nil {
		return fault.New(fault.Unavailable, "unavailable", "The account's shard decides nothing just now, and nobody was blocked. Try again.")
	}
	_, _ = a.Accounts.Account(c.ctx, account.ID) // this process compares messages with it at once; others, or where it can't be read, within a second
	return nil
}

// unblock answers DELETE /v1/blacklist/{id}: the person is let through again under every identifier that is linked to the one
// that the entry names.
func (a *API) unblock(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	who, after, err := a.lift(c, account, blacklist(), notBlocked)
	if err != nil || who.P == 0 {
		return err
	}
	return c.answer(fasthttp.StatusOK, viewBlocked(who, after))
}

func notBlocked() error {
	return fault.New(fault.NotFound, "unknown_entry", "There is no such entry on the blacklist.")
}

// unblockMany answers POST /v1/blacklist/delete.
func (a *API) unblockMany(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	return a.removeFrom(c, account, blacklist())
}
