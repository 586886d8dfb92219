package imports

import (
	"encoding/json"
	"fmt"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Due gives the command that an import is in need of: one that fell silent is broken off, one that ended long ago is
// forgotten. Whether it really is due, its fold decides. nil: none.
func (i Import) Due(n chat.Shards, id string, now time.Time) (*stream.Record, error) {
	var kind string
	var body any
	switch {
	case i.Status == Running && now.UnixMilli()-i.Heard >= Silence.Milliseconds():
		kind, body = CommandSilent, say{Import: i.ID}
	case i.Ended > 0 && now.UnixMilli()-i.Ended >= Kept.Milliseconds():
		kind, body = CommandForget, forget{Import: i.ID, Pages: i.Pages, Parts: i.partPages()}
	default:
		return nil, nil //nolint:nilnil // as documented
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("command %s: %w", kind, err)
	}
	c := shard.Command{ID: id, Kind: kind, Account: i.Account, Made: now.UnixMilli(), Body: raw}
	return c.Record(i.Ref().Shard(n))
}
