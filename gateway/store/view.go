package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// layout numbers the view's shape. A view of another number counts as wiped.
const layout = 1

// View is one shard's picture in Redis, for its owner alone. It implements shard.View.
type View struct {
	store *Store
	shard int
	names map[string]bool // registered since the last Begin
}

// View gives a shard's view to its owner.
func (s *Store) View(shardNumber int) *View {
	return &View{store: s, shard: shardNumber, names: map[string]bool{}}
}

// Position tells where the view stands, and how long ago it last changed.
func (v *View) Position(ctx context.Context) (shard.Position, error) {
	pipe := v.store.rdb.TxPipeline()
	applied := pipe.Get(ctx, v.key(keyApplied))
	at := pipe.Get(ctx, v.key(keyAppliedAt))
	clock := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return shard.Position{}, fmt.Errorf("read the view's position: %w", err)
	}
	p := parsePosition(applied.Val())
	if ms, err := at.Int64(); err == nil {
		p.Age = clock.Val().Sub(time.UnixMilli(ms))
	} else {
		p.Whole = false // nobody knows how old it is
	}
	return p, nil
}

// Begin makes the view this generation's: at p, and, unless p is whole, empty and loading. It refuses with
// stream.ErrDeposed where a higher generation stands, and with shard.ErrMoved where the view no longer is as seen.
func (v *View) Begin(ctx context.Context, seen, p shard.Position) error {
	mode := "whole"
	if p.Whole {
		mode = "tail"
	}
	clear(v.names)
	err := begin.Run(ctx, v.store.rdb, v.keys(), p.Generation, seen.Token, format(p), mode, v.store.base(v.shard)).Err()
	return v.verdict("begin the view", err)
}

// Load reads states together with the position, which must be p, else shard.ErrMoved.
func (v *View) Load(ctx context.Context, p shard.Position, keys []string) ([][]byte, error) {
	pipe := v.store.rdb.TxPipeline()
	applied := pipe.Get(ctx, v.key(keyApplied))
	states := pipe.HMGet(ctx, v.key(keyStates), keys...)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("load states: %w", err)
	}
	if applied.Val() != format(p) {
		return nil, shard.ErrMoved
	}
	return values(states.Val()), nil
}

// Apply moves the view from one position to the next with the states decided between them, and lets the lease expire at
// the given time of Redis's clock (zero: leaves it). It gives Redis's time.
func (v *View) Apply(ctx context.Context, from, to shard.Position, changes []shard.Change, lease time.Time) (time.Time, error) {
	ops := make([]op, 0, 4*len(changes))
	for _, c := range changes {
		ops = v.store.derive(ops, c)
	}
	args := make([]any, 0, 7+4*len(changes)+5*len(ops)) // texts go in as pointers, which cost no memory
	args = append(args, format(from), format(to), lease.UnixMilli(), to.Generation, v.store.base(v.shard))
	if lease.IsZero() {
		args[2] = 0
	}
	count := len(args)
	args = append(args, 0)
	for i := range ops {
		if name := &ops[i].name; !v.names[*name] {
			v.names[*name] = true
			args = append(args, name)
		}
	}
	args[count] = len(args) - count - 1
	said := calls{args: args}
	said.derived(ops)
	said.states(changes)
	now, err := apply.Run(ctx, v.store.rdb, v.keys(), said.args...).Int64()
	if err := v.verdict("apply to the view", err); err != nil {
		clear(v.names) // a script that failed may not have registered them
		return time.Time{}, err
	}
	return time.UnixMilli(now), nil
}

// begin: ARGV generation, seen, next, mode, base.
var begin = redis.NewScript(`
local p = redis.call('GET', KEYS[1])
local gen = p and tonumber(string.match(p, '^%d+:(%d+):'))
if gen and gen > tonumber(ARGV[1]) then return redis.error_reply('DEPOSED') end
if (p or '') ~= ARGV[2] then return redis.error_reply('MOVED_ON') end
redis.call('UNLINK', KEYS[3])
if ARGV[4] == 'whole' then
  for _, name in ipairs(redis.call('SMEMBERS', KEYS[4])) do redis.call('UNLINK', ARGV[5]..name) end
  redis.call('UNLINK', KEYS[2], KEYS[4])
end
redis.call('SET', KEYS[1], ARGV[3])
return 1`)

// apply: ARGV from, to, lease until, generation, base, number of names, name…, (verb, name, number of arguments, argument…)…
// Names are completed in the script, where "" is the states': all lie in the slot of KEYS. The states come last: where the
// script breaks off, as it may while a Cluster moves the slot, what was derived from the old ones is still known to who
// repeats it.
var apply = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('MOVED_ON') end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local names = tonumber(ARGV[6])
for i = 7, 6 + names do redis.call('SADD', KEYS[4], ARGV[i]) end
local i = 7 + names
while i <= #ARGV do
  local name, last = KEYS[2], i + 2 + tonumber(ARGV[i + 2])
  if ARGV[i + 1] ~= '' then name = ARGV[5]..ARGV[i + 1] end
  redis.call(ARGV[i], name, unpack(ARGV, i + 3, last))
  i = last + 1
end
if ARGV[1] ~= ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2])
  redis.call('SET', KEYS[5], now)
end
if tonumber(ARGV[3]) > now then redis.call('SET', KEYS[3], ARGV[4], 'PXAT', ARGV[3]) end
return now`)

func (v *View) key(name string) string { return v.store.key(v.shard, name) }

func (v *View) keys() []string {
	return []string{v.key(keyApplied), v.key(keyStates), v.key(keyLease), v.key(keyNames), v.key(keyAppliedAt)}
}

func format(p shard.Position) string {
	place := "L"
	if p.Whole {
		place = strconv.FormatInt(p.Next, 10)
	}
	return strconv.Itoa(layout) + ":" + strconv.FormatInt(p.Generation, 10) + ":" + place
}

func parsePosition(token string) shard.Position {
	p := shard.Position{Token: token}
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return p
	}
	number, err := strconv.Atoi(parts[0])
	if err != nil || number != layout {
		return p
	}
	if p.Generation, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return p
	}
	p.Next, err = strconv.ParseInt(parts[2], 10, 64)
	p.Whole = err == nil
	return p
}

func (v *View) verdict(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "DEPOSED"):
		return stream.ErrDeposed
	case strings.Contains(err.Error(), "MOVED_ON"):
		return shard.ErrMoved
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// values gives the bytes of an HMGET's answer; nil where a field is missing.
func values(answer []any) [][]byte {
	out := make([][]byte, len(answer))
	for i, v := range answer {
		if text, ok := v.(string); ok {
			out[i] = []byte(text)
		}
	}
	return out
}
