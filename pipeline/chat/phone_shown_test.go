package chat_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"optgate/pipeline/chat"
)

// byPlan reads a phone with its plus by its country's plan of numbers alone: whatever stands between digits makes Phone ask it.
func byPlan(digits string) (chat.Identifier, error) {
	return chat.Phone("+"+digits[:4]+"-"+digits[4:], "")
}

// planned is what a phone as Meta shows it is by its plan; what no plan allows stands as it is.
func planned(digits string) chat.Identifier {
	if id, err := byPlan(digits); err == nil {
		return id
	}
	return chat.Identifier("phone:" + digits)
}

// agrees holds both ways in which digits are written against the plan.
func agrees(t *testing.T, digits string) {
	if got, err := chat.Phone(digits, ""); err != nil || got != planned(digits) {
		t.Errorf("Phone(%q) = %q, %v; by its plan %q", digits, got, err, planned(digits))
	}
	want, wrong := byPlan(digits)
	for _, country := range []string{"", "GB", "AR"} {
		if got, err := chat.Phone("+"+digits, country); got != want || fmt.Sprint(err) != fmt.Sprint(wrong) {
			t.Errorf("Phone(+%q, %q) = %q, %v; by its plan %q, %v", digits, country, got, err, want, wrong)
		}
	}
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
			agrees(t, text)
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
		agrees(t, text)
	})
}

func BenchmarkPhone(b *testing.B) {
	for name, text := range map[string]string{"shown": "447700900001", "with a plus": "+447700900001", "by its plan": "+44 7700 900001"} {
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
