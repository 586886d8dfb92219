package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// singlesPeriod is the time whose single messages share their hashes; see sentPeriod. A message stands in the period of its
// creation, which is one of singlesPeriods for as long as it is shown.
const (
	singlesPeriod  = broadcast.SinglesKept / 2
	singlesPeriods = 3
)

// SinglesAt gives the offset of a shard's outcomes up to which single messages are folded; known is false where nobody knows.
func (s *Store) SinglesAt(ctx context.Context, shard int) (next int64, known bool, err error) {
	text, err := s.rdb.Get(ctx, s.key(shard, keySingles)).Result()
	if errors.Is(err, redis.Nil) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, uncertain(fmt.Errorf("how far single messages are folded: %w", err))
	}
	next, _, known = parseSinglesAt(text)
	return next, known, nil
}

// parseSinglesAt reads next:until.
func parseSinglesAt(text string) (next, until int64, ok bool) {
	a, b, _ := strings.Cut(text, ":")
	next, err1 := strconv.ParseInt(a, 10, 64)
	until, err2 := strconv.ParseInt(b, 10, 64)
	return next, until, err1 == nil && err2 == nil
}

// BeginSingles lets single messages be folded anew from an offset on; until that is folded, they are not certain.
func (s *Store) BeginSingles(ctx context.Context, shard int, from, until int64) error {
	if err := s.rdb.Set(ctx, s.key(shard, keySingles), fmt.Sprintf("%d:%d", from, until), 0).Err(); err != nil {
		return fmt.Errorf("begin single messages: %w", err)
	}
	return nil
}

// singlePlace is where a message stands: a field of a hash of its period.
type singlePlace struct {
	sent
	period int64
}

// FoldSingles folds the facts at the offsets [from, next) of a shard's outcomes. broadcast.ErrLost, and no change, where they
// are not folded up to exactly from. Facts of messages that are no longer shown are passed over.
func (s *Store) FoldSingles(ctx context.Context, shard int, from, next int64, facts []chat.Fact) error {
	latest := singlesPeriodOf(time.Now().UnixMilli())
	about := map[sent][]chat.Fact{}
	for _, f := range facts {
		m := newSent(f.Account, f.ID)
		about[m] = append(about[m], f)
	}
	known, err := s.readSingles(ctx, shard, latest, about)
	if err != nil {
		return err
	}
	keys, args := []string{s.key(shard, keySingles)}, []any{from, next}
	at := map[string]int{}
	for m, facts := range about {
		k, there := known[m]
		if !there {
			k.place = newSingle(m, facts, latest)
		}
		place, o := k.place, k.outcome
		if place.period <= latest-singlesPeriods {
			continue
		}
		for _, f := range facts {
			o = o.Fold(f)
		}
		key := s.key(shard, singlesName(place.period, m.part))
		if at[key] == 0 {
			keys = append(keys, key)
			at[key] = len(keys)
		}
		expires := (place.period+1)*singlesPeriod.Milliseconds() + broadcast.SinglesKept.Milliseconds()
		args = append(args, at[key], m.field, formatSingle(o), expires/1000)
	}
	done, err := foldSingles.Run(ctx, s.rdb, keys, args...).Bool()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("fold single messages: %w", err)
	}
	if !done {
		return broadcast.ErrLost
	}
	return nil
}

// newSingle places a message that nothing is known of: in the period of its creation or, where that has not come yet, of the
// first that did.
func newSingle(m sent, facts []chat.Fact, latest int64) singlePlace {
	first := facts[0].At
	for _, f := range facts {
		if f.Status == chat.Queued {
			first = f.At
			break
		}
		first = min(first, f.At)
	}
	return singlePlace{m, min(singlesPeriodOf(first), latest)}
}

type knownSingle struct {
	place   singlePlace
	outcome broadcast.SingleOutcome
}

