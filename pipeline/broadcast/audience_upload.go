package broadcast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Uploader takes files of recipients in as audiences.
type Uploader struct {
	Shards    chat.Shards
	Publisher stream.Publisher
	States    interface { // nil where there is none, fault.NotCertain where nobody can know
		States(ctx context.Context, shard int, keys ...string) ([][]byte, error)
	}
	Answers answers
	Now     func() time.Time
}

// answers tells what the fold of a command said, once its shard has come past the command's offset; ok is false before.
type answers interface {
	Answer(ctx context.Context, shard int, offset int64, command string) (answer *shard.Answer, ok bool, err error)
}

// Upload says what is taken in.
type Upload struct {
	ID      string // see AudienceID; the same one goes on where the file broke off
	Again   bool   // somebody may send it again under the same ID
	Account optout.Account
	Channel chat.Channel
}

// How an upload goes along.
const (
	uploadAhead = 3           // that are not known to be decided: whoever types STOP meanwhile waits for these alone
	patience    = time.Minute // for an owner that decides nothing
	firstLook   = 2 * time.Millisecond
	slowLook    = 50 * time.Millisecond
)

// Take reads a file to its end and gives the audience that it makes, once that is decided. It holds 8 bytes and a number of each
// person, and some pages. An error leaves nothing that anybody can see: the same file under the same id goes on where it broke
// off, and another one is refused with CodeKeyReused. What can't be mended by sending it again is let go at once.
func (u Uploader) Take(ctx context.Context, o Upload, file Lines) (made Audience, err error) {
	t := &taking{
		Uploader: u, order: o, ref: Ref{o.Account.ID, o.ID}, hasher: o.Account.Key.Hasher(),
		seen: map[chat.Pseudonym]place{}, digest: o.Account.Key.Message("audience:" + o.Channel.ID),
	}
	t.pager.full = func(p Page) error { return t.page(ctx, p) }
	defer func() {
		if kind := fault.KindOf(err); err != nil && len(t.sent) > 0 && (!o.Again || kind == fault.Unprocessable || kind == fault.TooLarge) {
			err = errors.Join(err, t.abandon(ctx))
		}
	}()
	if err := t.recall(ctx); err != nil {
		return Audience{}, err
	}
	for {
		line, err := file.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = t.line(line)
		}
		if err != nil {
			return Audience{}, err
		}
	}
	return t.close(ctx, file.Columns())
}

// taking is one file on its way.
type taking struct {
	Uploader
	audienceClose // what was counted

	order  Upload
	ref    Ref
	known  Audience // what is there already
	hasher *chat.Hasher
	seen   map[chat.Pseudonym]place
	rows   int // recipients
	pager  pager
	bytes  int    // of pages
	digest string // of the pages so far
	ahead  []sent // pages that are not known to be decided, the oldest first
	sent   string // digest with the last page that was published; "": none was
}

// place is where somebody stands: the number of the row, and its line.
type place struct{ row, line int32 }

// sent is a command that was published.
type sent struct {
	id     string
	offset int64
}

// recall reads what is there of an earlier upload under the same id.
func (t *taking) recall(ctx context.Context) error {
	raw, err := t.States.States(ctx, t.ref.Shard(t.Shards), t.ref.AudienceKey())
	if err != nil || raw[0] == nil {
		return err
	}
	if err := json.Unmarshal(raw[0], &t.known); err != nil {
		return fmt.Errorf("read an audience: %w", err)
	}
	return nil
}

// line takes a row in.
func (t *taking) line(l Line) error {
	if t.Rows++; t.Rows > MaxUpload {
		return tooMany()
	}
	if l.Wrong != "" {
		return t.refused(csvfile.Refusal{Line: l.At, Reason: l.Wrong})
	}
	row := Row{N: t.rows + 1, Given: l.To, Params: l.Params, Line: l.At}
	to, err := chat.ParseRecipient(l.To, t.order.Channel.DefaultCountry)
	if err != nil {
		row.Error, row.Params = InvalidNumber, nil
		t.Invalid++
	} else {
		row.To, row.Pseudonym = to, t.hasher.Pseudonym(to)
		if first, again := t.seen[row.Pseudonym]; again {
			t.Duplicates++
			return t.pager.repeat(Repeat{Line: l.At, Given: l.To, Of: int(first.row), First: int(first.line), To: to})
		}
		t.seen[row.Pseudonym] = place{int32(row.N), int32(min(l.At, 1<<31-1))}
		if dial, err := chat.Given(l.To, t.order.Channel.DefaultCountry); err == nil && dial != to.Shown() {
			row.Dial = dial
		}
	}
	t.rows++
	return t.pager.row(row)
}

func (t *taking) refused(r csvfile.Refusal) error {
	t.Refused++
	if len(t.First) < shownRefusals {
		t.First = append(t.First, r)
	}
	return t.pager.refuse(r)
}

