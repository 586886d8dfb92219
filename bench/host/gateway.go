package host

import (
	"context"
	"encoding/json"
	"os/exec"
)

// Gateway is an Optgate that is ready; its Address is the public listener's.
type Gateway struct {
	*Process
	Private string // "http://" and where the private listener is
	Kafka   string // host:port of the embedded Kafka; "" where it is not embedded
}

// Serve starts a gateway, as "optgate serve", and waits until its log says that it is ready.
func Serve(ctx context.Context, cmd *exec.Cmd) (*Gateway, error) {
	g := &Gateway{}
	var err error
	g.Process, err = Launch(ctx, "optgate", cmd, func(line string) (string, bool) {
		var said struct {
			Message string `json:"message"`
			Public  string `json:"public"`
			Private string `json:"private"`
			Kafka   string `json:"kafka"`
		}
		if json.Unmarshal([]byte(line), &said) != nil {
			return "", false
		}
		switch said.Message {
		case "embedded servers":
			g.Kafka = said.Kafka
		case "ready":
			g.Private = "http://" + said.Private
			return said.Public, true
		}
		return "", false
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}
