package shard

import (
	"errors"
	"time"
)

// AnswersKept is how long an answer is there for whoever asks again under the same Idempotency-Key.
const AnswersKept = 24 * time.Hour

// CommandForget asks a shard to forget answers that nobody can ask for any more.
const CommandForget = "answers.forget"

// Forget is the body of an answers.forget: ids of commands. Those whose answer is younger than AnswersKept keep it.
type Forget struct {
	Commands []string `json:"commands"`
}

// ForgetRules gives the fold of answers.forget.
func ForgetRules() Rules {
	return Rules{CommandForget: {Keys: forgetKeys, Apply: applyForget}}
}

func forgetKeys(_ Place, c Command) ([]string, error) {
	f, err := Body[Forget](c)
	if err != nil {
		return nil, err
	}
	if len(f.Commands) == 0 {
		return nil, errors.New("nothing to forget")
	}
	keys := make([]string, len(f.Commands))
	for i, id := range f.Commands {
		keys[i] = AnswerKey(id)
	}
	return keys, nil
}

func applyForget(t *Turn, c Command) error {
	keys, err := forgetKeys(t.Place, c)
	if err != nil {
		return err
	}
	for _, key := range keys {
		var a Answer
		known, err := t.Get(key, &a)
		if err != nil {
			return err
		}
		if known && c.Made-a.Made >= AnswersKept.Milliseconds() {
			t.Delete(key)
		}
	}
	return nil
}
