package optout_test

import (
	"encoding/json"
	"slices"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

func account(own ...optout.List) optout.Account {
	return optout.Account{V: 1, ID: "acme", Key: chat.Key("0123456789abcdef"), Lists: append(optout.SystemLists(), own...)}
}

// hear asks an account as inbound does.
func hear(t *testing.T, a optout.Account, channel string, texts ...string) (lists []string, out bool) {
	t.Helper()
	state, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	l, err := optout.NewLexicon(state)
	if err != nil {
		t.Fatal(err)
	}
	heard, out := l.Hear(channel, optout.Candidates(texts))
	for _, h := range heard {
		lists = append(lists, h.List.ID)
	}
	return lists, out
}

func TestDefaultHearsStopWordsOfEachLanguage(t *testing.T) {
	said := []string{
		"STOP", "unsubscribe", "Unsubscribe", "UNSUBSCRIBE", "End", "QUIT", "stopall", "STOP ALL", "revoke", "optout", "Opt out", "OPT-OUT", "cancel", "remove", "Remove me", "no more",
		"TD", "td", "Stop promotions",
		"Stopp", "ABBESTELLEN", "abmelden", "Keine Nachrichten!", "arret", "Arrêt", "ARRÊTER", "annuler", "désabonner", "desabonner",
		"Parar", "BAJA", "cancelar", "dar de baja", "sair", "Cancelar inscrição", "cancelar inscricao", "basta", "cancella", "annulla", "disiscrivimi",
		"afmelden", "stoppen", "uitschrijven", "СТОП", "отписаться", "не пиши", "Не писать", "berhenti",
		"stop please", "Please stop", "please stop!", "stop. thank you", "Stop, thanks", "STOP 🙏 please", "Please, stop. Thank you!", "stop please thanks",
		"Stopp, bitte", "arrêt s'il vous plaît", "Arrêt s’il te plaît", "parar, por favor", "sair, obrigado", "basta grazie", "afmelden alstublieft", "стоп пожалуйста", "berhenti, terima kasih",
	}
	for _, text := range said {
		if lists, out := hear(t, account(), "wa", text); !out || !slices.Equal(lists, []string{gate.DefaultList}) {
			t.Errorf("%q: lists %v, out %v", text, lists, out)
		}
	}
	for _, text := range []string{"START", "start!", "UNSTOP", "opt in", "start please"} {
		if lists, out := hear(t, account(), "wa", text); out || !slices.Equal(lists, []string{gate.DefaultList}) {
			t.Errorf("%q: lists %v, out %v", text, lists, out)
		}
	}
}

func TestNoWordInsideASentenceActs(t *testing.T) {
	for _, text := range []string{
		"don't stop", "please don't stop", "stop by tomorrow", "I can't stop, help", "I never said stop", "stop it", "the end", "bus stop", "stop!!! or not?",
		"stop stop", "nonstop", "stopplease", "cancel my order", "please", "thank you", "yes", "oui", "hello", "", "🛑", "no thanks", "stop thankyou all",
		"إيقاف", "停止", "बंद करें", "dur",
	} {
		if lists, _ := hear(t, account(), "wa", text); lists != nil {
			t.Errorf("%q: heard by %v", text, lists)
		}
	}
}

func TestEachListHearsItsOwnWordsOnItsChannels(t *testing.T) {
	promo := optout.List{ID: "promo", Keywords: []string{"No promo", "stop"}, OptinKeywords: []string{"promo"}, Channels: []string{"wa"}, Scope: optout.ScopeAll}
	a := account(promo, optout.List{ID: "odd", Keywords: []string{"🛑", "start"}, Channels: []string{"*"}})
	for _, row := range []struct {
		channel string
		texts   []string
		lists   []string
		out     bool
	}{
		{"wa", []string{"stop"}, []string{"default", "promo"}, true},
		{"wb", []string{"stop"}, []string{"default"}, true},
		{"wa", []string{"no promo"}, []string{"promo"}, true},
		{"wb", []string{"no promo"}, nil, false},
		{"wa", []string{"promo"}, []string{"promo"}, false},
		{"wa", []string{"hello", "stop"}, []string{"default", "promo"}, true}, // a button's title and its payload
		{"wa", []string{"🛑"}, nil, false},
		{"wa", []string{"start"}, []string{"odd"}, true}, // out and in at once: out
		{"wa", []string{"unstop", "stop"}, []string{"default", "promo"}, true},
	} {
		lists, out := hear(t, a, row.channel, row.texts...)
		if !slices.Equal(lists, row.lists) || out != row.out {
			t.Errorf("%s %q: lists %v, out %v", row.channel, row.texts, lists, out)
		}
	}
	if promo.Covers("wa") != chat.AnyChannel || optout.SystemLists()[0].Covers("wa") != "wa" {
		t.Error("a list covers what its scope says")
	}
}

func TestSystemListsKeepTheirLimits(t *testing.T) {
	for _, list := range optout.SystemLists() {
		if !list.System || len([]rune(list.Name)) > 50 || len([]rune(list.Description)) > 300 || len([]rune(list.Confirmation)) > 300 || len([]rune(list.OptinMessage)) > 300 {
			t.Errorf("list %s", list.ID)
		}
		for _, word := range append(list.Keywords, list.OptinKeywords...) {
			if optout.FoldText(word) == "" || len([]rune(word)) > 50 {
				t.Errorf("list %s: keyword %q", list.ID, word)
			}
		}
	}
}

// FuzzCandidates holds that what is looked up is folded text and that its number is bounded.
func FuzzCandidates(f *testing.F) {
	f.Add("please stop, thank you", "STOP")
	f.Add("s'il vous plaît", "спасибо")
	f.Fuzz(func(t *testing.T, a, b string) {
		words := optout.Candidates([]string{a, b})
		if len(words) > 32 {
			t.Fatalf("%d words", len(words))
		}
		for _, word := range words {
			if again := optout.FoldText(word); again != word && again != "" {
				t.Fatalf("%+q, %+q: %+q folds to %+q", a, b, word, again)
			}
		}
	})
}
