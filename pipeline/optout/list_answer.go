package optout

import (
	"fmt"

	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
)

// Codes of answers that refuse.
const (
	CodeUnknownList  = "unknown_list"
	CodeNameTaken    = "name_taken"
	CodeSystemList   = "system_list" // it has what every account has, and that can't be changed
	CodeStale        = "stale"       // it was changed after whoever changes it had seen it
	CodeTooManyLists = "too_many_lists"
	CodeAccountFull  = "account_full"
	CodeConfirmName  = "confirm_name"
	CodeInvalid      = "invalid_fields"
	CodeUnknownText  = "unknown_near_miss"
)

func refuse(code, format string, args ...any) shard.Answer {
	return shard.Answer{Code: code, Msg: fmt.Sprintf(format, args...)}
}

func invalid(wrong []fault.Field) shard.Answer {
	return shard.Answer{Code: CodeInvalid, Msg: "Some fields can't be as they are.", Value: wrong}
}

func nameTaken() shard.Answer {
	return refuse(CodeNameTaken, "Another list has this name; capital and small letters count alike.")
}

func stale() shard.Answer {
	return refuse(CodeStale, "The list was changed meanwhile: read it again, and send its new ETag as If-Match.")
}

func unknownList() shard.Answer {
	return refuse(CodeUnknownList, "There is no opt-out list with this id.")
}
