package store

import (
	"slices"
	"strings"

	"optgate/pipeline/shard"
)

// callMost bounds the arguments of one call out of a script: Lua's stack holds them.
const callMost = 200

// calls are what a script calls: (verb, name, number of arguments, argument…)…, the name "" for the states. What is said of one
// name is said at once, since a call out of a script costs more than most of what it does.
type calls struct {
	args []any
	verb verb
	name string
	head int // where the open call's number stands; 0: none is open
	n    int // its arguments so far
}

// add says something of a name, after all that was said before.
func (c *calls) add(verb *verb, name *string, arguments ...any) {
	if c.head == 0 || c.verb != *verb || c.name != *name || c.n+len(arguments) > callMost {
		c.verb, c.name, c.n, c.head = *verb, *name, 0, len(c.args)+2
		c.args = append(c.args, (*string)(verb), name, 0)
	}
	c.args = append(c.args, arguments...)
	c.n += len(arguments)
	c.args[c.head] = c.n
}

// derived says operations, name by name: those of one keep their order, and no name knows of another.
func (c *calls) derived(ops []op) {
	slices.SortStableFunc(ops, func(a, b op) int { return strings.Compare(a.name, b.name) })
	for i := range ops {
		o := &ops[i]
		switch {
		case o.verb == hSet:
			c.add(&o.verb, &o.name, &o.member, &o.value)
		case o.verb == zAdd && o.value == "":
			c.add(&o.verb, &o.name, 0, &o.member)
		case o.verb == zAdd:
			c.add(&o.verb, &o.name, &o.value, &o.member)
		default:
			c.add(&o.verb, &o.name, &o.member)
		}
	}
}

// states says states, or that they are gone.
func (c *calls) states(changes []shard.Change) {
	set, gone, name := hSet, hDel, ""
	for i := range changes {
		if one := &changes[i]; len(one.New) == 0 {
			c.add(&gone, &name, &one.Key)
		} else {
			c.add(&set, &name, &one.Key, one.New)
		}
	}
}
