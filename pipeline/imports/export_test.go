package imports

// Fields gives the fields of a row.
func (r Row) Fields() []string { return r.fields }