// page publishes a page, unless it is there, once the one some pages before it is decided.
func (t *taking) page(ctx context.Context, p Page) error {
	written, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("page of an audience: %w", err)
	}
	if t.bytes += len(written); t.bytes > maxPagesBytes {
		return fault.New(fault.TooLarge, "too_large", "The rows of the file take over 1 GiB: leave out columns that no message needs, or cut the file in two.")
	}
	n, before := t.Pages, t.digest
	t.Pages++
	t.digest = t.order.Account.Key.Message(before + "/" + string(written))
	there := len(t.known.Pages)
	switch {
	case t.known.Status == Going:
		return fault.New(fault.Unavailable, "forgetting", "The audience of this Idempotency-Key is being forgotten: send the file again in some minutes, or under another key.")
	case t.known.Status != "" && n == there && t.known.Digest != before:
		return fault.New(fault.Unprocessable, CodeKeyReused, "%s", audienceReused)
	case n < there || t.known.Status == Ready:
		return nil
	}
	for len(t.ahead) >= uploadAhead {
		if _, err := t.decided(ctx, t.ahead[0]); err != nil {
			return err
		}
		t.ahead = t.ahead[1:]
	}
	id := fmt.Sprintf("%s.%d.%s", t.order.ID, n, t.digest)
	s, err := t.tell(ctx, id, KindAudiencePage, audiencePage{
		ID: t.order.ID, Channel: t.order.Channel.ID, Number: n, Before: before, Digest: t.digest, Page: p,
	})
	t.ahead, t.sent = append(t.ahead, s), t.digest
	return err
}

// lastWords bounds what is said of an upload that ended, whatever ended it.
const lastWords = 5 * time.Second

// abandon lets go of what was kept of the file, unless another upload has gone on with it.
func (t *taking) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	_, err := t.tell(ctx, t.order.ID+".abandon."+t.sent, KindAudienceDelete, audienceForget{ID: t.order.ID, Digest: t.sent})
	return err
}

// close makes the audience exist.
func (t *taking) close(ctx context.Context, columns []string) (a Audience, err error) {
	if err := t.pager.end(); err != nil {
		return a, err
	}
	switch {
	case t.rows == 0 && t.Refused > 0:
		return a, fault.New(fault.Unprocessable, "no_rows", "None of the file's lines is a row: line %d, for one. %s", t.First[0].Line, t.First[0].Reason)
	case t.rows == 0:
		return a, fault.New(fault.Unprocessable, "no_rows", "The file has no row but its header.")
	}
	t.ID, t.Digest, t.Columns = t.order.ID, t.digest, columns
	s, err := t.tell(ctx, t.order.ID+".close."+t.digest, KindAudienceClose, t.audienceClose)
	if err != nil {
		return a, err
	}
	answer, err := t.decided(ctx, s)
	switch {
	case err != nil:
		return a, err
	case answer == nil:
		return a, fault.New(fault.Internal, "", "command %s was not understood by its shard", KindAudienceClose)
	case !answer.OK && answer.Code == CodeIncomplete:
		return a, fault.New(fault.Unavailable, answer.Code, "%s", answer.Msg)
	case !answer.OK:
		return a, fault.New(fault.Unprocessable, answer.Code, "%s", answer.Msg)
	}
	raw, err := json.Marshal(answer.Value)
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	return a, err
}

// tell publishes a command to the audience's shard.
func (t *taking) tell(ctx context.Context, id, kind string, body any) (sent, error) {
	c, err := command(t.ref, id, kind, t.Now().UnixMilli(), body)
	if err != nil {
		return sent{}, err
	}
	record, err := c.Record(t.ref.Shard(t.Shards))
	if err != nil {
		return sent{}, err
	}
	if err := t.Publisher.Publish(ctx, record); err != nil {
		return sent{}, fault.Wrap(err, fault.Unavailable, "unavailable", "The file could not be kept. Send it again under the same Idempotency-Key.")
	}
	return sent{id, record.Offset}, nil
}

// decided waits until the audience's shard has come past a command, and gives what was said to it. A shard that decides nothing
// for long is a fault.Unavailable.
func (t *taking) decided(ctx context.Context, s sent) (*shard.Answer, error) {
	began := time.Now()
	for pause := firstLook; ; pause = min(2*pause, slowLook) {
		answer, ok, err := t.Answers.Answer(ctx, t.ref.Shard(t.Shards), s.offset, s.id)
		if err == nil && ok {
			return answer, nil
		}
		if time.Since(began) > patience {
			return nil, fault.Wrap(err, fault.Unavailable, "undecided", "The upload waits for decisions in vain. Send the file again later, under the same Idempotency-Key.")
		}
		if !shard.Sleep(ctx, pause) {
			return nil, ctx.Err()
		}
	}
}
