package optout_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"optgate/pipeline/optout"
)

func TestAllWritingsOfAWordAreOne(t *testing.T) {
	for want, writings := range map[string][]string{
		"stop": {
			"stop", "STOP", "Stop", "  sToP! ", "\tstop\n", "«Stop»", "“stop”", "(stop)", "*stop*", "_STOP_", "~stop~", "stop.", "¡stop!", "STOP…",
			"ＳＴＯＰ", "Ⓢⓣⓞⓟ", "𝐒𝐓𝐎𝐏", "ｓｔｏｐ！", "s\u200bt\u200co\u200dp", "\u202estop\u202c", "\u2066STOP\u2069", "\ufeffstop", "st\u00adop",
			"STOP 🛑", "🛑STOP🛑", "stop 🙏🏽", "🇬🇧 stop", "stop 🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", "stop ❌️", "stop 1️⃣", "#️⃣ stop",
			"👨‍👩‍👧 stop", "STOP™", "stop\u00a0", "stop\x00", "ŞTOP", "stóp", "\u3164stop",
			"STOP" + strings.Repeat("!", 300), "Stop " + strings.Repeat("🙏🏽", 500), strings.Repeat("\u200b", 300) + "stop", "stop" + strings.Repeat("\n", 4000),
		},
		"stop all":           {"stop all", "STOP  ALL", "stop\n\nall", "stop\u3000all", "stop🛑all", "Stop\u00a0All."},
		"arret":              {"arrêt", "ARRÊT", "arre\u0302t", "Arrêt !"},
		"cancelar inscricao": {"Cancelar inscrição", "CANCELAR INSCRIÇÃO"},
		"iptal":              {"iptal", "İPTAL", "IPTAL", "ıptal", "i̇ptal"},
		"strasse":            {"Straße", "STRASSE", "STRAẞE"},
		"отписаться":         {"Отписаться", "ОТПИСАТЬСЯ!"},
		"στοπ":               {"ΣΤΟΠ", "στόπ"},
		"ايقاف":              {"إيقاف", "ايقاف", "إيقـــاف", "إِيقَاف", "\u200fإيقاف\u200f"},
		"停止":                 {"停止", "停止。", "「停止」"},
		"ストップ":               {"ストップ", "ｽﾄｯﾌﾟ"},
		"बंद करें":           {"बंद करें", " बंद  करें। "},
		"don't stop":         {"don't stop", "don’t stop", "Don‘t stop!", "don´t stop", "don`t stop", "don′t stop", "don`t stop 🙂"},
		"opt-out":            {"Opt-Out", "OPT-OUT.", "opt\u2011out", "opt\u2010out", "opt–out", "opt—out", "opt−out", "ｏｐｔ－ｏｕｔ", "opt\u00ad-out", "Opt‑out 🛑"},
		"1":                  {"1", "１", "1.", "①"},
		"":                   {"", " ", "🛑", "👍🏿", "!!!", "🇬🇧", "1️⃣", "\u200b", strings.Repeat("s", 257), strings.Repeat("a ", 257), strings.Repeat("!", 20_000) + "stop"},
	} {
		for _, text := range writings {
			if got := optout.FoldText(text); got != want {
				t.Errorf("FoldText(%+q) = %+q; want %+q", text, got, want)
			}
		}
	}
}

func TestMarksThatSpellStay(t *testing.T) {
	for _, pair := range [][2]string{{"करें", "कर"}, {"が", "か"}, {"パ", "ハ"}, {"กิน", "กน"}} {
		if optout.FoldText(pair[0]) == optout.FoldText(pair[1]) {
			t.Errorf("%s and %s are two words", pair[0], pair[1])
		}
	}
}

// FuzzFoldText holds that folding again changes nothing, that the result is text without white space or punctuation
// around it, that small and capital letters never matter, and that an invisible mark, which takes a text out of ASCII,
// doesn't either.
func FuzzFoldText(f *testing.F) {
	for _, text := range []string{"STOP", "İPTAL", "إيقـاف", "stop 1️⃣", "🇬🇧 stop", "ｽﾄｯﾌﾟ", "\xff", "a\u0345", "ß", "ﷺ"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		folded := optout.FoldText(text)
		if !utf8.ValidString(folded) && utf8.ValidString(text) {
			t.Fatalf("FoldText(%+q) = %+q is no text", text, folded)
		}
		if folded != strings.TrimSpace(folded) {
			t.Fatalf("FoldText(%+q) = %+q has space around it", text, folded)
		}
		if utf8.RuneCountInString(text) < optout.MaxText && len(text) < optout.MaxText*utf8.UTFMax-utf8.UTFMax {
			if marked := optout.FoldText(text + "\u200b"); marked != folded {
				t.Fatalf("FoldText(%+q) = %+q, and with a mark %+q", text, folded, marked)
			}
		}
		if utf8.RuneCountInString(folded) <= optout.MaxText {
			if again := optout.FoldText(folded); again != folded {
				t.Fatalf("FoldText(%+q) = %+q, and folded again %+q", text, folded, again)
			}
		}
	})
}

func BenchmarkFoldText(b *testing.B) {
	for name, text := range map[string]string{
		"ascii": "Hello, I'd like to know when my order comes", "emoji": "Hello, I'd like to know when my order comes 🙂",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				optout.FoldText(text)
			}
		})
	}
}

// BenchmarkCandidates is what each message is asked for.
func BenchmarkCandidates(b *testing.B) {
	texts := []string{"Hello, is the order of yesterday on its way?"}
	b.ReportAllocs()
	for b.Loop() {
		optout.Candidates(texts)
	}
}
