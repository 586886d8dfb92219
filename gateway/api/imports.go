package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/imports"
)

// importReader reads imports; fault.NotCertain where nobody can know.
type importReader interface {
	// Import gives nil where there is none.
	Import(ctx context.Context, r imports.Ref) (*imports.Import, error)
	// Imports gives an account's, the newest first.
	Imports(ctx context.Context, account, after string, limit int) (page []imports.Import, next string, err error)
}

// createImport files the people of a CSV file on a list, as the file arrives. It answers once every opt-out is in force: a
// sender that sends faster than that is held back by its connection. Of a dry run nothing is written.
func (a *API) createImport(c *call) error {
	order, dry, err := a.orderOf(c)
	if err != nil {
		return err
	}
	done, err := a.importing.begin(c.account)
	if err != nil {
		return err
	}
	defer done()
	file, err := c.file()
	if err != nil {
		return err
	}
	ctx, stop := file.Context(c.base)
	defer stop()
	answer, err := a.importFile(ctx, order, dry, file)
	c.afresh()
	if err != nil && answer.ID != nil {
		c.partly = *answer.ID // it began, and what was filed stays
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return fault.Wrap(err, fault.Unavailable, "stopping", "The gateway stops. Send the file again, under the same Idempotency-Key.")
	}
	if err != nil {
		return err
	}
	if dry {
		c.changesNothing()
		return c.answer(http.StatusOK, answer)
	}
	c.rc.Response.Header.Set("Location", "/v1/imports/"+order.ID)
	return c.answer(http.StatusAccepted, answer)
}

func (a *API) importFile(ctx context.Context, order imports.Order, dry bool, file upload) (importView, error) {
	table, err := imports.Open(file)
	if err != nil {
		return importView{}, err
	}
	importer := imports.Importer{
		Shards: a.Shards, Directory: a.Directory, Publisher: a.Publisher, States: a.States, Answers: a.Answers, Now: a.Now,
	}
	if dry {
		r, err := importer.Rehearse(ctx, order, table)
		return viewRehearsal(order, r), err
	}
	i, err := importer.Run(ctx, order, table)
	return viewImport(i), err
}

// orderOf reads what the request says of the file: everything but the file.
func (a *API) orderOf(c *call) (o imports.Order, dry bool, err error) {
	if o.Account, err = a.Accounts.Account(c.ctx, c.account); err != nil {
		return o, false, err
	}
	o.Terms = imports.Terms{List: c.query("list"), Channel: c.query("channel"), Country: c.query("country"), Feed: true}
	o.Token, o.Attempt = c.token, chance()
	var known bool
	o.List, known = o.Account.List(o.Terms.List)
	switch {
	case o.Terms.List == "":
		return o, false, wrongField(fault.Invalid, "list", "required", "names the opt-out list to import to")
	case !known:
		return o, false, fault.New(fault.NotFound, "unknown_list", "There is no opt-out list with this id.")
	case o.List.ID == gate.MetaList:
		return o, false, wrongField(fault.Unprocessable, "list", "system_list", "is Meta's, which holds what people said inside WhatsApp alone; import to another")
	}
	var wrong []fault.Field
	if _, known := a.Directory.Channel(c.account, o.Terms.Channel); o.Terms.Channel != "" && !known && o.Terms.Channel != chat.AnyChannel {
		wrong = append(wrong, unknownChannel(o.Terms.Channel))
	}
	if o.Terms.Country != "" && !imports.Country(o.Terms.Country) {
		wrong = append(wrong, fault.Field{Field: "country", Code: "unknown_country", Detail: "is two capital letters of ISO 3166, as GB"})
	}
	if err := wrongFields(wrong); err != nil {
		return o, false, err
	}
	if c.query("feed") != "" {
		if o.Terms.Feed, err = c.flag("feed"); err != nil {
			return o, false, err
		}
	}
	if dry, err = c.flag("dry_run"); err != nil {
		return o, false, err
	}
	key, err := c.idempotency()
	if err != nil {
		return o, false, err
	}
	if o.ID = chance(); key != "" {
		o.ID = imports.ID(o.Account.Key, key)
	}
	return o, dry, multipart(c.header("Content-Type"))
}

// multipart refuses what a form sends, which wraps the file up.
func multipart(kind string) error {
	if strings.HasPrefix(strings.ToLower(kind), "multipart/") {
		return fault.New(fault.Unprocessable, "not_csv", "Send the file as the body itself, as text/csv: not as a form.")
	}
	return nil
}

