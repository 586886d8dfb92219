package api

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

//go:embed openapi.yaml
var document string

// Document is the OpenAPI document of every route. Package apitest holds each answer of the tests against it.
func Document() string { return document }

// showDocument answers GET /v1/openapi.yaml, to anyone.
func (a *API) showDocument(c *call) error {
	c.rc.SetStatusCode(fasthttp.StatusOK)
	c.rc.SetContentType("application/yaml")
	c.rc.SetBodyString(document)
	return nil
}
