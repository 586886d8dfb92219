package main

import (
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// cable lies between the gateways and a server, and can be hurt.
type cable struct {
	server           *toxiproxy.ApiServer
	proxy            *toxiproxy.Proxy
	listen, upstream string
}

// newCable listens at an address and connects to another.
func newCable(listen, upstream string) (*cable, error) {
	c := &cable{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), listen: listen, upstream: upstream}
	return c, c.mend()
}

// cut breaks all connections and lets nobody in; mend makes the cable whole again.
func (c *cable) cut() {
	if c.proxy != nil {
		c.proxy.Stop()
	}
}

// mend makes a new proxy in place of the old: to take what hurts out of one with connections may block for good.
func (c *cable) mend() error {
	c.cut()
	c.proxy = toxiproxy.NewProxy(c.server, c.listen, c.listen, c.upstream)
	if err := c.proxy.Start(); err != nil {
		return fmt.Errorf("proxy at %s: %w", c.listen, err)
	}
	return nil
}

// lead lets it end at another server.
func (c *cable) lead(upstream string) error {
	c.upstream = upstream
	return c.mend()
}

// The ways to hurt a cable, as toxiproxy spells them.
const (
	silence = `{"type":"timeout","attributes":{"timeout":0}}`
	reset   = `{"type":"reset_peer","attributes":{"timeout":300}}`
	late    = `{"type":"latency","attributes":{"latency":250,"jitter":150}}`
	slow    = `{"type":"bandwidth","attributes":{"rate":40}}` // KB/s of each connection
	dropped = `{"type":"timeout","attributes":{"timeout":700}}`
)

// hurt does something to every connection, in both directions. mend undoes it by breaking them.
func (c *cable) hurt(how string) error {
	for _, direction := range []string{"upstream", "downstream"} {
		toxic := strings.Replace(how, "{", fmt.Sprintf(`{"name":%q,"stream":%q,`, direction, direction), 1)
		if _, err := c.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("hurt a cable: %w", err)
		}
	}
	return nil
}
