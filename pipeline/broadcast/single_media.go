package broadcast

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// MediaError gives the error of a row whose message Shown finds to lack a file; "" for an error that may pass.
func MediaError(err error) string {
	wrong, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok || wrong.Kind != fault.Unprocessable:
		return ""
	case wrong.Code == codeMediaNotFound:
		return MediaNotFound
	}
	return MediaRefused
}

const codeMediaNotFound = "media_not_found"

// Shown gives a message as Meta takes it: Meta's ids stand in it instead of those of the account's media library. A
// fault.Unprocessable where the library lacks one; any other error may pass.
func Shown(ctx context.Context, from Resolver, m chat.Outbound) (json.RawMessage, error) {
	if !bytes.Contains(m.Message, []byte(`"library"`)) {
		return m.Message, nil
	}
	decoded, err := decodeMessage(m.Message)
	if err != nil {
		return nil, err
	}
	shown := media{found: map[string]medium{}}
	for _, id := range library(decoded.tree) {
		meta, err := from.Resolve(ctx, m.Account, m.Channel, id)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			return nil, fault.New(fault.Unprocessable, codeMediaNotFound, "The message shows a file that is not in the media library.")
		}
		if err != nil {
			return nil, fmt.Errorf("file of the library: %w", err)
		}
		shown.found[id] = medium{id: meta}
	}
	shown.put(decoded.tree)
	raw, err := json.Marshal(decoded)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	return raw, nil
}
