package meta

import "bytes"

// render writes the envelope with this one item; the first of an entry and the first of a change carry everything around
// them, however much.
func (f found) render(w *writer, newEntry, newChange bool) {
	w.open()
	w.name("object", "")
	w.raw(f.object)
	w.array("entry")
	if f.list == "" {
		w.raw(f.item)
		w.WriteString("]}")
		return
	}
	w.open()
	w.members(f.around.entry.pick(newEntry))
	w.array(f.list)
	if f.array == "" {
		w.raw(f.item)
		w.WriteString("]}]}")
		return
	}
	w.open()
	w.members(f.around.change.pick(newChange))
	w.object("value")
	w.members(f.around.value.pick(newChange))
	if contacts := f.belonging(); len(contacts) > 0 {
		w.array("contacts")
		for i, contact := range contacts {
			if i > 0 {
				w.WriteByte(',')
			}
			w.raw(contact)
		}
		w.WriteByte(']')
	}
	if f.standby == nil {
		w.array(f.array)
		w.raw(f.item)
		w.WriteString("]}}]}]}")
		return
	}
	w.object("standby")
	w.members(f.around.standby.pick(newChange))
	w.array(f.array)
	w.raw(f.item)
	w.WriteString("]}}}]}]}")
}

// writer writes JSON by pieces.
type writer struct {
	bytes.Buffer
	fresh bool // an object was opened and has no member yet
}

func (w *writer) raw(text []byte) { w.Write(text) }

func (w *writer) open() {
	w.WriteByte('{')
	w.fresh = true
}

func (w *writer) member(name, value []byte) {
	if !w.fresh {
		w.WriteByte(',')
	}
	w.fresh = false
	w.Write(name)
	w.WriteByte(':')
	w.Write(value)
}

func (w *writer) name(name, value string) {
	if !w.fresh {
		w.WriteByte(',')
	}
	w.fresh = false
	w.WriteByte('"')
	w.WriteString(name)
	w.WriteString(`":`)
	w.WriteString(value)
}

func (w *writer) array(name string) { w.name(name, "[") }

func (w *writer) object(name string) {
	w.name(name, "{")
	w.fresh = true
}

func (w *writer) members(o object) {
	for _, m := range o {
		w.member(m.name, m.value)
	}
}
