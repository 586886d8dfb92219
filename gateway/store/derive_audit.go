package store

import "optgate/pipeline/access"

// deriveAudit keeps each account's audit in the order of time, and a shard's, whose oldest entries are forgotten.
func deriveAudit(ops []op, key string, there bool) []op {
	account, place, ok := access.ParseAuditKey(key)
	if !ok {
		return ops
	}
	do := zRem
	if there {
		do = zAdd
	}
	return append(ops,
		op{verb: do, name: auditName(account), member: place},
		op{verb: do, name: keyAudit, member: place + "/" + account})
}
