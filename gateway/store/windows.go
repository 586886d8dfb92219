package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// Windows counts the calls of limits over the whole fleet, exactly: by Redis's clock, in one script, from the time of each
// call. Beside them lies, once for each shard, when Redis began to remember: after a loss it is young, and limits that protect
// others wait. So do they when a shard's first window ever is used.
type Windows struct {
	store  *Store
	onLoss ratelimit.Loss
}

// Windows gives the windows of limits that do as said after a loss.
func (s *Store) Windows(onLoss ratelimit.Loss) *Windows { return &Windows{store: s, onLoss: onLoss} }

// Take asks for one call. A call that is refused is not counted.
func (w *Windows) Take(ctx context.Context, key string, limit int, period time.Duration) (ratelimit.Decision, error) {
	d := ratelimit.Decision{Rule: ratelimit.Rule{Limit: limit, Period: period}}
	if limit <= 0 {
		d.Retry, d.Reset = period, period
		return d, nil
	}
	said, err := take.Run(ctx, w.store.rdb, w.store.counted(windowName(key)),
		limit, period.Microseconds(), int(w.onLoss)).Int64Slice()
	if err != nil {
		return d, limitsAway(fmt.Errorf("take from a window: %w", err))
	}
	d.Remaining = int(said[0])
	d.Retry, d.Reset = micros(said[1]), micros(said[2])
	d.Allowed = d.Retry == 0
	return d, nil
}

// Reserve takes up to n places, interval apart or more while it is slowed, in a line of the whole fleet, of which none begins
// later than ahead from now by Redis's clock. After a loss nobody knows who stands in the line, nor that it was slowed: it
// begins anew a second later.
func (s *Store) Reserve(ctx context.Context, key string, interval time.Duration, n int, ahead time.Duration) (ratelimit.Reservation, error) {
	interval = max(interval, time.Microsecond)
	said, err := reserve.Run(ctx, s.rdb, s.lineKeys(key), interval.Microseconds(), n, ahead.Microseconds(), recovery).Int64Slice()
	if err != nil {
		return ratelimit.Reservation{}, limitsAway(fmt.Errorf("reserve in a line: %w", err))
	}
	return ratelimit.Reservation{Slots: int(said[0]), Wait: micros(said[1]), Interval: micros(said[2])}, nil
}

// Slow halves a line's rate for the whole fleet, unless that was done within a second; see ratelimit.Pace.
func (s *Store) Slow(ctx context.Context, key string) error {
	err := slow.Run(ctx, s.rdb, s.lineKeys(key), recovery, ratelimit.Slowest, ratelimit.Deaf.Microseconds()).Err()
	if err != nil {
		return limitsAway(fmt.Errorf("slow a line: %w", err))
	}
	return nil
}

// Share tells to what part of its rate a line is slowed just now; 1: it isn't.
func (s *Store) Share(ctx context.Context, key string) (float64, error) {
	text, err := share.Run(ctx, s.rdb, s.lineKeys(key), recovery).Text()
	if err != nil {
		return 0, limitsAway(fmt.Errorf("ask how far a line is slowed: %w", err))
	}
	return strconv.ParseFloat(text, 64)
}

// recovery is how long a slowed line takes for each step of ratelimit.RecoverBy, in µs.
const recovery = int64(ratelimit.RecoverStep / time.Microsecond)

// lineKeys gives the keys of a line: its end, the birth beside it, and how far it is slowed.
func (s *Store) lineKeys(key string) []string {
	keys := s.counted(lineName(key))
	return append(keys, s.key(stream.Spread(lineName(key), int(s.shards)), slowName(key)))
}

// counted gives a name's key and that of the birth beside it, spread over the shards' slots by the name.
func (s *Store) counted(name string) []string {
	shard := stream.Spread(name, int(s.shards))
	return []string{s.key(shard, name), s.key(shard, keyBorn)}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func limitsAway(err error) error {
	return fault.Wrap(err, fault.Unavailable, "limits_away", "Limits can't be counted just now. Try again.")
}

// remembers tells the time and since when this slot's memory goes back, both in µs.
const remembers = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local born = tonumber(redis.call('GET', KEYS[2]))
if not born then
	born = now
	redis.call('SET', KEYS[2], string.format('%.0f', born))
end
`

// take answers {remaining, retry, reset}. A call's time is its score and, since no two are the same, its name. A clock that
// went back lets calls count for longer, never shorter.
var take = redis.NewScript(remembers + `
local limit, period, wait_out = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - period))
local n = redis.call('ZCARD', KEYS[1])
local last = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1)[1])
local retry = 0
if wait_out then
	retry = math.max(retry, born + period - now)
end
if n >= limit then
	local oldest = tonumber(redis.call('ZRANGE', KEYS[1], n - limit, n - limit)[1])
	retry = math.max(retry, oldest + period - now)
end
if retry > 0 then
	local reset = retry
	if last then
		reset = math.max(reset, last + period - now)
	end
	return {0, retry, reset}
end
local at = now
if last then
	at = math.max(now, last + 1)
end
local name = string.format('%.0f', at)
redis.call('ZADD', KEYS[1], name, name)
redis.call('PEXPIRE', KEYS[1], math.ceil((at + period - now) / 1000) + 1000)
return {limit - n - 1, 0, at + period - now}
`)

// shares gives the part of its rate that a line has, after what has come back; it holds the part and since when.
var shares = `
local function shared(step)
	local said = redis.call('HMGET', KEYS[3], 'share', 'since')
	if not said[1] then
		return 1, nil
	end
	local since = tonumber(said[2])
	return math.min(1, tonumber(said[1]) + ` + strconv.FormatFloat(ratelimit.RecoverBy, 'f', -1, 64) + ` * math.max(0, math.floor((now - since) / step))), since
end
`

// share answers the part as a text.
var share = redis.NewScript(remembers + shares + `
local part = shared(tonumber(ARGV[1]))
return string.format('%.6f', part)
`)

// slow halves the part.
var slow = redis.NewScript(remembers + shares + `
local part, since = shared(tonumber(ARGV[1]))
if since and math.abs(now - since) < tonumber(ARGV[3]) then
	return 0
end
part = math.max(tonumber(ARGV[2]), part / 2)
redis.call('HSET', KEYS[3], 'share', string.format('%.6f', part), 'since', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[3], math.ceil(tonumber(ARGV[1]) / 1000) * 12)
return 1
`)

// reserve answers {places, wait, interval}. The line's key holds when its next place begins.
var reserve = redis.NewScript(remembers + shares + `
local interval, n, ahead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
interval = math.floor(interval / (shared(tonumber(ARGV[4]))))
local line = tonumber(redis.call('GET', KEYS[1])) or 0
local first = math.max(now, line, born + 1000000)
local wait = first - now
if wait > ahead then
	return {0, wait - ahead, interval}
end
local slots = math.min(n, math.floor((ahead - wait) / interval) + 1)
line = first + slots * interval
redis.call('SET', KEYS[1], string.format('%.0f', line), 'PX', math.ceil((line - now) / 1000) + 1000)
return {slots, wait, interval}
`)
