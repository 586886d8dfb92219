package media

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/fault"
)

// Files finds a file of an account's library; nil where there is none, fault.NotCertain where nobody can know.
type Files interface {
	Get(ctx context.Context, account, id string) (*Media, error)
}

// Vet says which of the files that a message names by {"library":…} are not in the library, or can't be sent as what they are
// to be shown as. Fields are named from "message" on. One that a recipient's parameter names is looked for when it is sent.
func Vet(ctx context.Context, files Files, account string, message json.RawMessage) (wrong []fault.Field, err error) {
	if files == nil || !bytes.Contains(message, []byte(`"library"`)) {
		return nil, nil
	}
	var tree any
	if json.Unmarshal(message, &tree) != nil {
		return nil, nil
	}
	for _, one := range shownIn(tree, "message", "", nil) {
		m, err := files.Get(ctx, account, one.id)
		if err != nil {
			return nil, err
		}
		if at := Check(one.field, one.as, m); at != nil {
			wrong = append(wrong, *at)
		}
	}
	return wrong, nil
}

// shown is a file that a message shows.
type shown struct{ field, as, id string }

// shownIn gathers what a part of a message shows; as is the name of the member that holds the part.
func shownIn(value any, field, as string, all []shown) []shown {
	switch v := value.(type) {
	case []any:
		for i, inside := range v {
			all = shownIn(inside, field+"["+strconv.Itoa(i)+"]", as, all)
		}
	case map[string]any:
		if id, ok := v["library"].(string); ok && !strings.Contains(id, "{{") {
			all = append(all, shown{field + ".library", as, id})
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = shownIn(v[name], field+"."+name, name, all)
		}
	}
	return all
}
