package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// BenchmarkFilter asks the gate about as many recipients as each list has entries, half of whom are on it, as a dry run of a
// broadcast does. With OPTGATE_TEST_REDIS it does so with a million of each on that Redis, which it fills and empties; beside
// it redis-benchmark asks SMISMEMBER for a thousand random members of one plain set of a million, just before each
// measurement. Metrics: recipients/s; of-redis, members asked a second by those that redis-benchmark asks; B/entry of the sets
// and of all that stands in Redis, by that of the plain set.
func BenchmarkFilter(b *testing.B) {
	address, entries := os.Getenv("OPTGATE_TEST_REDIS"), 1_000_000
	if address == "" {
		address, entries = memory(b).Addr(), 5_000
	}
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close() //nolint:errcheck // it was only asked
	f := &filtered{b: b, client: client, address: address, store: store.Open(store.Config{Addresses: []string{address}, Prefix: "filter.", Shards: 64})}
	defer f.store.Close() //nolint:errcheck // as client
	defer client.FlushAll(b.Context())
	plain := f.plain(entries)
	for _, lists := range []int{1, 4} {
		before := f.memory()
		f.fill(entries, lists)
		all := f.memory() - before
		sets := f.sets() / float64(entries*lists)
		b.Run(fmt.Sprintf("memory/lists=%d", lists), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(sets, "set-B/entry")
				b.ReportMetric(plain/sets, "plain-by-set")
				b.ReportMetric(all/float64(entries*lists), "all-B/entry")
			}
		})
		recipients := f.recipients(entries, lists)
		for _, page := range []int{entries, 50_000, 10_000, 1_000} {
			b.Run(fmt.Sprintf("lists=%d/page=%d", lists, page), func(b *testing.B) {
				raw := f.raw(b)
				b.ResetTimer()
				for b.Loop() {
					f.ask(b, recipients, page)
				}
				second := float64(len(recipients)*b.N) / b.Elapsed().Seconds()
				b.ReportMetric(second, "recipients/s")
				if raw > 0 {
					b.ReportMetric(second*float64(lists)/raw, "of-redis")
				}
			})
		}
	}
}

// filtered is a Redis with lists of many people.
type filtered struct {
	b       *testing.B
	client  *redis.Client
	address string
	store   *store.Store
	owners  []*shardOwner
}

// shardOwner is what fills one shard.
type shardOwner struct {
	view *store.View
	at   shard.Position
}

func (f *filtered) must(err error) {
	f.b.Helper()
	if err != nil {
		f.b.Fatal(err)
	}
}

// plain fills the one plain set of phone numbers and gives its bytes an entry.
func (f *filtered) plain(entries int) float64 {
	pipe := f.client.Pipeline()
	for n := range entries {
		pipe.SAdd(f.b.Context(), "plain", fmt.Sprintf("%012d", 2*n))
		if n%1000 == 999 {
			_, err := pipe.Exec(f.b.Context())
			f.must(err)
		}
	}
	used, err := f.client.MemoryUsage(f.b.Context(), "plain", 0).Result()
	if err != nil {
		return 0 // the embedded one doesn't know
	}
	return float64(used) / float64(entries)
}

// list names the nth list.
func list(n int) string { return "list" + strconv.Itoa(n) }

// phone gives the identifier of the nth of twice as many people as there are entries.
func phone(n int) chat.Identifier { return chat.Identifier(fmt.Sprintf("phone:4477%08d", n)) }

