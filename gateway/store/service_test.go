package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

func contact(id chat.Identifier, ago time.Duration) channel.Contact {
	return channel.Contact{
		Account: "acme", Channel: "wa", ID: id, Pseudonym: testKey.Pseudonym(id), At: time.Now().Add(-ago).UnixMilli(),
	}
}

func declared(t *testing.T, s *store.Store) *owner {
	t.Helper()
	o := lead(t, s, testShards.Account("acme"), 1)
	o.move(time.Minute, shard.Change{Key: optout.AccountKey("acme"), New: account(t, "STOP")})
	return o
}

func TestAServiceWindowIsOpenForADay(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		declared(t, s)
		note := func(contacts ...channel.Contact) {
			t.Helper()
			if err := s.NoteContacts(t.Context(), contacts); err != nil {
				t.Fatal(err)
			}
		}
		people := []chat.Identifier{"phone:447700900001", "phone:447700900002", "bsuid:GB.3", "phone:447700900004"}
		inside := func(name string, want ...bool) {
			t.Helper()
			if got, err := s.InService(t.Context(), "acme", "wa", people); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v: %v", name, got, want, err)
			}
		}
		inside("before anybody wrote", false, false, false, false)
		note(contact(people[0], time.Minute), contact(people[1], 23*time.Hour), contact(people[2], 25*time.Hour), contact(people[3], channel.Window-time.Minute))
		inside("a minute, 23 hours, 25 hours ago, and as good as over", true, true, false, false)
		note(contact(people[0], 26*time.Hour), contact(people[2], 0), contact(people[2], time.Hour))
		inside("an old message that comes late, and a new one", true, true, true, false)
		if other, err := s.InService(t.Context(), "acme", "other", people); err != nil || slices.Contains(other, true) {
			t.Errorf("another channel: %v, %v", other, err)
		}
		if n, err := s.InServiceCount(t.Context(), "acme", "wa"); err != nil || n != 4 {
			t.Errorf("%d are inside: %v", n, err)
		}
	})
}

func TestEverybodyWhoWroteIsGivenOnce(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		const wrote, before = 12_000, 500
		contacts := make([]channel.Contact, 0, wrote+before)
		for n := range wrote {
			contacts = append(contacts, contact(chat.Identifier(fmt.Sprintf("phone:4477009%05d", n)), time.Minute)) // most in the same ms
		}
		for n := range before {
			contacts = append(contacts, contact(chat.Identifier(fmt.Sprintf("bsuid:GB.%d", n)), 20*time.Hour))
		}
		for some := range slices.Chunk(contacts, 1000) {
			if err := s.NoteContacts(t.Context(), some); err != nil {
				t.Fatal(err)
			}
		}
		for since, want := range map[time.Duration]int{time.Hour: wrote, 100 * time.Hour: wrote + before} {
			seen := map[chat.Identifier]int{}
			err := s.Served(t.Context(), "acme", "wa", time.Now().Add(-since), func(page []chat.Identifier) error {
				for _, id := range page {
					seen[id]++
				}
				return nil
			})
			twice := 0
			for _, n := range seen {
				twice += n - 1
			}
			if err != nil || len(seen) != want || twice > 0 {
				t.Errorf("since %v: %d people, %d given twice: %v", since, len(seen), twice, err)
			}
		}
	})
}

func TestAConditionIsThatOfTheChannelAndItsPortfolio(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		o := declared(t, s)
		if c, err := s.Condition(t.Context(), "acme", "wa"); err != nil || c.Tier != 0 || c.Barred != nil || c.Channel != "wa" {
			t.Errorf("nothing was told: %+v, %v", c, err)
		}
		now := time.Now().UnixMilli()
		state := func(v any) []byte {
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		restricted := map[string]channel.Told{"restriction": {Value: "ACCOUNT_RESTRICTION", Detail: "RESTRICTED_BIZ_INITIATED_MESSAGING", At: now, Until: now + 60_000}}
		ended := map[string]channel.Told{"restriction": {Value: "ACCOUNT_RESTRICTION", Detail: "RESTRICTED_BIZ_INITIATED_MESSAGING", At: now, Until: now - 60_000}}
		o.move(time.Minute,
			shard.Change{Key: channel.Key("acme", "wa2"), New: state(channel.Condition{V: 1, Portfolio: "p", Rate: 1000, Facts: restricted})},
			shard.Change{Key: channel.Key("acme", "wa3"), New: state(channel.Condition{V: 1, Portfolio: "p", Facts: ended})},
			shard.Change{Key: channel.PortfolioKey("acme", "p"), New: state(channel.Portfolio{V: 1, Facts: map[string]channel.Told{"tier": {Value: "TIER_2K", At: now}}})})
		c, err := s.Condition(t.Context(), "acme", "wa2")
		if err != nil || c.Tier != 2000 || c.Rate != 1000 || c.Barred == nil || c.Barred.Code != channel.CodeRestricted {
			t.Errorf("%+v, %v", c, err)
		}
		if c, err = s.Condition(t.Context(), "acme", "wa3"); err != nil || c.Barred != nil {
			t.Errorf("a restriction that is over bars: %+v, %v", c.Barred, err)
		}
		if left, known, err := s.TierLeft(t.Context(), "acme", "p"); err != nil || !known || left != 2000 {
			t.Errorf("%d left, known %v: %v", left, known, err)
		}
		if _, known, err := s.TierLeft(t.Context(), "acme", "other"); err != nil || known {
			t.Errorf("a tier that nobody told is known: %v", err)
		}
	})
}

// BenchmarkNoteContacts is what a batch of 500 messages, each of somebody else, costs inbound besides.
func BenchmarkNoteContacts(b *testing.B) {
	addresses := []string{memory(b).Addr()}
	if address := os.Getenv("OPTGATE_TEST_REDIS"); address != "" {
		addresses = []string{address}
	}
	s := store.Open(store.Config{Addresses: addresses, Prefix: "windowsbench.", Shards: testShards})
	b.Cleanup(func() { _ = s.Close() })
	batch := make([]channel.Contact, 500)
	for n := range batch {
		batch[n] = contact(chat.Identifier(fmt.Sprintf("phone:4477009%05d", n)), 0)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.NoteContacts(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/item")
}
