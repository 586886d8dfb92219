package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"optgate/cmd/app"
	"optgate/configs"
	"optgate/gateway/meta/fake"
)

type runCommand struct {
	DataDir string  `default:"./data" placeholder:"DIR" help:"Where everything lies: topics, secrets, the log."`
	Public  string  `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"The public listener (public.listen)."`
	Private string  `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"The private listener (private.listen)."`
	Rate    float64 `default:"1" help:"Items a second that the simulated Meta delivers; 0: only what you deliver yourself."`
}

// Run boots a gateway on embedded parts with a simulated Meta beside it, and shows how it does until ctx ends.
func (c *runCommand) Run(ctx context.Context, t terminal) error {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return err
	}
	b, err := keptBusiness(c.DataDir)
	if err != nil {
		return err
	}
	logFile := filepath.Join(c.DataDir, "optgate.log")
	logged, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logged.Close() //nolint:errcheck // each line was written when it was logged
	if _, port, err := net.SplitHostPort(c.Public); err != nil || port == "0" {
		return usageError{fmt.Errorf("--public: %q must name a port, which the simulated Meta delivers to", c.Public)}
	}
	meta, err := fake.New(fake.Options{
		Webhook: "http://" + reachable(c.Public) + "/webhooks/meta", Secret: []byte(b.appSecret), Token: accessToken,
		Templates: []fake.Template{fake.Offer("offer", "Hi {{1}}, see what is new.")}, ReceiptDelay: time.Second, Keep: 1, Seed: uint64(time.Now().UnixNano()),
	})
	if err != nil {
		return err
	}
	defer meta.Close() //nolint:errcheck // nobody calls it any more
	config, err := load(configs.Sources{Flags: b.settings(c.DataDir, c.Public, c.Private, meta.URL())})
	if err != nil {
		return err
	}
	log := newLog(logged, config.Log.Level)
	gateway, err := app.Start(ctx, app.Options{Config: *config, Log: log, Version: version()})
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop before it served
		}
		return err
	}
	defer gateway.Stop()
	sayReady(log, gateway)
	c.introduce(t, b, gateway, meta.URL(), logFile)

	var delivering sync.WaitGroup
	defer delivering.Wait()
	if c.Rate > 0 {
		delivering.Go(func() { c.deliver(ctx, meta) })
	}
	watch(ctx, t, gatewayFlags{API: "http://" + reachable(gateway.Private)}.client())
	t.printf("Draining.\n")
	return nil
}

// deliver lets made-up people write until ctx ends.
func (c *runCommand) deliver(ctx context.Context, meta *fake.Meta) {
	seed := uint64(time.Now().UnixNano())
	numbers := []fake.Number{whatsapp(), {Platform: "messenger", ID: pageID}, {Platform: "instagram", ID: instagramID}}
	people := fake.NewGenerator(seed, numbers, 500, fake.DefaultMix())
	meta.Run(ctx, people, fake.Plan{Rate: c.Rate, Batch: 2, Again: 0.05, Shuffle: 2, Seed: seed})
}

// introduce prints what runs where, and what to try.
func (c *runCommand) introduce(t terminal, b business, gateway *app.App, graph, logFile string) {
	public, private := "http://"+reachable(gateway.Public), "http://"+reachable(gateway.Private)
	data := filepath.Clean(c.DataDir)
	t.printf(`Optgate %s

  webhook         %s/webhooks/meta
  verify token    %s
  app secret      in %s
  API             %s/v1
  token           %s (also in %s)
  operator token  in %s
  simulated Meta  %s, delivering %g items a second
  Kafka           %s (as in kcat -b %s -t optgate.inbound -C -e)
  data            %s
  log             %s

`, version(), public, b.verifyToken, filepath.Join(data, secretFile), private, b.token, filepath.Join(data, tokenFile),
		filepath.Join(data, operatorFile), graph, c.Rate, gateway.Kafka, gateway.Kafka, data, logFile)
	t.printf(`Somebody types STOP:
  body='{"object":"whatsapp_business_account","entry":[{"id":"%s","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550140001","phone_number_id":"%s"},"messages":[{"from":"447700900001","id":"wamid.'$RANDOM$RANDOM'","timestamp":"'$(date +%%s)'","type":"text","text":{"body":"STOP"}}]}}]}]}'
  curl -i %s/webhooks/meta -H "X-Hub-Signature-256: sha256=$(printf %%s "$body" | openssl dgst -sha256 -hmac "$(cat %s)" | sed 's/.* //')" -H 'Content-Type: application/json' --data-binary "$body"
Why may we not write to this person?
  curl -sG %s/v1/why -H 'Authorization: Bearer %s' -d channel=%s -d category=marketing -d lists=default --data-urlencode to=+447700900001
A broadcast, and its report:
  curl -s %s/v1/broadcasts -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{"channel":"%s","category":"marketing","lists":["default"],"message":{"type":"text","text":{"body":"Hi {{name}}"}},"recipients":[{"to":"+447700900001","params":{"name":"Ada"}},{"to":"+447700900002","params":{"name":"Ben"}}]}'
  OPTGATE_API=%s OPTGATE_TOKEN=%s optgate broadcast report ID

`, wabaID, phoneNumberID, public, filepath.Join(data, secretFile), private, b.token, channelID, private, b.token, channelID, private, b.token)
}
