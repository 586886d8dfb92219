package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// The people that a portfolio has reached lie in one sorted set, with the mark of the memory that counts them beside it; one
// script counts them, by Redis's clock, so that any number of processes together give no place too many. Without the mark
// the set may lack people: nobody is counted until they were counted anew from the lanes' intents.

// TakeTier asks for places for people, limit being how many the portfolio may reach; 0: nobody knows, and all are given.
// Who is counted already has a place.
func (s *Store) TakeTier(ctx context.Context, account, portfolio string, limit int, people []chat.Pseudonym) (channel.Counted, error) {
	args := make([]any, 0, 3+len(people))
	args = append(args, max(limit, 0), channel.Counting.Microseconds(), channel.CountedUnlimited)
	for _, p := range people {
		args = append(args, p.String())
	}
	said, err := takeTier.Run(ctx, s.rdb, s.tierKeys(account, portfolio), args...).StringSlice()
	if err != nil {
		return channel.Counted{}, limitsAway(fmt.Errorf("count people: %w", err))
	}
	counted := channel.Counted{Mark: said[0]}
	if counted.Mark == "" {
		return counted, nil
	}
	if len(said) != 1+2*len(people) {
		return channel.Counted{}, errors.New("count people: answer of another length")
	}
	counted.Places = make([]channel.Place, len(people))
	for i := range people {
		place := channel.Place{Pseudonym: people[i]}
		at, err1 := strconv.ParseInt(said[1+2*i], 10, 64)
		was, err2 := strconv.ParseInt(said[2+2*i], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return channel.Counted{}, fmt.Errorf("count people: %w", err)
		}
		if place.Given = at > 0; place.Given {
			place.At, place.Was = at, was
		} else {
			place.Retry = max(0, micros(was))
		}
		counted.Places[i] = place
	}
	return counted, nil
}

// NoteTier counts people whom something is about to reach, whether or not anybody knows who was reached before.
func (s *Store) NoteTier(ctx context.Context, account, portfolio string, people []chat.Pseudonym) error {
	args := make([]any, 0, 2+len(people))
	args = append(args, channel.Counting.Microseconds(), channel.CountedUnlimited)
	for _, p := range people {
		args = append(args, p.String())
	}
	if err := noteTier.Run(ctx, s.rdb, s.tierKeys(account, portfolio), args...).Err(); err != nil {
		return limitsAway(fmt.Errorf("count people: %w", err))
	}
	return nil
}

// TierStands says whether the memory with this mark still counts, so that who was counted in it still is.
func (s *Store) TierStands(ctx context.Context, account, portfolio, mark string) (bool, error) {
	now, err := s.rdb.Get(ctx, s.tierKeys(account, portfolio)[1]).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, limitsAway(fmt.Errorf("look whether people are counted: %w", err))
	}
	return now == mark && mark != "", nil
}

// GiveBackTier gives places back, of people whom nothing was sent to. Who was counted again since stays counted.
func (s *Store) GiveBackTier(ctx context.Context, account, portfolio string, places []channel.Place) error {
	args := make([]any, 0, 3*len(places))
	for _, p := range places {
		args = append(args, p.Pseudonym.String(), p.At, p.Was)
	}
	if err := giveBackTier.Run(ctx, s.rdb, s.tierKeys(account, portfolio), args...).Err(); err != nil {
		return limitsAway(fmt.Errorf("give places back: %w", err))
	}
	return nil
}

// ForgetTier forgets whom a portfolio without a limit has reached.
func (s *Store) ForgetTier(ctx context.Context, account, portfolio string) error {
	if err := s.rdb.Unlink(ctx, s.tierKeys(account, portfolio)...).Err(); err != nil {
		return limitsAway(fmt.Errorf("forget who was counted: %w", err))
	}
	return nil
}

// recounting is how long whoever counts anew may say nothing before another begins.
const recounting = 30 * time.Second

// errRecount says that a memory was lost again while it was filled, or is another's to fill.
var errRecount = errors.New("people are not counted anew: somebody else does, or Redis was lost again")

// BeginTier says that the one who holds this token now counts a portfolio's people anew; false where somebody else does, or
// nothing was lost.
func (s *Store) BeginTier(ctx context.Context, account, portfolio, token string) (bool, error) {
	began, err := beginTier.Run(ctx, s.rdb, s.tierKeys(account, portfolio), token, recounting.Milliseconds()).Bool()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, limitsAway(fmt.Errorf("begin to count anew: %w", err))
	}
	return began, nil
}

// LoadTier adds people, and when they were last reached, to what is counted anew. Without any it says that there is more to come.
func (s *Store) LoadTier(ctx context.Context, account, portfolio, token string, people map[chat.Pseudonym]time.Time) error {
	args := make([]any, 0, 2+2*len(people))
	args = append(args, token, recounting.Milliseconds())
	for p, at := range people {
		args = append(args, at.UnixMicro(), p.String())
	}
	return s.recounts(loadTier.Run(ctx, s.rdb, s.tierKeys(account, portfolio), args...))
}

// EndTier says that everybody was loaded: from now on the portfolio's people are counted.
func (s *Store) EndTier(ctx context.Context, account, portfolio, token string) error {
	return s.recounts(endTier.Run(ctx, s.rdb, s.tierKeys(account, portfolio), token))
}

