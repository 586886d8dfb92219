package optout_test

import (
	"slices"
	"testing"

	"optgate/pipeline/optout"
)

// TestAWordIsHeardInAllWritingsOfItsScript shows by language how people write a keyword, and what is another word. Words of
// languages that Default has none for are an account's own.
func TestAWordIsHeardInAllWritingsOfItsScript(t *testing.T) {
	for _, c := range []struct {
		language, word string
		heard, not     []string
	}{
		{
			"en", "stop",
			[]string{
				"STOP", "stop.", "¡Stop!", "'stop'", "stop\u200d", "\ufeffSTOP", "s\u00adtop", "ＳＴＯＰ", "ｓｔｏｐ．", "𝕊𝕋𝕆ℙ", "Ⓢⓣⓞⓟ", "🅂🅃🄾🄿", "STOP 🛑", "✋ stop", "stop🏿",
				"🇺🇸stop🇺🇸", "stop 🏴\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F", "1️⃣ stop", "#️⃣stop", "stop ☎️", "👨‍👩‍👧‍👦 stop", "stop ❤️‍🔥", "\u2067stop\u2069", "stop…", "- stop -", "\"STOP\"",
			},
			[]string{"st0p", "s t o p", "stop1", "1 stop", "stops", "sto", "stop/stop", "сtop", "stop & go"},
		},
		{"de", "schließen", []string{"SCHLIESSEN", "Schließen!", "SCHLIEẞEN", "schliessen"}, []string{"schliesen", "schlieben"}},
		{"fr", "arrêt", []string{"ARRÊT", "arret", "Arrêt !", "arre\u0302t", "« arrêt »", "ARRET 🇫🇷"}, []string{"arête", "arrete"}},
		{"fr", "ne plus m'écrire", []string{"Ne plus m’écrire", "NE PLUS M'ECRIRE", "ne  plus\nm'écrire."}, []string{"ne plus m ecrire"}},
		{"es", "no más", []string{"NO MAS", "¡No más!", "no ma\u0301s"}, []string{"no masa"}},
		{"pt", "cancelar inscrição", []string{"CANCELAR INSCRICAO", "cancelar inscrição"}, []string{"cancelar"}},
		{"tr", "iptal", []string{"İPTAL", "IPTAL", "iptal", "ıptal", "İptal 🙂", "i\u0307ptal", "ＩＰＴＡＬ"}, []string{"iptal et", "aptal"}},
		{"tr", "DUR", []string{"dur", "Dur!", "DÜR"}, []string{"durdur", "dur bakalım"}},
		{"tr", "çıkış", []string{"ÇIKIŞ", "cikis", "Çikiş", "CIKIS"}, []string{"çık"}},
		{"pl", "wyłącz", []string{"WYŁĄCZ", "wyłacz"}, []string{"wylacz", "włącz"}},
		{"vi", "hủy", []string{"HỦY", "huy", "hu\u0309y"}, []string{"hay"}},
		{"ru", "стоп", []string{"СТОП", "Стоп.", "сто\u0301п"}, []string{"cтoп", "стоп кран"}},
		{"uk", "відписатися", []string{"ВІДПИСАТИСЯ", "відписатися!"}, []string{"видписатися"}},
		{"el", "τέλος", []string{"ΤΕΛΟΣ", "τελος", "Τέλος;", "τέλοσ"}, []string{"τελο"}},
		{"ar", "إلغاء الاشتراك", []string{"الغاء الاشتراك", "إلغـــاء الاشتراك", "إِلْغَاء الاِشْتِرَاك", "\u200fإلغاء الاشتراك\u200f", "إلغاء\u200c الاشتراك", "إلغاء الاشتراك؟", "ﺇﻟﻐﺎء الاشتراك"}, []string{"إلغاء", "الاشتراك إلغاء"}},
		{"fa", "لغو", []string{"لغو", "لـغـو", "لَغو"}, []string{"لغ"}},
		{"he", "הסר", []string{"הסר", "הָסֵר", "\u200fהסר\u200e", "הסר!"}, []string{"הסרה"}},
		{"hi", "बंद करें", []string{"बंद करें", "बंद  करें।", "बंद\u200d करें"}, []string{"बंद कर", "बद करें"}},
		{"bn", "বন্ধ", []string{"বন্ধ", "বন্ধ।"}, []string{"বন"}},
		{"ta", "நிறுத்து", []string{"நிறுத்து", "நிறுத்து!"}, []string{"நிறுத்த"}},
		{"th", "หยุด", []string{"หยุด", "หยุด 🙏"}, []string{"หยด"}},
		{"zh", "退订", []string{"退订", "退订。", "「退订」", "　退订　", "退订！"}, []string{"退订吗", "退訂"}},
		{"ja", "ストップ", []string{"ストップ", "ｽﾄｯﾌﾟ", "ストップ。", "ストッフ\u309a"}, []string{"ストッフ", "すとっぷ"}},
		{"ko", "수신거부", []string{"수신거부", "수신거부!", "\u1109\u116e\u1109\u1175\u11ab\u1100\u1165\u1107\u116e"}, []string{"수신 거부"}},
		{"ka", "სტოპ", []string{"სტოპ", "ᲡᲢᲝᲞ"}, []string{"სტო"}},
	} {
		own := optout.List{ID: "own", Keywords: []string{c.word}, Channels: []string{"*"}}
		a := optout.Account{ID: "acme", Lists: []optout.List{own}}
		for _, text := range append(c.heard, c.word) {
			if lists, out := hear(t, a, "wa", text); !out || !slices.Equal(lists, []string{"own"}) {
				t.Errorf("%s: %q is %s (%+q, %+q)", c.language, text, c.word, optout.FoldText(text), optout.FoldText(c.word))
			}
		}
		for _, text := range c.not {
			if lists, _ := hear(t, a, "wa", text); lists != nil {
				t.Errorf("%s: %q is not %s", c.language, text, c.word)
			}
		}
	}
}

