package meta

// surroundings are the members around the items of one place, which hold no item themselves.
type surroundings struct{ entry, change, value, standby frame }

// frame is what one object puts around an item: everything for the first one, and what is within bounds for the others.
type frame struct{ all, lean object }

func (f frame) pick(all bool) object {
	if all {
		return f.all
	}
	return f.lean
}

// frame gathers what surrounds the items of a place, once for all of them.
func (p *place) frame() {
	p.around.entry = frameOf(p.entry, func(m member) bool { return !entryList(m.key) })
	p.around.change = frameOf(p.change, func(m member) bool { return m.key != "value" })
	p.around.value = frameOf(p.value, surroundsItems)
	var standby object
	for _, m := range p.value {
		if m.key == "standby" {
			standby = append(standby, members(m.value)...)
		}
	}
	p.around.standby = frameOf(standby, surroundsItems)
}

// surroundsItems says whether a member of a value, or of its standby, holds no items, and no contacts of theirs.
func surroundsItems(m member) bool {
	switch m.key {
	case "contacts":
		return m.value[0] != '['
	case "standby":
		return m.value[0] != '[' && len(arrays(nil, members(m.value), nil)) == 0
	}
	return lists[m.key] == ""
}

func frameOf(o object, around func(member) bool) frame {
	var f frame
	size := 0
	for _, m := range o {
		if !around(m) {
			continue
		}
		f.all = append(f.all, m)
		size += len(m.name) + len(m.value)
		if essential(m.key) && len(m.value) <= maxMember {
			f.lean = append(f.lean, m)
		}
	}
	if size <= maxFrame {
		f.lean = f.all
	}
	return f
}

// essential says whether a member is needed to understand an item.
func essential(key string) bool {
	switch key {
	case "id", "time", "field", "messaging_product", "metadata":
		return true
	}
	return false
}
