package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"optgate/configs"
)

type healthCommand struct {
	Config string `short:"c" env:"OPTGATE_CONFIG" placeholder:"FILE" help:"The gateway's configuration, which says where it listens."`
	URL    string `placeholder:"URL" help:"Ask this URL instead."`
}

const healthTimeout = 3 * time.Second

// Run asks /healthz once. Docker's HEALTHCHECK calls it, so that every failure is the exit code 1.
func (c *healthCommand) Run(ctx context.Context, t terminal) error {
	url := c.URL
	if url == "" {
		config, err := configs.Load(configs.Sources{File: c.Config, Environ: t.environ})
		if err != nil {
			return err
		}
		listen := config.Public.Listen
		if !slices.Contains(config.Roles, configs.RoleIngress) {
			listen = config.Private.Listen // only ingress opens the public one
		}
		url = "http://" + reachable(listen) + "/healthz"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // nothing of it is read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, answer.Status)
	}
	t.printf("alive\n")
	return nil
}

// reachable turns an address to listen on into one to call: all interfaces are reached by this machine's own.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