// TestPolitenessIsNoSentence is the politeness rule: what may stand around a stop word, and what makes it another thing.
func TestPolitenessIsNoSentence(t *testing.T) {
	for text, heard := range map[string]bool{
		"stop please": true, "Please, STOP!": true, "pls stop": true, "stop, thanks": true, "stop. thank you": true, "please stop, thank you": true, "thanks. stop": true,
		"STOP 🙏 PLEASE": true, "stop\nplease": true, "stopp bitte": true, "Bitte abmelden, danke": true, "arrêt svp": true, "baja, por favor. gracias": true, "sair obrigada": true,
		"disiscrivimi per favore": true, "stoppen alsjeblieft": true, "стоп, пожалуйста": true, "berhenti tolong": true, "stop bitte": true, "please please stop": true,
		"please don't stop": false, "stop it please": false, "please stop the delivery": false, "no thanks": false, "stopplease": false, "pleasestop": false, "please": false,
		"thank you": false, "stop or please": false, "unstoppable please": false, "can you stop please": false, "stop please or i call the police": false, "please, don't": false,
		"would you please stop": false, "stop thanking": false, "thanks for the stop": false,
	} {
		if lists, out := hear(t, account(), "wa", text); (lists != nil && out) != heard {
			t.Errorf("%q: %v", text, lists)
		}
	}
}

// TestTwoListsThatShareAWordBothApply holds also where one has it as its own word and the other as a language's.
func TestTwoListsThatShareAWordBothApply(t *testing.T) {
	a := account(
		optout.List{ID: "a", Keywords: []string{"Nix mehr"}, Confirmation: "own", Channels: []string{"wa"}},
		optout.List{ID: "b", Languages: map[string]optout.Language{
			"de": {Keywords: []string{"nix mehr"}, Confirmation: "de"}, "en": {Keywords: []string{"nix mehr"}, Confirmation: "en"},
		}, Channels: []string{"*"}},
		optout.List{ID: "c", OptinKeywords: []string{"nix mehr"}, Channels: []string{"*"}},
	)
	l := lexicon(t, a)
	heard, out := l.Hear("wa", optout.Candidates([]string{"NIX MEHR!"}))
	if len(heard) != 2 || !out || heard[0].Text(true) != "own" || heard[1].Text(true) != "de" || heard[1].Text(false) != "" {
		t.Errorf("%+v %v", heard, out)
	}
	if heard, _ = l.Hear("page", optout.Candidates([]string{"nix mehr"})); len(heard) != 1 || heard[0].List.ID != "b" {
		t.Errorf("%+v", heard)
	}
}