// fill puts the first people, as many as entries, on all lists.
func (f *filtered) fill(entries, lists int) {
	shards := chat.Shards(64)
	changes := make([][]shard.Change, shards)
	for n := range entries {
		p := testKey.Pseudonym(phone(n))
		person := optout.Person{V: 1, ID: phone(n)}
		for l := range lists {
			person.Entries = append(person.Entries, optout.Entry{List: list(l), Channel: "wa", Out: 1_794_300_000_000, Source: "message", Rule: "stop", Row: 1})
		}
		state, err := json.Marshal(person)
		f.must(err)
		changes[shards.Of(p)] = append(changes[shards.Of(p)], shard.Change{Key: optout.PersonKey("acme", p), New: state})
	}
	for at := range changes {
		if len(f.owners) <= at {
			o := &shardOwner{view: f.store.View(at), at: shard.Position{Generation: 1}}
			seen, err := o.view.Position(f.b.Context())
			f.must(err)
			f.must(o.view.Begin(f.b.Context(), seen, o.at))
			f.owners = append(f.owners, o)
		}
		for o, rest := f.owners[at], changes[at]; len(rest) > 0; {
			some := rest[:min(2000, len(rest))]
			rest = rest[len(some):]
			next := shard.Position{Generation: 1, Next: o.at.Next + 1, Whole: true}
			_, err := o.view.Apply(f.b.Context(), o.at, next, some, time.Now().Add(time.Hour))
			f.must(err)
			o.at = next
		}
	}
}

// memory gives all bytes that Redis uses; 0 where it doesn't tell.
func (f *filtered) memory() float64 {
	text, err := f.client.Info(f.b.Context(), "memory").Result()
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(text, "used_memory:")
	used, _, _ := strings.Cut(rest, "\r")
	n, _ := strconv.ParseFloat(used, 64)
	return n
}

// sets gives the bytes of the sets that the gate asks.
func (f *filtered) sets() (sum float64) {
	keys := f.client.Scan(f.b.Context(), 0, "filter.*l/acme/*", 1000).Iterator()
	for keys.Next(f.b.Context()) {
		used, err := f.client.MemoryUsage(f.b.Context(), keys.Val(), 0).Result()
		if err != nil {
			return 0
		}
		sum += float64(used)
	}
	f.must(keys.Err())
	return sum
}

// recipients gives questions about as many people as there are entries, in no order; every other one is on the lists.
func (f *filtered) recipients(entries, lists int) []gate.Question {
	var names []string
	for l := range lists {
		names = append(names, list(l))
	}
	all := make([]gate.Question, entries)
	for n := range all {
		all[n] = gate.Question{Account: "acme", Channel: "wa", Pseudonym: testKey.Pseudonym(phone(entries/2 + n)), Lists: names}
	}
	rand.New(rand.NewPCG(7, 8)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func (f *filtered) ask(b *testing.B, questions []gate.Question, page int) {
	b.Helper()
	said := map[gate.Verdict]int{}
	for from := 0; from < len(questions); from += page {
		for _, answer := range f.store.Ask(b.Context(), questions[from:min(from+page, len(questions))]) {
			said[answer.Verdict]++
		}
	}
	if said[gate.Unknown] > 0 || said[gate.Go] != said[gate.Skip] {
		b.Fatalf("answers: %v", said)
	}
}

// raw gives how many members of one plain set redis-benchmark asks for in a second; 0 where there is none.
func (f *filtered) raw(b *testing.B) float64 {
	b.Helper()
	host, port, err := net.SplitHostPort(f.address)
	if err != nil || os.Getenv("OPTGATE_TEST_REDIS") == "" {
		return 0
	}
	const members = 1000
	args := []string{"-h", host, "-p", port, "-c", "16", "-P", "4", "-n", "2000", "-r", "2000000", "--csv", "SMISMEMBER", "plain"}
	for range members {
		args = append(args, "__rand_int__")
	}
	text, err := exec.CommandContext(b.Context(), "redis-benchmark", args...).Output() //nolint:gosec // numbers of our own
	if err != nil {
		b.Fatalf("redis-benchmark: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	fields := strings.Split(lines[len(lines)-1], `","`)
	if len(fields) < 2 {
		b.Fatalf("redis-benchmark says %q", lines[len(lines)-1])
	}
	perSecond, err := strconv.ParseFloat(strings.Trim(fields[1], `"`), 64)
	if err != nil {
		b.Fatalf("redis-benchmark says %q", fields[1])
	}
	return perSecond * members
}
