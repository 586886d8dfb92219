package fake

import (
	"maps"
	"net/http"
)

// SetNumber changes what is told of every number from now on, besides its id; nil: fast, unlimited, of good quality.
func (m *Meta) SetNumber(about map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.about = about
}

// number answers what is asked about a number.
func (m *Meta) number(w http.ResponseWriter, r *http.Request) {
	if m.options.Token != "" && r.Header.Get("Authorization") != "Bearer "+m.options.Token {
		refuse(w, Outcome{HTTP: http.StatusUnauthorized, Code: 190})
		return
	}
	about := map[string]any{
		"quality_rating": "GREEN", "throughput": map[string]any{"level": "HIGH"}, "whatsapp_business_manager_messaging_limit": "TIER_UNLIMITED",
	}
	m.mu.Lock()
	if m.about != nil {
		about = maps.Clone(m.about)
	}
	m.mu.Unlock()
	about["id"] = r.PathValue("number")
	answer(w, http.StatusOK, about)
}
