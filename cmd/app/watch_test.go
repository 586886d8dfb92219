package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"optgate/gateway/bus"
)

// One wrong answer of one broker must not end all deciding; two, some seconds apart, must.
func TestALossIsBelievedTheSecondTime(t *testing.T) {
	away := errors.New("nobody answers")
	for name, c := range map[string]struct {
		says []error
		want error
		took time.Duration
	}{
		"nothing is wrong":    {[]error{nil}, nil, 0},
		"nobody can be asked": {[]error{away}, away, 0},
		"a mistake":           {[]error{bus.ErrCut, nil}, nil, verifyAgain},
		"a loss":              {[]error{bus.ErrCut, bus.ErrCut}, bus.ErrCut, verifyAgain},
		"another reason":      {[]error{bus.ErrCut, bus.ErrSettings}, bus.ErrSettings, verifyAgain},
		"and then nobody":     {[]error{bus.ErrCut, away}, away, verifyAgain},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, asked := time.Now(), 0
				err := twice(t.Context(), verifyAgain, func(context.Context) error {
					asked++
					return c.says[asked-1]
				})
				if !errors.Is(err, c.want) || asked != len(c.says) || time.Since(began) != c.took {
					t.Errorf("%v after %d looks and %v", err, asked, time.Since(began))
				}
			})
		})
	}
}
