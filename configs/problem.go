package configs

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Path   string // as accounts[0].channels[1].phone_number_id; empty: the file as a whole
	Source string // the variable or flag that gave the value; empty: the file or a default
	Detail string // what is wrong and what to do; never a secret
}

// String is one line for people.
func (p Problem) String() string {
	switch {
	case p.Path == "":
		return p.Detail
	case p.Source == "":
		return p.Path + ": " + p.Detail
	}
	return p.Path + " (" + p.Source + "): " + p.Detail
}

// Problems is everything that is wrong with a configuration, what can't be read first, then what can't be right.
type Problems []Problem

// Error gives all problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, 0, len(ps)+1)
	lines = append(lines, fmt.Sprintf("configuration: %d to mend", len(ps)))
	for _, p := range ps {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

func (ps *Problems) addf(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Detail: fmt.Sprintf(format, args...)})
}

// about says whether a problem at this path, above it or below it is already known: a second one would only repeat it.
func (ps Problems) about(path string) bool {
	for _, p := range ps {
		if p.Path != "" && (within(p.Path, path) || within(path, p.Path)) {
			return true
		}
	}
	return false
}

// within says whether a path is the other one or inside it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
