package api

import (
	"fmt"
	"slices"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

const (
	removedAtOnce = 1000 // entries of one call
	removalsBody  = 512 << 10
)

// removeEntries opts many identifiers in again, and says of how many that was a change. Each one is lifted alone: what is
// linked to it stays as it is.
func (a *API) removeEntries(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	return a.removeFrom(c, account, l)
}

// removeFrom takes those whom a call's body names off a list.
func (a *API) removeFrom(c *call, account optout.Account, l optout.List) error {
	var body struct {
		IDs []string `json:"ids"`
	}
	raw, err := c.read(removalsBody, &body)
	if err != nil {
		return err
	}
	if n := len(body.IDs); n == 0 || n > removedAtOnce {
		return wrongFields([]fault.Field{{Field: "ids", Code: "out_of_range", Detail: fmt.Sprintf("names 1 to %d entries", removedAtOnce)}})
	}
	id, _, err := a.once(c, account, raw)
	if err != nil {
		return err
	}
	pieces, places, err := a.lifts(c, account, l, id, body.IDs)
	if err != nil {
		return err
	}
	removed := make([]bool, len(body.IDs))
	if len(pieces) > 0 {
		answers, decided, err := a.edits(c, account.ID, pieces)
		if err != nil {
			return err
		}
		if !decided {
			return accepted(c, id)
		}
		for i, answer := range answers {
			for n, changed := range answer.Changed {
				removed[places[i][n]] = changed > 0
			}
		}
	}
	said := struct {
		Removed int      `json:"removed"` // exactly as many as changed
		Unknown []string `json:"unknown"` // ids that removed nothing: not on the list, or named before
	}{Unknown: []string{}}
	for i, one := range body.IDs {
		if removed[i] {
			said.Removed++
		} else {
			said.Unknown = append(said.Unknown, one)
		}
	}
	return c.answer(fasthttp.StatusOK, said)
}

// lifts makes a piece for each shard of those named, and tells for each of its edits which of the ids it is. Whatever
// stands on the list now, the same ids make the same pieces, so that a repeat is answered alike.
func (a *API) lifts(c *call, account optout.Account, l optout.List, id string, ids []string) (pieces []piece, places [][]int, err error) {
	inShard, seen := map[int][]int{}, map[string]bool{}
	for i, one := range ids {
		if p, _, ok := parseEntryID(one); ok && !seen[one] {
			at := a.Shards.Of(p)
			inShard[at], seen[one] = append(inShard[at], i), true
		}
	}
	for at := range int(a.Shards) {
		if len(inShard[at]) == 0 {
			continue
		}
		people := make([]chat.Pseudonym, len(inShard[at]))
		for n, i := range inShard[at] {
			people[n], _, _ = parseEntryID(ids[i])
		}
		persons, err := a.persons(c, account.ID, at, people)
		if err != nil {
			return nil, nil, err
		}
		edit := optout.Edit{}
		for n, i := range inShard[at] {
			_, channel, _ := parseEntryID(ids[i])
			edit.Edits = append(edit.Edits, optout.PersonEdit{
				Who: optout.Ref{P: people[n]}, Lifts: true,
				Marks: []optout.Mark{a.mark(l, channel, persons[n].Entry(l.ID, channel), false)},
			})
		}
		pieces, places = append(pieces, piece{fmt.Sprintf("%s.%d", id, at), edit}), append(places, slices.Clone(inShard[at]))
	}
	return pieces, places, nil
}
