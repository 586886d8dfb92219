package optout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
)

// CommandOffer offers changes to the webhook URLs of their lists; pipeline/feed folds it. It goes to the shard of whom the
// change shows first, so that one change makes one delivery, in whichever shards and in whatever order it is decided.
const CommandOffer = "feed.offer"

// Offers is the body of a feed.offer.
type Offers struct {
	Offers []Offer `json:"offers"`
}

// Offer is one change to be posted.
type Offer struct {
	ID      string          `json:"id"` // of the delivery: the same whoever decides the change, and however often
	List    string          `json:"list"`
	Channel string          `json:"channel"` // or "*"
	Out     bool            `json:"out"`
	At      int64           `json:"at"` // ms since 1970
	Source  string          `json:"source"`
	Who     chat.Identifier `json:"who"` // whom the post names
	Notice  *Notice         `json:"notice,omitempty"`
}

// Notice is a post about something else than a list: of what, the offer's List says. Its URL is its own, and its body is posted
// as it is.
type Notice struct {
	URL  string          `json:"url"`
	Body json.RawMessage `json:"body"`
}

// offersPerCommand keeps a feed.offer far below the largest command.
const offersPerCommand = 500

// offer notes that a change is to be posted. A root that shows several identifiers makes one post, which names the phone.
// Whom a link leads to gets a post of his own, since the receiver may know the person by that identifier alone; but not a
// BSUID where the root's phone has said it all, and nobody whose clear form isn't known.
func (w *word) offer(who chat.Pseudonym, p *Person, m Mark) {
	first, id := who, p.ID
	shown := w.root.Shown
	switch {
	case named(shown, who):
		first, id = shown[0].P, posted(shown, p.ID)
	case id.Kind() == chat.KindBSUID && slices.ContainsFunc(shown, isPhone):
		return
	}
	if id == "" {
		return
	}
	o := Offer{List: m.List, Channel: m.Channel, Out: w.out, At: m.At, Source: m.Source, Who: id}
	o.ID = DeliveryID(w.turn.Shards.Of(first), w.command.Account, w.root.ID, first.String(), o.List, o.Channel, strconv.FormatBool(o.Out))
	w.offers = append(w.offers, o)
}

func isPhone(ref Ref) bool { return ref.ID.Kind() == chat.KindPhone }

// posted gives whom a post names: the phone that is shown, else who is shown first.
func posted(shown []Ref, own chat.Identifier) chat.Identifier {
	if i := slices.IndexFunc(shown, isPhone); i >= 0 {
		return shown[i].ID
	}
	if i := slices.IndexFunc(shown, func(ref Ref) bool { return ref.ID != "" }); i >= 0 {
		return shown[i].ID
	}
	return own
}

// post sends what was noted to the shards that keep the deliveries.
func (w *word) post() error {
	byShard := map[int][]Offer{}
	var order []int
	for _, o := range w.offers {
		at, err := DeliveryShard(o.ID)
		if err != nil {
			return err
		}
		if byShard[at] == nil {
			order = append(order, at)
		}
		byShard[at] = append(byShard[at], o)
	}
	for _, at := range order {
		for some := range slices.Chunk(byShard[at], offersPerCommand) {
			c, err := shard.NewCommand(w.nextID(), CommandOffer, w.command.Account, w.command.Made, Offers{some})
			if err != nil {
				return err
			}
			r, err := c.Record(at)
			if err != nil {
				return err
			}
			w.turn.Send(r)
		}
	}
	return nil
}

// DeliveryID names a delivery: its shard, by which it is found, and a hash of what makes it one. It tells nothing of anybody,
// since whoever made the change gave its root an id by chance or by a keyed hash.
func DeliveryID(at int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return deliveryPrefix + strconv.Itoa(at) + "-" + hex.EncodeToString(sum[:12])
}

const deliveryPrefix = "fd-"

// DeliveryShard gives the shard of a delivery by its id; an error where it is no id of a delivery. The number may be larger
// than the installation has shards.
func DeliveryShard(id string) (int, error) {
	rest, ok := strings.CutPrefix(id, deliveryPrefix)
	number, hash, cut := strings.Cut(rest, "-")
	at, err := strconv.Atoi(number)
	if !ok || !cut || err != nil || at < 0 || strconv.Itoa(at) != number || len(hash) != 24 || strings.Trim(hash, "0123456789abcdef") != "" {
		return 0, fmt.Errorf("no id of a delivery")
	}
	return at, nil
}
