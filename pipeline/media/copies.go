package media

import "maps"

// Copies is the state of what Meta still has of a file that is gone: "copies/<account>/<name>", by the file's id or, where it
// was uploaded while it was deleted, by its blob.
type Copies struct {
	V       int             `json:"v"`
	Account string          `json:"account"`
	Name    string          `json:"name"`
	Uploads map[string]Copy `json:"uploads"` // by Meta's id
}

// Copy is one upload, and the channel that it was made by.
type Copy struct {
	Channel string `json:"channel"`
	At      int64  `json:"at"`
}

// note notes an upload for a channel. The older of two is no longer used, but Meta has it for a while, and messages on their way
// may name it: it is to be removed with the file. It makes no difference which was noted first.
func (m *Media) note(channel string, u Upload) {
	if m.Uploads == nil {
		m.Uploads = map[string]Upload{}
	}
	last := u
	for _, one := range []Upload{u, m.Uploads[channel]} {
		if one.At > last.At {
			last = one
		}
		if one.ID != "" {
			if m.Former == nil {
				m.Former = map[string]Copy{}
			}
			m.Former[one.ID] = Copy{channel, one.At}
		}
	}
	m.Uploads[channel] = last
	maps.DeleteFunc(m.Former, func(id string, c Copy) bool {
		return id == last.ID || last.At-c.At >= uploadEnds.Milliseconds()
	})
}

// copies gives all that Meta may have of a file, by its ids.
func (m Media) copies() map[string]Copy {
	all := map[string]Copy{}
	maps.Copy(all, m.Former)
	for channel, u := range m.Uploads {
		all[u.ID] = Copy{channel, u.At}
	}
	return all
}
