package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
)

// statusOf gives the status of each kind of error; it is the only place that knows.
func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.WrongMethod:
		return http.StatusMethodNotAllowed
	case fault.Conflict:
		return http.StatusConflict
	case fault.Stale:
		return http.StatusPreconditionFailed
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unprocessable:
		return http.StatusUnprocessableEntity
	case fault.TooMany:
		return http.StatusTooManyRequests
	case fault.NotCertain, fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
	}
	return http.StatusInternalServerError
}

// problem is the body of an error (RFC 9457). Its type is always about:blank, which the RFC lets us leave out.
type problem struct {
	Title  string        `json:"title"` // the status in words
	Status int           `json:"status"`
	Detail string        `json:"detail,omitempty"`
	Code   string        `json:"code"` // stable, for programs
	Errors []fault.Field `json:"errors,omitempty"`
}

// refuse answers with a problem. An error that nobody classified shows nothing of itself.
func refuse(rc *fasthttp.RequestCtx, err error) (status int) {
	p, members := problem{Code: "internal", Detail: "Something went wrong here. The log of the gateway says what."}, map[string]any(nil)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind != fault.Internal {
		p.Code, p.Detail, p.Errors, members = f.Code, f.Msg, f.Fields, f.Members
	}
	kind := fault.KindOf(err)
	p.Status = statusOf(kind)
	p.Title = http.StatusText(p.Status)
	body, wrong := json.Marshal(p)
	if more, err := json.Marshal(members); len(members) > 0 && err == nil {
		body = append(append(body[:len(body)-1], ','), more[1:]...)
	}
	if wrong != nil {
		panic(wrong) // strings always encode
	}
	rc.SetStatusCode(p.Status)
	rc.SetContentType("application/problem+json")
	rc.SetBody(append(body, '\n'))
	switch kind {
	case fault.NotCertain, fault.Unavailable:
		rc.Response.Header.Set("Retry-After", "1")
	case fault.Unauthorized:
		rc.Response.Header.Set("WWW-Authenticate", "Bearer")
	default:
	}
	return p.Status
}
