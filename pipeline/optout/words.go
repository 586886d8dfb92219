package optout

// Word is one stop word of the Default list and why it is one.
type Word struct {
	Text     string
	Language string // ISO 639-1
	Source   string // where it is in use
}

// The sources of Default's words.
const (
	sourceCarriers = "carriers and messaging providers"           // the sets that Twilio, AWS, Telnyx, Braze and Sakari publish
	sourceLaw      = "47 CFR 64.1200(a)(10)"                      // words that revoke consent per se
	sourceField    = "whole-message lists of gateways in service" // open source, in production
	sourceMeta     = "template button"                            // the quick reply that Meta proposes for templates
)

// Words gives Default's stop words by language. Each one is compared with a whole message only, since some are everyday
// words. Languages without a sourced word have none yet.
func Words() []Word {
	return []Word{
		{"stop", "en", sourceLaw},
		{"quit", "en", sourceLaw},
		{"end", "en", sourceLaw},
		{"revoke", "en", sourceLaw},
		{"opt out", "en", sourceLaw},
		{"cancel", "en", sourceLaw},
		{"unsubscribe", "en", sourceLaw},
		{"stopall", "en", sourceCarriers},
		{"stop all", "en", sourceCarriers},
		{"optout", "en", sourceCarriers},
		{"opt-out", "en", sourceCarriers},
		{"remove", "en", sourceCarriers},
		{"TD", "zh", sourceCarriers},
		{"remove me", "en", sourceField},
		{"no more", "en", sourceField},
		{"stop promotions", "en", sourceMeta},
		{"stopp", "de", sourceField},
		{"abbestellen", "de", sourceField},
		{"abmelden", "de", sourceField},
		{"keine nachrichten", "de", sourceField},
		{"arrêt", "fr", sourceCarriers},
		{"arrêter", "fr", sourceField},
		{"annuler", "fr", sourceField},
		{"désabonner", "fr", sourceField},
		{"parar", "es", sourceField},
		{"baja", "es", sourceField},
		{"cancelar", "es", sourceField},
		{"dar de baja", "es", sourceField},
		{"sair", "pt", sourceField},
		{"cancelar inscrição", "pt", sourceField},
		{"basta", "it", sourceField},
		{"cancella", "it", sourceField},
		{"annulla", "it", sourceField},
		{"disiscrivimi", "it", sourceField},
		{"afmelden", "nl", sourceField},
		{"stoppen", "nl", sourceField},
		{"uitschrijven", "nl", sourceField},
		{"стоп", "ru", sourceField},
		{"отписаться", "ru", sourceField},
		{"не пиши", "ru", sourceField},
		{"не писать", "ru", sourceField},
		{"berhenti", "id", sourceField},
	}
}

// OptinWords gives the words that lift what Default's words did. "Yes" is none: too many questions are answered by it.
func OptinWords() []string { return []string{"start", "unstop", "opt in"} }

// Texts of the Default list.
const (
	DefaultConfirmation = "You will get no more messages from us. Reply START to hear from us again."
	DefaultOptinMessage = "You will hear from us again. Reply STOP to end this."
)
