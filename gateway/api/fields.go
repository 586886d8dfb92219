package api

import (
	"errors"
	"fmt"
	"strings"

	"optgate/pipeline/fault"
)

// wrongField is the error about one field.
func wrongField(kind fault.Kind, field, code, detail string) error {
	said := "The field %s %s."
	if strings.HasSuffix(detail, ".") {
		said = "The field %s: %s" // a sentence of its own
	}
	f := fault.New(kind, "invalid_field", said, field, detail)
	f.Fields = []fault.Field{{Field: field, Code: code, Detail: detail}}
	return f
}

// wrongFields is the error about all wrong fields of a request; nil if there are none.
func wrongFields(wrong []fault.Field) error {
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return wrongField(fault.Unprocessable, wrong[0].Field, wrong[0].Code, wrong[0].Detail)
	}
	f := fault.New(fault.Unprocessable, "invalid_fields", "%d fields are wrong; errors names them.", len(wrong))
	f.Fields = wrong
	return f
}

// alsoWrong is the error about the fields of an error that wrongFields gave, or nil, and of others.
func alsoWrong(err error, wrong []fault.Field) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && len(wrong) > 0 && len(f.Fields) > 0 {
		return wrongFields(append(f.Fields, wrong...))
	}
	if err != nil {
		return err
	}
	return wrongFields(wrong)
}

// fieldOf says of a field what was wrong with its text.
func fieldOf(field string, err error) fault.Field {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.Field{Field: field, Code: f.Code, Detail: f.Msg}
	}
	return fault.Field{Field: field, Code: "invalid", Detail: "can't be read"}
}

func unknownChannel(id string) fault.Field {
	if id == "" {
		return fault.Field{Field: "channel", Code: "required", Detail: "names the channel that would send"}
	}
	return fault.Field{Field: "channel", Code: "unknown_channel", Detail: fmt.Sprintf("%q is no channel of this account", id)}
}
