package optout

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"

	"golang.org/x/text/cases"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands about lists. Their answers' value is the list, or where fields are wrong a []fault.Field.
const (
	CommandListCreate = "list.create"
	CommandListChange = "list.change"
	CommandListDelete = "list.delete"
)

// SourceListDeleted is the source of the ledger's row about a list that was deleted, with all who were on it.
const SourceListDeleted = "list_deleted"

// maxLists is how many lists an account has at most.
const maxLists = 200

// ListCreate is the body of a list.create.
type ListCreate struct {
	Fields ListPatch `json:"fields"`
}

// ListChange is the body of a list.change.
type ListChange struct {
	List   string    `json:"list"`
	If     []string  `json:"if,omitempty"` // tags, one of which the list must have; none: whatever it is
	Fields ListPatch `json:"fields"`
	Adopt  string    `json:"adopt,omitempty"` // a near miss that becomes a stop word
}

// ListDelete is the body of a list.delete.
type ListDelete struct {
	List string   `json:"list"`
	If   []string `json:"if,omitempty"`
	Name string   `json:"name"` // as it is now
}

// Tag names what a list is at this moment; any change gives another one.
func (l List) Tag() string {
	state, err := json.Marshal(l)
	if err != nil {
		return ""
	}
	sum := fnv.New64a()
	_, _ = sum.Write(state) // a hash never fails
	return strconv.FormatUint(sum.Sum64(), 16)
}

// NewList is a list of which nothing is said yet.
func NewList() List { return List{Channels: []string{chat.AnyChannel}, Scope: ScopeChannel} }

// Made is the list as it was when it was made, or for a system list as the program brings it.
func (l List) Made() List {
	for _, system := range SystemLists() {
		if l.System && system.ID == l.ID {
			return system
		}
	}
	return NewList()
}

// listTurn is the fold of one command about an account's lists.
type listTurn struct {
	*shard.Turn
	command shard.Command
	account Account
}

// listFold folds a command about lists: apply decides and gives the answer. A command that was answered before is the same
// one again and decides nothing.
func listFold[T any](also func(account string, body *T) []string, apply func(t *listTurn, body *T) (shard.Answer, error)) shard.Fold {
	return shard.Fold{
		Keys: func(p shard.Place, c shard.Command) ([]string, error) {
			if p.Shards.Account(c.Account) != p.Shard {
				return nil, errors.New("lists are changed in their account's shard")
			}
			body, err := shard.Body[T](c)
			if err != nil {
				return nil, err
			}
			return append([]string{AccountKey(c.Account), shard.AnswerKey(c.ID)}, also(c.Account, body)...), nil
		},
		Apply: func(t *shard.Turn, c shard.Command) error {
			body, err := shard.Body[T](c)
			if err != nil {
				return err
			}
			var before shard.Answer
			if again, err := t.Get(shard.AnswerKey(c.ID), &before); again || err != nil {
				return err
			}
			turn := &listTurn{Turn: t, command: c}
			if known, err := t.Get(AccountKey(c.Account), &turn.account); err != nil || !known {
				return errors.Join(err, errors.New("there is no such account"))
			}
			answer, err := apply(turn, body)
			if err != nil {
				return err
			}
			return t.Answer(c, answer)
		},
	}
}

func noKeys[T any](string, *T) []string { return nil }

// listRules gives the folds of lists.
func listRules() shard.Rules {
	return shard.Rules{
		CommandListCreate: listFold(noKeys, (*listTurn).create),
		CommandSecret:     listFold(noKeys, (*listTurn).turnSecret),
		CommandListChange: listFold(func(account string, body *ListChange) []string {
			return []string{NearKey(account, body.List)}
		}, (*listTurn).change),
		CommandListDelete: listFold(func(account string, body *ListDelete) []string {
			return []string{NearKey(account, body.List)}
		}, (*listTurn).remove),
	}
}

func (t *listTurn) create(body *ListCreate) (shard.Answer, error) {
	l := body.Fields.Apply(NewList(), NewList())
	l.Revision = 1
	switch wrong := l.Wrong(); {
	case len(wrong) > 0:
		return invalid(wrong), nil
	case len(t.account.Lists) >= maxLists:
		return refuse(CodeTooManyLists, "An account has at most %d lists: delete one that nobody needs.", maxLists), nil
	case t.account.named(l.Name, "") != "":
		return nameTaken(), nil
	}
	l.ID = t.account.slug(l.Name)
	t.account.Lists = append(t.account.Lists, l)
	return t.keep(l)
}

