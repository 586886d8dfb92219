package api

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
)

// longest bounds a call, streams aside: what we stand on may be away, and then somebody has to be told.
const longest = 15 * time.Second

// Handle answers one request.
func (a *API) Handle(ctx context.Context, rc *fasthttp.RequestCtx) {
	began := time.Now()
	c := &call{base: ctx, rc: rc, api: a}
	c.ctx, c.end = context.WithTimeout(ctx, longest)
	defer func() { c.end() }()
	defer c.letGo()
	rc.Response.Header.Set("Cache-Control", "no-store")
	path := string(rc.URI().PathOriginal())
	r, params, allowed := a.find(string(rc.Method()), path)
	c.params = params
	err := a.admit(c, path, r, allowed)
	if err == nil {
		err = r.handler(c)
	}
	status := rc.Response.StatusCode()
	if err != nil {
		status = r.refuse(rc, err)
	}
	if c.noted(r, status) { // the answer is held until it is kept who changed what
		if lost := a.note(c, r); lost != nil && err == nil {
			err, status = lost, r.refuse(rc, lost)
		}
	}
	a.logCall(c, r, status, time.Since(began), err)
}

// admit finds out whose call it is and whether it may be made.
func (a *API) admit(c *call, path string, r *route, allowed []string) error {
	if strings.HasPrefix(path, "/v1/") || r != nil && r.scope != anyone && r.scope != inBody {
		who, unknown := a.identify(c.ctx, c.header("Authorization"))
		if err := a.limit(c, who); err != nil {
			return err
		}
		if r != nil && r.scope == anyone {
			return nil
		}
		if unknown != nil {
			return unknown
		}
		c.account, c.token = who.account, who.name
		if r != nil {
			return who.may(r.scope)
		}
	}
	switch {
	case r != nil:
		return nil
	case allowed != nil:
		c.rc.Response.Header.Set("Allow", strings.Join(allowed, ", "))
		return fault.New(fault.WrongMethod, "wrong_method", "This URL takes %s.", strings.Join(allowed, ", "))
	default:
		return fault.New(fault.NotFound, "not_found", "There is nothing at this URL.")
	}
}

// logCall writes the one line of a call. The route stands in it, not the path, and an error's code, not its words: both
// may repeat what the caller wrote. What went wrong on our side stands there in full.
func (a *API) logCall(c *call, r *route, status int, took time.Duration, err error) {
	level, name, code := zerolog.DebugLevel, "none", ""
	if r != nil {
		name = r.method + " " + r.path
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		code = f.Code
	}
	if status >= fasthttp.StatusInternalServerError {
		level = zerolog.WarnLevel
	} else {
		err = nil
	}
	a.Log.WithLevel(level).Err(err).Str("route", name).Str("account", c.account).Str("token", c.token).
		Int("status", status).Str("code", code).Dur("took", took).Msg("api call")
}

func (a *API) alive(c *call) error {
	a.Health.Alive(c.rc)
	return nil
}

func (a *API) ready(c *call) error {
	a.Health.Ready(c.ctx, c.rc)
	return nil
}

func (a *API) showMetrics(c *call) error {
	var text bytes.Buffer
	if err := a.Metrics(&text); err != nil {
		return err
	}
	c.rc.SetContentType("text/plain; version=0.0.4; charset=utf-8")
	c.rc.SetBody(text.Bytes())
	return nil
}
