package template

import (
	"context"
	"slices"
	"strings"

	"optgate/pipeline/channel"
)

// told gives what webhooks told of a channel's templates; where nobody can know, nothing.
func (l *Library) told(ctx context.Context, account, id string) []channel.Template {
	if l.Conditions == nil {
		return nil
	}
	c, err := l.Conditions.Condition(ctx, account, id)
	if err != nil {
		return nil
	}
	return c.Templates
}

// newest gives the time of what was told last, in ms since 1970.
func newest(told []channel.Template) (at int64) {
	for _, t := range told {
		at = max(at, t.Status.At, t.Quality.At, t.Category.At)
	}
	return at
}

// with gives what Meta has, with what webhooks told since it was read.
func (r *Reading) with(told []channel.Template) *Reading {
	read, copied := r.At.UnixMilli(), false
	for _, t := range told {
		if max(t.Status.At, t.Quality.At, t.Category.At) <= read {
			continue
		}
		i := slices.IndexFunc(r.Templates, func(one Template) bool { return one.Name == t.Name && one.Language == t.Language })
		if i < 0 {
			continue // what it needs nobody has told
		}
		if !copied {
			given := *r
			given.Templates = slices.Clone(r.Templates)
			r, copied = &given, true
		}
		one := &r.Templates[i]
		since(&one.Status, t.Status, read)
		since(&one.Quality, t.Quality, read)
		since(&one.Category, t.Category, read)
	}
	return r
}

func since(value *string, told channel.Told, read int64) {
	if told.At > read && told.Value != "" {
		*value = strings.ToUpper(told.Value)
	}
}