func (t *listTurn) change(body *ListChange) (shard.Answer, error) {
	i := t.account.index(body.List)
	if i < 0 {
		return unknownList(), nil
	}
	old := t.account.Lists[i]
	if !meets(old, body.If) {
		return stale(), nil
	}
	l := body.Fields.Apply(old, old.Made())
	if body.Adopt != "" {
		known, err := t.adopt(&l, body.Adopt)
		if err != nil {
			return shard.Answer{}, err
		}
		if !known {
			return refuse(CodeUnknownText, "There is no such near miss of this list: GET near-misses shows them."), nil
		}
	}
	if field := old.fixed(l); field != "" {
		return refuse(CodeSystemList, "The %s of a system list can't be changed.", field), nil
	}
	if wrong := l.Wrong(); len(wrong) > 0 {
		return invalid(wrong), nil
	}
	if t.account.named(l.Name, l.ID) != "" {
		return nameTaken(), nil
	}
	if l.Tag() == old.Tag() {
		return shard.Answer{OK: true, Value: old}, nil
	}
	l.Revision++
	t.account.Lists[i] = l
	answer, err := t.keep(l)
	if err != nil || !answer.OK {
		return answer, err
	}
	return answer, t.tidy(l)
}

func (t *listTurn) remove(body *ListDelete) (shard.Answer, error) {
	i := t.account.index(body.List)
	if i < 0 {
		return unknownList(), nil
	}
	l := t.account.Lists[i]
	switch {
	case l.System:
		return refuse(CodeSystemList, "The list %s belongs to every account and can't be deleted.", l.ID), nil
	case !meets(l, body.If):
		return stale(), nil
	case body.Name != l.Name:
		return refuse(CodeConfirmName, "The list has another name by now: look at it again."), nil
	}
	t.account.Lists = slices.Delete(t.account.Lists, i, i+1)
	t.account.Gone = append(t.account.Gone, l.ID)
	row := Row{
		V: stream.Version, Account: t.account.ID, List: l.ID, Channel: chat.AnyChannel, From: StandingOut, To: StandingIn,
		Time: t.command.Made, Source: SourceListDeleted, Cause: t.Offset, Root: t.command.ID, Prev: NoRow,
	}
	if _, err := t.Row(row.Pseudonym.String(), row); err != nil {
		return shard.Answer{}, err
	}
	t.Delete(NearKey(t.account.ID, l.ID))
	return shard.Answer{OK: true, Value: l}, t.Put(AccountKey(t.account.ID), t.account)
}

// keep decides the account with one list new or changed, unless it has grown too large.
func (t *listTurn) keep(l List) (shard.Answer, error) {
	if t.account.bytes() > maxAccount {
		return refuse(CodeAccountFull, "The account's lists hold %d KiB in all, which is the most: shorten or delete some.", maxAccount>>10), nil
	}
	return shard.Answer{OK: true, Value: l}, t.Put(AccountKey(t.account.ID), t.account)
}

// fixed names the field that a system list keeps whatever is asked; "" where none was touched.
func (l List) fixed(wanted List) string {
	switch {
	case !l.System:
		return ""
	case wanted.Name != l.Name:
		return "name"
	case !slices.Equal(wanted.Channels, l.Channels):
		return "channels"
	}
	return ""
}

func (a Account) index(list string) int {
	return slices.IndexFunc(a.Lists, func(l List) bool { return l.ID == list })
}

// named gives the id of the list, other than one, whose name differs by case at most; "" where there is none.
func (a Account) named(name, other string) string {
	fold := cases.Fold()
	name = fold.String(name)
	for _, l := range a.Lists {
		if l.ID != other && fold.String(l.Name) == name {
			return l.ID
		}
	}
	return ""
}

// meets says whether a list has one of the tags; it does where none is asked for.
func meets(l List, tags []string) bool { return len(tags) == 0 || slices.Contains(tags, l.Tag()) }

// reserved are ids that no list gets whatever its name.
func reserved(id string) bool {
	return id == gate.DefaultList || id == gate.MetaList || id == gate.Blacklist
}
