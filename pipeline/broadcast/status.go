package broadcast

import (
	"fmt"
	"slices"
	"strconv"

	"optgate/pipeline/shard"
)

// statusBody asks for another status.
type statusBody struct {
	ID     string `json:"id"`
	Status Status `json:"status"`
	From   Status `json:"from,omitempty"`   // the only status to move on from; "": any
	Moves  *int   `json:"moves,omitempty"`  // the only number of moves at which to do so; nil: any
	Pause  *Pause `json:"pause,omitempty"`  // why it is to be Paused
	Reason string `json:"reason,omitempty"` // why it is to go on, or to end, if somebody says so

	Outcomes int64 `json:"outcomes,omitempty"` // of one that begins: offset in its partition of outcomes before any fact about it
}

func (b statusBody) target() string { return b.ID }
func (b statusBody) fits() bool     { return b.Status != Collecting && b.Outcomes >= 0 }

// MaxReason bounds what is kept of what somebody says about a change, in characters.
const MaxReason = 500

// transitions says what a broadcast may become.
var transitions = map[Status][]Status{
	Planned: {Running, Paused, Cancelled, Finished},
	Running: {Paused, Cancelled, Finished},
	Paused:  {Running, Planned, Cancelled, Finished},
}

// concerns says that a broadcast still stands where the command found it.
func (b statusBody) concerns(now Broadcast) bool {
	return (b.From == "" || now.Status == b.From) && (b.Moves == nil || *b.Moves == now.Moves)
}

// becomes gives the status that is meant: who lets a broadcast go on that has not begun makes it wait for its time again.
func (b statusBody) becomes(now Broadcast) Status {
	switch {
	case b.Status != Running || b.From != "" || now.Started > 0:
		return b.Status
	case now.Status == Planned || now.Status == Paused:
		return Planned
	}
	return b.Status
}

func foldStatus(t *shard.Turn, c shard.Command, r Ref, body statusBody) error {
	var b Broadcast
	there, err := t.Get(r.Key(), &b)
	if err != nil {
		return err
	}
	to := body.becomes(b)
	switch {
	case !there || b.Status == Collecting:
		return t.Answer(c, shard.Answer{Code: CodeNotFound, Msg: "There is no such broadcast."})
	case !body.concerns(b) || b.Status == to:
	case !slices.Contains(transitions[b.Status], to):
		return t.Answer(c, shard.Answer{Code: CodeWrongStatus, Msg: fmt.Sprintf("A broadcast that is %s can't become %s.", b.Status, body.Status)})
	default:
		if b.Moves == 0 { // of one that was paused as it began, facts may stand before what its runner has read by now
			b.Outcomes = max(b.Outcomes, body.Outcomes)
		}
		if err := b.move(t, c, to, body); err != nil {
			return err
		}
		if err := t.Put(r.Key(), b); err != nil {
			return err
		}
	}
	return t.Answer(c, shard.Answer{OK: true})
}

// move makes another status the broadcast's, and tells of it, and why.
func (b *Broadcast) move(t *shard.Turn, c shard.Command, to Status, why statusBody) error {
	from := b.Status
	b.Status, b.Pause = to, nil
	b.Moves++
	switch {
	case to == Paused:
		b.Pause = &Pause{Code: PauseAsked, At: c.Made}
		if why.Pause != nil {
			b.Pause.Code, b.Pause.Reason = why.Pause.Code, why.Pause.Reason
		}
	case to == Cancelled:
		b.Reason = why.Reason
	case to == Running && from == Planned:
		b.Started = c.Made
	case from == Paused && !to.Over():
		b.Resumed = c.Made
	}
	if to.Over() {
		b.Ended = c.Made
	}
	return b.tell(t, from, why.Reason, c.Made)
}

// StatusCommand asks that a broadcast become Paused, Running again or Cancelled. id is the command's; reason says in words
// why, "" where nobody does.
func StatusCommand(id string, r Ref, s Status, reason string, made int64) (shard.Command, error) {
	body := statusBody{ID: r.ID, Status: s}
	if runes := []rune(reason); len(runes) > MaxReason {
		reason = string(runes[:MaxReason])
	}
	if s == Paused {
		body.Pause = &Pause{Code: PauseAsked, Reason: reason}
	} else {
		body.Reason = reason
	}
	return command(r, id, KindStatus, made, body)
}

// moveCommand says what a runner finds of a broadcast in its memory. Of two that find the same one is heard, and neither
// once somebody has moved it meanwhile. A repeat is the same command.
func moveCommand(b Broadcast, to Status, made int64, more statusBody) (shard.Command, error) {
	id := b.ID + "." + string(to) + "." + strconv.Itoa(b.Moves)
	more.ID, more.Status, more.From, more.Moves = b.ID, to, b.Status, &b.Moves
	return command(b.Ref(), id, KindStatus, made, more)
}
