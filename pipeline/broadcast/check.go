package broadcast

import "optgate/pipeline/fault"

// Check says what is wrong with the channel, category and lists of any send that names lists. A channel or category that is ""
// was told before.
func (t Terms) Check(channel, category string, lists []string) (wrong []fault.Field) {
	say := func(field, code, detail string) {
		wrong = append(wrong, fault.Field{Field: field, Code: code, Detail: detail})
	}
	t.check(channel, category, lists, say)
	named(category, lists, say)
	return wrong
}

// Params reads the parameters of a recipient: an object of texts, numbers and truths.
func Params(field string, raw []byte) (params map[string]string, wrong []fault.Field) {
	f := form{}
	params = f.params(field, raw)
	return params, f.wrong
}