// listImports answers GET /v1/imports: the newest first, without their refused rows. Whoever still sends a file finds its import
// by the key it is sent under.
func (a *API) listImports(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	var page []imports.Import
	var next string
	if key := c.query("key"); key != "" {
		page, err = a.importUnder(c, key)
	} else {
		page, next, err = a.Imports.Imports(c.ctx, c.account, after, limit)
	}
	if err != nil {
		return err
	}
	views := make([]importView, len(page))
	for n, i := range page {
		views[n] = viewImport(i)
	}
	return c.list(views, next)
}

// importUnder gives the import that has an Idempotency-Key, if there is one.
func (a *API) importUnder(c *call, key string) ([]imports.Import, error) {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return nil, err
	}
	i, err := a.Imports.Import(c.ctx, imports.Ref{Account: c.account, ID: imports.ID(account.Key, key)})
	if err != nil || i == nil {
		return nil, err
	}
	return []imports.Import{*i}, nil
}

// importOf finds the import that a path names. Another account's is not there.
func (a *API) importOf(c *call) (*imports.Import, error) {
	i, err := a.Imports.Import(c.ctx, imports.Ref{Account: c.account, ID: c.param("id")})
	if err != nil {
		return nil, err
	}
	if i == nil {
		return nil, fault.New(fault.NotFound, "unknown_import", "There is no such import, or it ended over 30 days ago.")
	}
	return i, nil
}

// importView is an import as the API shows it; of a dry run too.
type importView struct {
	ID        *string            `json:"id"` // null of a dry run
	Status    imports.Status     `json:"status"`
	DryRun    bool               `json:"dry_run"`
	List      string             `json:"list"`
	Channel   *string            `json:"channel"`
	Read      int                `json:"read"`
	Added     int                `json:"added"`
	Unchanged int                `json:"unchanged"`
	Stayed    int                `json:"stayed"`
	Refused   int                `json:"refused"`
	Line      int                `json:"line"`
	Error     *importError       `json:"error"`
	Ignored   []string           `json:"ignored_columns"`
	Token     string             `json:"token"`
	Created   string             `json:"created"`
	Finished  *string            `json:"finished"`
	Rows      *[]csvfile.Refusal `json:"rows,omitempty"` // where they were asked for
	Next      *string            `json:"next,omitempty"`
	Truncated bool               `json:"truncated,omitempty"`
}

// importError says why an import failed.
type importError struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func viewImport(i imports.Import) importView {
	v := importView{
		ID: &i.ID, Status: i.Status, List: i.Terms.List, Channel: some(i.Terms.Channel), Read: i.Read(), Added: i.Added, Unchanged: i.Known,
		Stayed: i.Stayed, Refused: i.Refused, Line: i.Line, Ignored: append([]string{}, i.Ignored...), Token: i.Token,
		Created: instant(i.Made), Finished: some(instant(i.Ended)),
	}
	if i.Code != "" {
		v.Error = &importError{i.Code, failure(i)}
	}
	return v
}

func viewRehearsal(o imports.Order, r imports.Rehearsal) importView {
	return importView{
		Status: imports.Finished, DryRun: true, List: o.Terms.List, Channel: some(o.Terms.Channel),
		Read: r.Added + r.Known + r.Stayed + r.Refused, Added: r.Added, Unchanged: r.Known, Stayed: r.Stayed, Refused: r.Refused, Line: r.Line,
		Ignored: append([]string{}, r.Ignored...), Token: o.Token, Created: instant(r.Made), Finished: some(instant(r.Made)),
		Rows: &r.Rows, Truncated: r.Truncated,
	}
}

// some gives a text that is there; nil for none.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// failure says what to do about an import that failed.
func failure(i imports.Import) string {
	switch i.Code {
	case imports.CodeMixed:
		return "Two files were sent under one Idempotency-Key at once. What they say is in force, but the counts are of both: send each again under a key of its own."
	case imports.CodeIncomplete:
		return "Some rows could not be decided; an operator finds them among the dead letters. The others are in force."
	case imports.CodeRefused:
		return fmt.Sprintf("Over %d rows were refused. What was taken before is in force.", imports.MaxRefused)
	case imports.CodeTooLarge:
		return "The file is over the limits. What was read is in force: send the rest in files of their own."
	}
	return fmt.Sprintf("The file broke off about line %d. What was read is in force: send the file again under the same Idempotency-Key, and it goes on.", i.Line)
}
