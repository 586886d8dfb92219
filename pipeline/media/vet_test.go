package media_test

import (
	"encoding/json"
	"slices"
	"testing"

	"optgate/pipeline/fault"
	"optgate/pipeline/media"
)

func TestAMessageShowsFilesThatThereAre(t *testing.T) {
	w := newWorld(t)
	w.add("text", "b1", "hello")
	l := newLibrary(w, &graph{})
	f := func(message string, want ...string) {
		t.Helper()
		wrong, err := media.Vet(t.Context(), l, "acme", json.RawMessage(message))
		var got []string
		for _, one := range wrong {
			got = append(got, one.Field+" "+one.Code)
		}
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %v %v", message, got, err)
		}
	}
	f(`{"type":"document","document":{"library":"text"}}`)
	f(`{"type":"image","image":{"library":"text"}}`, "message.image.library wrong_kind")
	f(`{"type":"image","image":{"library":"none"}}`, "message.image.library unknown_media")
	f(`{"type":"image","image":{"library":"{{photo}}"}}`)
	f(`{"type":"image","image":{"link":"https://x.example/library"}}`)
	f(`{"type":"template","template":{"components":[{"parameters":[{"type":"video","video":{"library":"text"}}]}]}}`,
		"message.template.components[0].parameters[0].video.library wrong_kind")
	f(`"library"`)
	f(`{"library":`)
	w.away = fault.New(fault.NotCertain, "not_certain", "away")
	if _, err := media.Vet(t.Context(), l, "acme", json.RawMessage(`{"image":{"library":"x"}}`)); fault.KindOf(err) != fault.NotCertain {
		t.Error(err)
	}
}