func (s *Store) readSingles(ctx context.Context, shard int, latest int64, wanted map[sent][]chat.Fact) (map[sent]knownSingle, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	byPart := map[string][]sent{}
	for m := range wanted {
		byPart[m.part] = append(byPart[m.part], m)
	}
	type read struct {
		period int64
		asked  []sent
		answer *redis.SliceCmd
	}
	var reads []read
	pipe := s.rdb.Pipeline()
	for part, asked := range byPart {
		fields := make([]string, len(asked))
		for i, m := range asked {
			fields[i] = m.field
		}
		for period := latest + 1 - singlesPeriods; period <= latest; period++ {
			reads = append(reads, read{period, asked, pipe.HMGet(ctx, s.key(shard, singlesName(period, part)), fields...)})
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read single messages: %w", err)
	}
	known := map[sent]knownSingle{}
	for _, r := range reads {
		for i, raw := range values(r.answer.Val()) {
			if raw == nil {
				continue
			}
			o, err := parseSingle(string(raw))
			if err != nil {
				return nil, err
			}
			known[r.asked[i]] = knownSingle{singlePlace{r.asked[i], r.period}, o}
		}
	}
	return known, nil
}

// Single gives what became of a message by itself, and the offset of its partition of outcomes up to which that is folded;
// the zero Outcome where nothing is known of it. It refuses with fault.NotCertain where what was known was lost and is not
// there again.
func (s *Store) Single(ctx context.Context, account, id string) (o broadcast.SingleOutcome, next int64, err error) {
	shard, m, now := s.shards.Outcomes(account, "", id), newSent(account, id), time.Now()
	latest := singlesPeriodOf(now.UnixMilli())
	pipe := s.rdb.TxPipeline()
	at := pipe.Get(ctx, s.key(shard, keySingles))
	var reads []*redis.StringCmd
	for period := latest + 1 - singlesPeriods; period <= latest; period++ {
		reads = append(reads, pipe.HGet(ctx, s.key(shard, singlesName(period, m.part)), m.field))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return o, 0, uncertain(fmt.Errorf("read a single message: %w", err))
	}
	next, until, ok := parseSinglesAt(at.Val())
	if !ok || next < until {
		return o, 0, uncertain(errUnfolded)
	}
	for _, read := range slices.Backward(reads) {
		if read.Val() == "" {
			continue
		}
		if o, err = parseSingle(read.Val()); err != nil {
			return o, 0, err
		}
		if now.Sub(time.UnixMilli(o.Created)) > broadcast.SinglesKept {
			o = broadcast.SingleOutcome{}
		}
		break
	}
	return o, next, nil
}

func singlesPeriodOf(ms int64) int64 { return ms / singlesPeriod.Milliseconds() }

// formatSingle writes texts, which Outcome keeps to one line, a line each, then times as ms in base 36.
func formatSingle(o broadcast.SingleOutcome) string {
	parts := []string{
		string(o.Status), o.Error, o.List, o.Reason, o.MessageID, string(o.To), o.Channel, o.Category,
	}
	for _, t := range []int64{o.At, o.Created, o.Sent, o.Delivered, o.Read, o.Failed} {
		if t == 0 {
			parts = append(parts, "")
		} else {
			parts = append(parts, strconv.FormatInt(t, 36))
		}
	}
	return strings.Join(parts, "\n")
}

func parseSingle(text string) (o broadcast.SingleOutcome, err error) {
	parts := strings.Split(text, "\n")
	if len(parts) != 14 {
		return o, errors.New("outcome of a single message can't be read")
	}
	o.Status, o.Error, o.List, o.Reason, o.MessageID = chat.Status(parts[0]), parts[1], parts[2], parts[3], parts[4]
	o.To, o.Channel, o.Category = chat.Identifier(parts[5]), parts[6], parts[7]
	for i, t := range []*int64{&o.At, &o.Created, &o.Sent, &o.Delivered, &o.Read, &o.Failed} {
		if parts[8+i] == "" {
			continue
		}
		if *t, err = strconv.ParseInt(parts[8+i], 36, 64); err != nil {
			return o, fmt.Errorf("time of a single message: %w", err)
		}
	}
	return o, nil
}

// foldSingles: KEYS singles, hashes…; ARGV from, next, (index of the hash in KEYS, field, value, s since 1970 of its end)…
var foldSingles = redis.NewScript(`
local at = redis.call('GET', KEYS[1])
if not at then return 0 end
local next, till = string.match(at, '^(%d+):(%d+)$')
if next ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 4 do
  local key = KEYS[tonumber(ARGV[i])]
  redis.call('HSET', key, ARGV[i+1], ARGV[i+2])
  redis.call('EXPIREAT', key, ARGV[i+3])
end
redis.call('SET', KEYS[1], ARGV[2]..':'..till)
return 1`)
