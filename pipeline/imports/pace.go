package imports

import (
	"context"
	"strconv"
	"sync"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// ahead is how many loads of a shard may be undecided at a time: one that is being decided, and one that its owner finds when
// it comes back. A STOP that is typed meanwhile stands behind these alone.
const ahead = 2

// How many parts are published at once: what a decision costs besides its people, it costs once for all of them. Where loads
// take long to be decided they become smaller, so that a STOP doesn't, and grow again where they don't.
const (
	load     = 4  // at most, of one shard
	loadAll  = 64 // at most, of all shards together, so that many shards don't hold a large part of the file
	loadSlow = 400 * time.Millisecond
	loadFast = 200 * time.Millisecond
)

// heaviest gives how many parts one of so many shards is given at once, at most.
func heaviest(shards chat.Shards) int { return max(1, min(load, loadAll/int(shards))) }

// weigh gives how many parts come next, by how many came, how long a load took and how many may come at most.
func weigh(parts int, took time.Duration, most int) int {
	switch {
	case took > loadSlow:
		return max(1, parts/2)
	case took < loadFast:
		return min(most, parts+1)
	}
	return parts
}

// sent is a load that is not known to be decided.
type sent struct {
	offset int64 // of its last part
	at     time.Time
}

// pace publishes parts, each shard's by its own, no faster than they are decided.
type pace struct {
	ctx    context.Context //nolint:containedctx // of the one reading that the pace belongs to
	cancel context.CancelCauseFunc
	r      *reading
	lines  []chan *part // by shard: parts that wait for those before them
	all    sync.WaitGroup
}

// newPace begins with a worker for each shard; end waits for them.
func newPace(ctx context.Context, r *reading) *pace {
	p := &pace{r: r, lines: make([]chan *part, r.Shards)}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	for at := range p.lines {
		p.lines[at] = make(chan *part, heaviest(r.Shards))
		p.all.Go(func() {
			if err := p.work(at); err != nil {
				p.cancel(err)
			}
		})
	}
	return p
}

// take hands a part on, once there is room for it in its shard. An error says why there won't be.
func (p *pace) take(one *part) error {
	select {
	case p.lines[one.shard] <- one:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// end waits until every part that was taken is in force, or, after an error, until nothing is on its way.
func (p *pace) end(err error) error {
	if err != nil {
		p.cancel(err)
	}
	for _, line := range p.lines {
		close(line)
	}
	p.all.Wait()
	stopped := context.Cause(p.ctx)
	p.cancel(nil)
	return stopped
}

// work publishes the parts of one shard, as many at once as wait.
func (p *pace) work(at int) error {
	var open []sent
	most := heaviest(p.r.Shards)
	last, parts := int64(-1), most
	for one := range p.lines[at] {
		records, counted, err := p.load(one, p.lines[at], parts)
		if err != nil {
			return err
		}
		last = max(last, counted)
		if len(records) == 0 {
			continue
		}
		if len(open) == ahead {
			if err := p.passed(at, open[0].offset); err != nil {
				return err
			}
			parts, open = weigh(parts, time.Since(open[0].at), most), open[1:]
		}
		now := time.Now()
		offset, err := p.r.publish(p.ctx, records...)
		if err != nil {
			return err
		}
		open, last = append(open, sent{offset, now}), max(last, offset)
	}
	if last < 0 || p.ctx.Err() != nil {
		return nil
	}
	return p.passed(at, last)
}

// load makes commands of a part and of those that wait behind it, up to so many. Of parts that were counted before it gives the
// highest offset.
func (p *pace) load(one *part, waiting <-chan *part, most int) (records []*stream.Record, counted int64, err error) {
	counted = -1
	for one != nil {
		before, known := p.r.done[one.number]
		switch {
		case known && before.Digest != one.digest():
			return nil, counted, fault.New(fault.Unprocessable, CodeKeyReused, "%s", keyReused)
		case known:
			counted = max(counted, before.Offset)
		default:
			record, err := p.record(one)
			if err != nil {
				return nil, counted, err
			}
			if records = append(records, record); len(records) == most {
				return records, counted, nil
			}
		}
		select {
		case one = <-waiting: // nil once there will be no more
		default:
			return records, counted, nil
		}
	}
	return records, counted, nil
}

// passed waits until a shard has decided what stands at an offset, and its view shows it.
func (p *pace) passed(at int, offset int64) error {
	_, err := p.r.decided(p.ctx, at, offset, "")
	return err
}

// record is a part's command.
func (p *pace) record(one *part) (*stream.Record, error) {
	o := p.r.order
	edit := one.edit(o.ID)
	return edit.Record(p.r.Shards, "import/"+o.ID+"/"+strconv.Itoa(one.number), o.Account.ID, p.r.Now().UnixMilli())
}
