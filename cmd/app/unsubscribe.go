package app

import (
	"optgate/configs"
	"optgate/gateway/ingress"
)

// unsubscribe gives what unsubscribe links stand on. They are answered by whoever takes webhooks in: of accounts and people
// that process knows the view alone.
func (a *App) unsubscribe() ingress.Unsubscribe {
	return ingress.Unsubscribe{
		Accounts: a.store, States: a.store, Directory: a.directory, Shards: a.shards,
		Publisher: measured{soundly{a}, a, configs.RoleIngress, nil},
		Sender:    a.config.Operator.Name, Support: a.config.Operator.SupportAddress,
	}
}
