package meta

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"optgate/pipeline/chat"
	"optgate/pipeline/outbound"
)

// payload writes the Cloud API's request for a message: the message's own members, and around them what only we may say.
// Its error is a Refusal: such a message can never be sent.
func payload(m chat.Outbound) ([]byte, error) {
	var request map[string]json.RawMessage
	if json.Unmarshal(m.Message, &request) != nil || request == nil {
		return nil, unsendable("message is no object")
	}
	kind := scalar(request["type"])
	if !sendable(kind) {
		return nil, unsendable("type of message is not supported")
	}
	if listed, _ := elements(request[kind]); members(request[kind]) == nil && (kind != "contacts" || len(listed) == 0) {
		return nil, unsendable("message lacks the object that its type names")
	}
	for _, ours := range []string{"to", "recipient", "messaging_product", "recipient_type", "biz_opaque_callback_data"} {
		delete(request, ours)
	}
	switch m.To.Kind() {
	case chat.KindPhone:
		request["to"] = quoted(dialled(m))
	case chat.KindBSUID:
		request["recipient"] = quoted(m.To.Value())
	default:
		return nil, unsendable("recipient has no WhatsApp")
	}
	request["messaging_product"] = quoted(chat.WhatsApp)
	request["recipient_type"] = quoted("individual")
	request["biz_opaque_callback_data"] = quoted(m.Callback())
	text, err := json.Marshal(request)
	if err != nil {
		return nil, unsendable("message can't be written")
	}
	return text, nil
}

func quoted(text string) json.RawMessage {
	raw, err := json.Marshal(text)
	if err != nil { // never, of a string
		return json.RawMessage(`""`)
	}
	return raw
}

func sendable(kind string) bool {
	switch kind {
	case "text", "template", "image", "video", "audio", "document", "sticker", "location", "contacts", "interactive":
		return true
	}
	return false
}

func unsendable(why string) error { return &outbound.Refusal{Title: why, Advice: outbound.Fail} }

// dialled gives the number as it was shown or given, which in some countries is not the canonical one, if it is this
// person's at all. The plus keeps Meta from putting the business's own country code before it.
func dialled(m chat.Outbound) string {
	given := digitsOf(m.Given)
	if id, err := chat.Phone(given, ""); err != nil || id != m.To {
		return m.To.Shown()
	}
	return "+" + given
}

// answered reads Graph's answer. Only an answer with a message id is a success, and only one that says so is a refusal:
// after anything else nobody knows.
func answered(response *http.Response) (messageID string, err error) {
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", clean(fmt.Errorf("read answer: %w", err))
	}
	var answer object
	if valid(raw) {
		answer = members(raw)
	}
	refused := answer.object("error")
	if messages := answer.list("messages"); len(messages) > 0 && response.StatusCode < 300 && refused == nil {
		if id := members(messages[0]).text("id"); id != "" {
			return id, nil
		}
	}
	code, err := strconv.Atoi(refused.text("code"))
	coded := refused != nil && err == nil
	title := first(scrub(refused.text("message")), http.StatusText(response.StatusCode))
	advice, ok := advise(response.StatusCode, code, coded)
	if !ok {
		return "", fmt.Errorf("graph's answer does not tell whether it took the message: HTTP %d, code %d %s",
			response.StatusCode, code, title)
	}
	return "", &outbound.Refusal{HTTP: response.StatusCode, Code: code, Title: title, Advice: advice}
}
