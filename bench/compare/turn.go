package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"optgate/bench/host"
	"optgate/bench/load/mix"
	"optgate/bench/load/offer"
)

// turn is one contestant in one round.
type turn struct {
	*standing
	field      *field
	site       *site
	contestant contestant
	round      int
	said       offer.Kept // what all answers of 200 were for
	unsure     int        // webhooks without 200, which may have been kept all the same
}

// turn measures one contestant. One that fails is out for the rest, and the results say why; bare must not fail.
func (f *field) turn(ctx context.Context, round int, c contestant) error {
	if f.results.Missing[c.name] != "" {
		return nil
	}
	if err := f.forget(ctx); err != nil {
		return err
	}
	s, err := f.open(ctx, c)
	if err != nil {
		return err
	}
	defer s.close()
	t := &turn{field: f, site: s, contestant: c, round: round}
	if t.standing, err = c.start(ctx, s); err == nil {
		err = t.measure(ctx)
	}
	if err != nil && ctx.Err() == nil && c.name != bare {
		f.sayf("%s is out: %v", c.name, err)
		f.results.Missing[c.name] = err.Error()
		return nil
	}
	return err
}

// measure goes through the levels.
func (t *turn) measure(ctx context.Context) error {
	memory := Memory{Contestant: t.contestant.name, Round: t.round}
	err := wait(ctx, time.Second) // it comes to rest
	if err != nil {
		return err
	}
	if memory.Idle, _, err = host.MemoryOf(t.server.PID); err != nil {
		return err
	}
	if t.contestant.name != bare {
		if err := t.refusesForgeries(ctx); err != nil {
			return err
		}
	}
	for i, l := range t.contestant.levels {
		if err := t.sample(ctx, l, i == 0); err != nil {
			return fmt.Errorf("%d connections, %.0f/s: %w", l.Connections, l.Rate, err)
		}
	}
	if t.contestant.flow {
		if err := t.effects(ctx); err != nil {
			return err
		}
	}
	if _, memory.Most, err = host.MemoryOf(t.server.PID); err != nil {
		return err
	}
	t.field.results.Memory = append(t.field.results.Memory, memory)
	if t.contestant.crowd {
		if err := t.crowds(ctx); err != nil {
			return err
		}
	}
	return t.keptAll(ctx)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// offer sends webhooks to the contestant.
func (t *turn) offer(ctx context.Context, o offer.Options, kinds, key string) (*offer.Report, error) {
	m, err := mix.New(mix.Options{Kinds: kinds, Host: t.host, Path: path, Secret: key, First: t.field.first, Now: time.Now()})
	if err != nil {
		return nil, err
	}
	o.Mix, o.Timeout = m, 10*time.Second
	o.Dial = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", t.host) }
	report, err := offer.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	t.field.first += uint64(report.Sent)
	t.said = t.said.Plus(report.All)
	t.unsure += report.Sent - report.All.Webhooks
	return report, nil
}

const path = "/webhooks/meta"

// leastDisturbed measures once, and again where others took too much of the machine meanwhile.
func leastDisturbed[M interface{ noise() *Noise }](s settings, measure func() (M, error)) (best M, err error) {
	for try := range s.Tries {
		one, err := measure()
		if err != nil {
			return best, err
		}
		if try == 0 || one.noise().Foreign < best.noise().Foreign {
			best = one
		}
		best.noise().Dropped = try
		if best.noise().Foreign <= s.Foreign {
			break
		}
	}
	best.noise().Disturbed = best.noise().Foreign > s.Foreign
	return best, nil
}

// sample measures a level, and again where others took too much of the machine meanwhile.
func (t *turn) sample(ctx context.Context, l level, first bool) error {
	warmup := t.field.Time / 5
	if first {
		warmup = max(warmup, time.Second) // programs that compile themselves while they run
	}
	best, err := leastDisturbed(t.field.settings, func() (*Sample, error) { return t.try(ctx, l, warmup) })
	if err != nil {
		return err
	}
	t.field.sayf("%d %-24s %4d connections %5.0f/s: %6.0f/s kept, p99 %6.2f ms, %5.1f µs, foreign %2.0f %%", t.round+1,
		t.contestant.name, l.Connections, l.Rate, best.Report.PerSecond, best.Report.Latency.P99, best.ServerMicros(), best.Foreign*100)
	t.field.results.Samples = append(t.field.results.Samples, *best)
	return nil
}

// try measures a level once.
func (t *turn) try(ctx context.Context, l level, warmup time.Duration) (*Sample, error) {
	var clocks []host.Clock
	var failed error
	mark := func() {
		c, err := host.ReadClock(t.server.PID, t.pids())
		clocks, failed = append(clocks, c), errors.Join(failed, err)
	}
	began := time.Now()
	report, err := t.offer(ctx, offer.Options{Connections: l.Connections, Rate: l.Rate, Warmup: warmup, Time: t.field.Time, Mark: mark}, "", secret)
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	one := &Sample{
		Contestant: t.contestant.name, Round: t.round, Level: l, Report: report,
		ServerCPU: (clocks[1].Server - clocks[0].Server).Seconds(), Noise: Noise{Foreign: clocks[1].Foreign(clocks[0])},
	}
	if t.contestant.flow {
		if err := t.workedOff(ctx); err != nil {
			return nil, err
		}
		one.WorkedOff = float64(report.All.Webhooks) / time.Since(began).Seconds()
	}
	return one, nil
}

// pids are all our processes besides the generator.
func (t *turn) pids() []int {
	all := t.field.pids()
	for _, p := range t.site.processes {
		all = append(all, p.PID)
	}
	return all
}

// refusesForgeries makes sure that a contestant does what it is measured for.
func (t *turn) refusesForgeries(ctx context.Context) error {
	report, err := t.offer(ctx, offer.Options{Connections: 1, Rate: 100, Time: 100 * time.Millisecond}, "text=1", secret+"!")
	if err != nil {
		return err
	}
	t.unsure -= report.Sent
	if report.Answers[401] != report.Sent || report.Sent == 0 {
		return fmt.Errorf("of %d forgeries it refused %d: %v", report.Sent, report.Answers[401], report.Answers)
	}
	return nil
}

// keptAll compares what was promised to what Kafka holds.
func (t *turn) keptAll(ctx context.Context) error {
	if t.kafka == "" {
		return nil
	}
	kept, err := records(ctx, t.kafka, t.topic)
	if err != nil {
		return err
	}
	said := t.said.Webhooks
	if t.perItem {
		said = t.said.Items
	}
	if kept < said || (kept > said && t.unsure == 0) {
		return fmt.Errorf("it said 200 for %d, and Kafka holds %d", said, kept)
	}
	t.field.results.Kept += said
	return nil
}
