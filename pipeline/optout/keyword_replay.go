package optout

import (
	"hash/maphash"
	"slices"

	"optgate/pipeline/chat"
)

// KeywordReplay counts what words would have matched among messages of the past, by the very code that hears new ones. It
// keeps nobody's words: only who said one of the keywords, by pseudonym, and a hash of which message it was.
type KeywordReplay struct {
	Keywords []Replayed
	// Full says that more people or messages matched than are remembered: the numbers are the least there are.
	Full bool

	words    map[string][]int // folded keyword → which of Keywords
	messages map[uint64]bool  // so that a message that Meta delivered again counts once
	seed     maphash.Seed
	kept     int
	most     int
}

// Replayed is what one keyword would have matched.
type Replayed struct {
	Keyword  string // as given
	Folded   string // as it is compared with messages
	Messages int
	People   map[chat.Pseudonym]string // and the channel on which they said it first
}

// replayKept bounds the people and messages that a KeywordReplay remembers.
const replayKept = 1_000_000

// NewKeywordReplay begins to count. A keyword of which folding leaves nothing matches nothing; its Folded is "".
func NewKeywordReplay(keywords []string) *KeywordReplay {
	k := &KeywordReplay{words: map[string][]int{}, messages: map[uint64]bool{}, seed: maphash.MakeSeed(), most: replayKept}
	for i, word := range keywords {
		folded := FoldText(word)
		if folded != "" {
			k.words[folded] = append(k.words[folded], i)
		}
		k.Keywords = append(k.Keywords, Replayed{Keyword: word, Folded: folded, People: map[chat.Pseudonym]string{}})
	}
	return k
}

// Hear takes a message that somebody sent on a channel. id tells redeliveries of the same message apart from new ones.
func (k *KeywordReplay) Hear(channel, id string, who chat.Pseudonym, texts []string) {
	var matched []int
	for _, form := range Candidates(texts) {
		for _, i := range k.words[form] {
			if !slices.Contains(matched, i) {
				matched = append(matched, i)
			}
		}
	}
	if len(matched) == 0 || k.again(channel, id) {
		return
	}
	for _, i := range matched {
		r := &k.Keywords[i]
		r.Messages++
		if _, known := r.People[who]; known {
			continue
		}
		if k.room() {
			r.People[who] = channel
		}
	}
}

// again says whether a message was heard before.
func (k *KeywordReplay) again(channel, id string) bool {
	if id == "" {
		return false
	}
	sum := maphash.String(k.seed, channel+"|"+id)
	if k.messages[sum] {
		return true
	}
	if k.room() {
		k.messages[sum] = true
	}
	return false
}

// room says whether one more may be remembered.
func (k *KeywordReplay) room() bool {
	if k.kept >= k.most {
		k.Full = true
		return false
	}
	k.kept++
	return true
}
