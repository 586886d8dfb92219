package feed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// What a post says was done.
const (
	ActionOptout = "optout"
	ActionOptin  = "optin"
	ActionTest   = "test" // a sample, at somebody's wish: nobody has changed
)

// post is the body of a delivery. The first four always stand.
type post struct {
	List    string       `json:"opt_list_name"`
	Mobile  *json.Number `json:"mobile"` // digits of E.164; null where the person isn't known by phone
	Email   string       `json:"email"`
	Channel *int         `json:"channel_id"` // the channel's number; null: all channels
	Action  string       `json:"action"`
	At      string       `json:"at"` // RFC 3339 in UTC, to the ms: of what was said, not of the post
	Source  string       `json:"source"`
	ID      string       `json:"id"`                // of the delivery, the same in every attempt
	UserID  string       `json:"user_id,omitempty"` // of a person known neither by phone nor by e-mail: a BSUID, or an id of Messenger or Instagram
}

// NoticeSecret gives the secret that posts to URLs of an account's broadcasts are signed with, as optout.FeedSecret gives that of a
// list. No list has that name.
func NoticeSecret(key chat.Key) string { return optout.FeedSecret(key, noticeList, 0) }

const noticeList = "/broadcasts"

// of gives the list whose URL and secrets a delivery is posted with. A notice has a URL of its own and the account's secret. No
// URL: there is none any more.
func (d *Delivery) of(a optout.Account) optout.List {
	if d.Notice != nil {
		if a.ID == "" {
			return optout.List{}
		}
		return optout.List{ID: noticeList, WebhookURL: d.Notice.URL}
	}
	l, _ := a.List(d.List)
	return l
}

// Body writes what is posted of a delivery: the same bytes in every attempt, as long as the list keeps its name.
func (d *Delivery) Body(a optout.Account, l optout.List) ([]byte, error) {
	if d.Notice != nil {
		return d.Notice.Body, nil
	}
	p := post{List: l.Name, Action: ActionOptin, At: at(time.UnixMilli(d.At)), Source: d.Source, ID: d.ID}
	if d.Out {
		p.Action = ActionOptout
	}
	switch d.Who.Kind() {
	case chat.KindPhone:
		digits := json.Number(d.Who.Value())
		p.Mobile = &digits
	case chat.KindEmail:
		p.Email = d.Who.Value()
	default:
		p.UserID = d.Who.Value()
	}
	if number, ok := a.Numbers[d.Channel]; ok {
		p.Channel = &number
	}
	return p.write()
}

// Sample writes what a test posts: a number that nobody has.
func Sample(l optout.List, id string, now time.Time) ([]byte, error) {
	digits := json.Number("447700900000")
	return post{List: l.Name, Mobile: &digits, Action: ActionTest, At: at(now), Source: optout.SourceAPI, ID: id}.write()
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (p post) write() ([]byte, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("body of a post: %w", err)
	}
	return body, nil
}

// Header is one header of a post.
type Header struct{ Name, Value string }

// Sign gives the headers by which a receiver knows who posts, as Standard Webhooks has them: a signature for each secret
// ("whsec_" and base64), over id, time and body.
func Sign(secrets []string, id string, now time.Time, body []byte) ([]Header, error) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			return nil, fmt.Errorf("secret of a feed: %w", err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return []Header{
		{"Content-Type", "application/json"}, {"webhook-id", id}, {"webhook-timestamp", stamp},
		{"webhook-signature", strings.Join(signatures, " ")},
	}, nil
}
