package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/pipeline/fault"
)

// call is one request of somebody who was let in, and its answer. A handler either gives one answer (answer, list, stream)
// and returns nil, or returns an error, which becomes a problem.
type call struct {
	account   string             // whose token it was; "" for an operator
	token     string             // its name
	concerns  string             // the account that an operator changes something of; "" for none
	unchanged bool               // see changesNothing
	partly    string             // id of what stands in part, though the call fails; "" for nothing
	ctx       context.Context    //nolint:containedctx // a call lives as long as its request
	base      context.Context    //nolint:containedctx // it, without the bound on a call
	end       context.CancelFunc // of ctx
	params    map[string]string
	rc        *fasthttp.RequestCtx
	api       *API
	held      int64 // bytes of the body
}

// afresh gives a call that took its time, as only an import may, the time of one that begins.
func (c *call) afresh() {
	c.end()
	c.ctx, c.end = context.WithTimeout(c.base, longest)
}

// param gives a part of the path, as "id" for {id}.
func (c *call) param(name string) string { return c.params[name] }

// query gives a parameter of the query; "" where it is missing.
func (c *call) query(name string) string { return string(c.rc.QueryArgs().Peek(name)) }

// header gives a header of the request; "" where it is missing.
func (c *call) header(name string) string { return string(c.rc.Request.Header.Peek(name)) }

// flag gives a parameter of the query that is true or false; false where it is missing.
func (c *call) flag(name string) (bool, error) {
	text := c.query(name)
	if text == "" {
		return false, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, wrongField(fault.Invalid, name, "not_a_boolean", "is true or false")
	}
	return value, nil
}

// page gives ?limit= (100 by default, at most 1,000) and ?after=, a cursor that a former page named as next.
func (c *call) page() (limit int, after string, err error) {
	limit = 100
	if text := c.query("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 1000 {
			return 0, "", wrongField(fault.Invalid, "limit", "out_of_range", "is a number from 1 to 1000")
		}
	}
	return limit, c.query("after"), nil
}

// decode reads the body, JSON of at most limit bytes, into a struct. A field that is unknown or of a wrong type is named.
func (c *call) decode(limit int, into any) error {
	_, err := c.read(limit, into)
	return err
}

// read is decode, and gives the body as it came.
func (c *call) read(limit int, into any) (body []byte, err error) {
	if body, err = c.body(limit); err != nil {
		return nil, err
	}
	return body, decode(body, into)
}

func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return undecodable(err, into)
	}
	if holdsNull(body) {
		return fault.New(fault.Unprocessable, "null_in_list", "A list in the body holds null. Leave it out.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "invalid_json", "The body holds more than one JSON value.")
	}
	return nil
}

func undecodable(err error, into any) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		kind, _, _ := strings.Cut(wrong.Value, " ") // without what the caller wrote
		return wrongField(fault.Unprocessable, fieldPath(into, wrong.Field), "wrong_type", "can't be of type "+kind)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return wrongField(fault.Unprocessable, strings.Trim(name, `"`), "unknown_field", "is not known here")
	}
	return fault.New(fault.Invalid, "invalid_json", "The body is no JSON object of the documented shape.")
}

// answer gives a value as JSON.
func (c *call) answer(status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	c.rc.SetStatusCode(status)
	c.rc.SetContentType("application/json")
	c.rc.SetBody(append(body, '\n'))
	return nil
}

// list answers with one page. next is the cursor of the page after it, "" at the end.
func (c *call) list(data any, next string) error {
	page := struct {
		Data any     `json:"data"`
		Next *string `json:"next"`
	}{Data: data}
	if next != "" {
		page.Next = &next
	}
	return c.answer(fasthttp.StatusOK, page)
}

// stream answers 200 with what write writes after the handler has returned; see httpd.Stream. The call's ctx is over by
// then: write uses the one it is given.
func (c *call) stream(contentType string, write func(ctx context.Context, w *bufio.Writer) error) error {
	c.rc.SetContentType(contentType)
	log, path := c.api.Log, string(c.rc.Path())
	httpd.Stream(c.rc, write, func(err error) {
		if err != nil {
			log.Error().Err(err).Str("path", path).Msg("stream broke off")
		}
	})
	return nil
}
