package store

import (
	"encoding/json"
	"fmt"
	"strconv"

	"optgate/pipeline/imports"
)

// deriveImport keeps each account's list of its imports, and since when each is silent or over, for who breaks off and forgets.
func deriveImport(ops []op, old, state []byte) []op {
	var i imports.Import
	gone := state == nil
	if gone {
		state = old
	}
	if state == nil || json.Unmarshal(state, &i) != nil {
		return ops
	}
	name, place, member := importsName(i.Account), importListed(i), i.Account+"/"+i.ID
	if gone {
		return append(ops, op{verb: zRem, name: name, member: place}, op{verb: hDel, name: keyImports, member: member})
	}
	since := max(i.Heard, i.Ended)
	value := string(i.Status) + ":" + strconv.FormatInt(since, 10)
	return append(ops, op{verb: zAdd, name: name, member: place}, op{verb: hSet, name: keyImports, member: member, value: value})
}

// importListed is an import's place in its account's list: in the order in which they began, then of ids.
func importListed(i imports.Import) string { return fmt.Sprintf("%013d/%s", i.Made, i.ID) }
