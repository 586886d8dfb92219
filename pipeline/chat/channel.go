// Package chat holds the nouns that every rule shares: identifiers, channels, what comes in and what goes out.
// It decides nothing.
package chat

// Channel is one way to reach people, declared in the configuration or made by API. It holds no secret.
type Channel struct {
	Account        string
	ID             string  // unique in its account
	Kind           string  // whatsapp, messenger, instagram
	NumberID       string  // what webhooks name: phone_number_id, page id or Instagram account id
	Business       string  // Meta's id of the WhatsApp business account, which templates belong to; "": not declared
	DefaultCountry string  // ISO 3166, for phones written without a country code
	Rate           float64 // messages a second at most, as declared; 0: as Meta says
	Portfolio      string  // names the business portfolio, whose numbers share one limit of people in 24 h; as declared, else Business, else ""
}

// The kinds of channels, which are also the platforms of webhooks.
const (
	WhatsApp  = "whatsapp"
	Messenger = "messenger"
	Instagram = "instagram"
)

// AnyChannel stands for all channels of an account in an entry of an opt-out list.
const AnyChannel = "*"

// Directory finds channels. It is made once from the configuration and only read afterwards.
type Directory struct {
	byNumber   map[string]Channel
	byID       map[[2]string]Channel
	byBusiness map[string][]Channel
	of         map[string][]Channel
	accounts   []string
}

// NewDirectory makes a directory of the given accounts and channels.
func NewDirectory(accounts []string, channels []Channel) *Directory {
	d := &Directory{
		byNumber: map[string]Channel{}, byID: map[[2]string]Channel{}, byBusiness: map[string][]Channel{}, of: map[string][]Channel{}, accounts: accounts,
	}
	for _, c := range channels {
		if c.Business != "" {
			d.byBusiness[c.Business] = append(d.byBusiness[c.Business], c)
		}
		d.of[c.Account] = append(d.of[c.Account], c)
		d.byNumber[c.Kind+"/"+c.NumberID] = c
		d.byID[[2]string{c.Account, c.ID}] = c
	}
	return d
}

// ByNumber finds the channel that a webhook of this platform names.
func (d *Directory) ByNumber(platform, numberID string) (Channel, bool) {
	c, ok := d.byNumber[platform+"/"+numberID]
	return c, ok
}

// Channel finds an account's channel by its id.
func (d *Directory) Channel(account, id string) (Channel, bool) {
	c, ok := d.byID[[2]string{account, id}]
	return c, ok
}

// ByWABA gives the channels, of any account, that belong to a business account at Meta.
func (d *Directory) ByWABA(id string) []Channel { return d.byBusiness[id] }

// Of gives an account's channels, in the order of the configuration.
func (d *Directory) Of(account string) []Channel { return d.of[account] }

// Accounts gives the ids of all declared accounts, in the order of the configuration.
func (d *Directory) Accounts() []string { return d.accounts }
