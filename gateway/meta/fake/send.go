package fake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Send is one call of the send endpoint.
type Send struct {
	At        time.Time       // when the call began
	Number    string          // the phone number id it was sent from
	Person    string          // digits of a phone, or a BSUID
	Type      string          // text, template …
	Callback  string          // biz_opaque_callback_data
	Body      json.RawMessage // as it came
	MessageID string          // the wamid it was answered, or would have been
	Outcome   Outcome
}

// Outcome is what becomes of a send. The zero value: accepted, with receipts.
type Outcome struct {
	HTTP   int           // the status of an error answer; 0: accepted
	Code   int           // its code
	Drop   bool          // it is accepted, and the connection is cut off without an answer
	Hang   time.Duration // the answer takes this long
	Failed int           // it is accepted, and later told to have failed with this code, as 131050
	Silent bool          // nothing is ever told of it
}

const maxSend = 1 << 20

func (m *Meta) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{version}/{number}/messages", m.send)
	mux.HandleFunc("POST /{version}/{number}/media", m.upload)
	mux.HandleFunc("DELETE /{version}/{id}", m.remove)
	mux.HandleFunc("GET /{version}/{business}/message_templates", m.listTemplates)
	mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"success": true})
	})
	mux.HandleFunc("GET /{version}/{number}", m.number)
	return mux
}

func (m *Meta) send(w http.ResponseWriter, r *http.Request) {
	s := Send{At: time.Now(), Number: r.PathValue("number")}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSend))
	if err != nil {
		return // the caller has hung up
	}
	s.Body = raw
	var asked struct {
		To        string `json:"to"`
		Recipient string `json:"recipient"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		Callback  string `json:"biz_opaque_callback_data"`
	}
	switch err := json.Unmarshal(raw, &asked); {
	case m.options.Token != "" && r.Header.Get("Authorization") != "Bearer "+m.options.Token:
		refuse(w, Outcome{HTTP: http.StatusUnauthorized, Code: 190})
		return
	case err != nil || asked.Type == "" && asked.Status == "":
		refuse(w, Outcome{HTTP: http.StatusBadRequest, Code: 100})
		return
	case asked.Type == "": // "seen", or "typing"
		answer(w, http.StatusOK, map[string]any{"success": true})
		return
	}
	input := asked.To
	if input == "" {
		input = asked.Recipient
	}
	s.Person, s.Type, s.Callback = strings.TrimPrefix(input, "+"), asked.Type, asked.Callback
	s.MessageID = m.wamid()
	m.note(&s)
	if !pause(r.Context(), s.Outcome.Hang) {
		return // the caller has given up
	}
	if s.Outcome.HTTP == 0 {
		m.receipts.told(s)
	}
	switch {
	case s.Outcome.Drop:
		panic(http.ErrAbortHandler)
	case s.Outcome.HTTP != 0:
		refuse(w, s.Outcome)
	default:
		contact := map[string]any{"input": input, "wa_id": s.Person}
		if asked.To == "" {
			contact = map[string]any{"input": input, "user_id": s.Person}
		}
		answer(w, http.StatusOK, map[string]any{
			"messaging_product": "whatsapp", "contacts": []any{contact},
			"messages": []any{map[string]any{"id": s.MessageID, "message_status": "accepted"}},
		})
	}
}

// note decides a send's outcome and remembers it.
func (m *Meta) note(s *Send) {
	m.mu.Lock()
	script := m.scripts[s.Person]
	if len(script) > 0 {
		s.Outcome, m.scripts[s.Person] = script[0], script[1:]
	}
	m.mu.Unlock()
	if len(script) == 0 && m.options.Answer != nil {
		s.Outcome = m.options.Answer(*s)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sends = append(m.sends, *s)
	if keep := m.options.Keep; keep > 0 && len(m.sends) >= 2*keep {
		m.sends = append([]Send(nil), m.sends[len(m.sends)-keep:]...)
	}
	close(m.news)
	m.news = make(chan struct{})
}

// wamid makes up a message id. Like a real one it tells nothing to who does not decode it; unlike one it holds no number.
func (m *Meta) wamid() string {
	return "wamid." + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "fake %s %09d", m.instance, m.count.Add(1)))
}

func refuse(w http.ResponseWriter, o Outcome) {
	answer(w, o.HTTP, map[string]any{"error": map[string]any{
		"message": fmt.Sprintf("(#%d) told to", o.Code), "type": "OAuthException", "code": o.Code,
		"error_data": map[string]any{"messaging_product": "whatsapp", "details": "told to"}, "fbtrace_id": "Afake",
	}})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	raw, err := json.Marshal(body)
	if err != nil { // bodies here hold nothing that could not be written
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(raw) //nolint:errcheck // the caller may have hung up
}
