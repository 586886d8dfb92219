package chat_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"optgate/pipeline/chat"
)

// planned is what a phone as Meta shows it is by its country's plan of numbers: a plus makes Phone ask the plan, and what
// no plan allows stands as it is.
func planned(digits string) chat.Identifier {
	if id, err := chat.Phone("+"+digits, ""); err == nil {
		return id
	}
	return chat.Identifier("phone:" + digits)
}

// TestWhatMetaShowsIsReadAsThePlanSays goes over every country code, and the beginnings of national numbers that plans
// take away or rewrite.
func TestWhatMetaShowsIsReadAsThePlanSays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	begins := []string{"", "0", "1", "8", "9", "06", "15", "90", "044", "183", "1801", "180020", "1790", "00", "900", "119", "0031"}
	for code := 10; code <= 999; code++ {
		for _, begin := range begins {
			text := strconv.Itoa(code) + begin
			for n := 4 + random.IntN(9); n > 0; n-- {
				text += strconv.Itoa(random.IntN(10))
			}
			if len(text) > 15 {
				text = text[:15]
			}
			if got, err := chat.Phone(text, ""); err != nil || got != planned(text) {
				t.Errorf("Phone(%q) = %q, %v; by its plan %q", text, got, err, planned(text))
			}
		}
	}
}

func FuzzPhoneAsShown(f *testing.F) {
	for _, number := range []uint64{447700900001, 551187654321, 5215512345678, 5491112345678, 16315551181, 441800201234, 61183212345678} {
		f.Add(number)
	}
	f.Fuzz(func(t *testing.T, number uint64) {
		text := strconv.FormatUint(number%1_000_000_000_000_000, 10)
		if len(text) < 5 {
			return
		}
		if got, err := chat.Phone(text, ""); err != nil || got != planned(text) {
			t.Fatalf("Phone(%q) = %q, %v; by its plan %q", text, got, err, planned(text))
		}
	})
}

func BenchmarkPhone(b *testing.B) {
	for name, text := range map[string]string{"shown": "447700900001", "by its plan": "+447700900001"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := chat.Phone(text, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