func (s *Store) recounts(said *redis.Cmd) error {
	done, err := said.Bool()
	if err != nil && !errors.Is(err, redis.Nil) {
		return limitsAway(fmt.Errorf("count anew: %w", err))
	}
	if !done {
		return errRecount
	}
	return nil
}

// TierUse tells how much of a portfolio's tier is used.
func (s *Store) TierUse(ctx context.Context, account, portfolio string) (channel.TierUse, error) {
	p, err := s.readPortfolio(ctx, account, portfolio)
	if err != nil {
		return channel.TierUse{}, err
	}
	told := p.Facts[chat.SaysTier]
	use := channel.TierUse{Limit: channel.TierOf(told.Value), Told: told}
	if use.Limit == channel.Unlimited {
		return use, nil
	}
	said, err := useTier.Run(ctx, s.rdb, s.tierKeys(account, portfolio), channel.Counting.Microseconds()).Int64Slice()
	if err != nil {
		return use, limitsAway(fmt.Errorf("ask how many people are counted: %w", err))
	}
	if use.Used, use.Exact = int(said[0]), said[1] == 1; use.Used > 0 {
		use.Next, use.All = time.UnixMicro(said[2]), time.UnixMicro(said[3])
	}
	return use, nil
}

// TierLeft tells how many people a portfolio may still reach in these 24 h outside of service windows: math.MaxInt where there
// is no limit. It isn't known until Meta has told the tier.
func (s *Store) TierLeft(ctx context.Context, account, portfolio string) (left int, known bool, err error) {
	use, err := s.TierUse(ctx, account, portfolio)
	return use.Left(), use.Limit != 0, err
}

// tierKeys gives the keys of a portfolio's people: the set, its mark, and who counts anew.
func (s *Store) tierKeys(account, portfolio string) []string {
	shard := stream.Spread(tierName(account, portfolio), int(s.shards))
	return []string{
		s.key(shard, tierName(account, portfolio)), s.key(shard, tierMarkName(account, portfolio)), s.key(shard, tierRecountName(account, portfolio)),
	}
}

const tierNow = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
`

// takeTier: ARGV limit, period, most counted without one, people…; it answers the mark, and of each person {at, was}, or {0, µs
// until a place may be free}. A time is given to one person's one message, so that giving it back takes nothing from another.
var takeTier = redis.NewScript(tierNow + `
local mark = redis.call('GET', KEYS[2])
if not mark then return {''} end
local limit, period, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - period))
local n, refused = redis.call('ZCARD', KEYS[1]), 0
local said = {mark}
for i = 4, #ARGV do
  local was = redis.call('ZSCORE', KEYS[1], ARGV[i])
  local at = now
  if was then at = math.max(now, tonumber(was) + 1) end
  if was or limit > 0 and n < limit or limit == 0 and n < most then
    redis.call('ZADD', KEYS[1], string.format('%.0f', at), ARGV[i])
    if not was then n = n + 1 end
  elseif limit > 0 then
    local place = math.min(n - 1, n - limit + refused)
    local oldest = redis.call('ZRANGE', KEYS[1], place, (place), 'WITHSCORES')
    at, was, refused = 0, tonumber(oldest[2]) + period - now, refused + 1
  end
  said[#said + 1] = string.format('%.0f', at)
  said[#said + 1] = string.format('%.0f', tonumber(was or 0))
end
redis.call('PEXPIRE', KEYS[1], math.ceil(period / 1000) + 1000)
return said`)

// noteTier: ARGV period, most, people…
var noteTier = redis.NewScript(tierNow + `
local n = redis.call('ZCARD', KEYS[1])
for i = 3, #ARGV do
  if n < tonumber(ARGV[2]) or redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    n = n + redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now), ARGV[i])
  end
end
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[1]) / 1000) + 1000)
return 1`)

// giveBackTier: ARGV (person, at, was)…
var giveBackTier = redis.NewScript(`
for i = 1, #ARGV, 3 do
  local at = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if at and tonumber(at) == tonumber(ARGV[i + 1]) then
    if ARGV[i + 2] == '0' then
      redis.call('ZREM', KEYS[1], ARGV[i])
    else
      redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
    end
  end
end
return 1`)

// beginTier: ARGV token, ms.
var beginTier = redis.NewScript(`
if redis.call('EXISTS', KEYS[2]) == 1 then return false end
if not redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
return 1`)

// loadTier: ARGV token, ms, (at, person)…
var loadTier = redis.NewScript(`
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return false end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
for i = 3, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'GT', ARGV[i], ARGV[i + 1])
end
return 1`)

// endTier: ARGV token, which becomes the mark.
var endTier = redis.NewScript(`
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return false end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
return 1`)

// useTier: ARGV period; it answers {people, exact, when the next is free, when all are}.
var useTier = redis.NewScript(tierNow + `
local period = tonumber(ARGV[1])
local from = '(' .. string.format('%.0f', now - period)
local n = redis.call('ZCOUNT', KEYS[1], from, '+inf')
local first, last = 0, 0
if n > 0 then
  first = tonumber(redis.call('ZRANGE', KEYS[1], -n, -n, 'WITHSCORES')[2]) + period
  last = tonumber(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]) + period
end
return {n, redis.call('EXISTS', KEYS[2]), first, last}`)
