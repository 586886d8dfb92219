package store

import "optgate/pipeline/access"

// deriveAudit keeps each account's audit in the order of time, and which accounts ever had one.
func deriveAudit(ops []op, key string, there bool) []op {
	account, place, ok := access.ParseAuditKey(key)
	if !ok {
		return ops
	}
	if !there {
		return append(ops, op{verb: zRem, name: auditName(account), member: place})
	}
	return append(ops, op{verb: zAdd, name: auditName(account), member: place}, op{verb: sAdd, name: keyAudits, member: account})
}
