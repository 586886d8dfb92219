package broadcast

import (
	"encoding/json"
	"fmt"

	"optgate/pipeline/csvfile"
	"optgate/pipeline/stream"
)

// pager cuts rows, and what stands between them, into pages that a command can hold.
type pager struct {
	full func(Page) error // takes a page that is complete
	page Page
	size int // bytes of its JSON
	n    int // of what it holds
}

func (p *pager) row(r Row) error {
	return p.add(r, func() { p.page.Rows = append(p.page.Rows, r) })
}

func (p *pager) repeat(r Repeat) error {
	return p.add(r, func() { p.page.Repeats = append(p.page.Repeats, r) })
}

func (p *pager) refuse(r csvfile.Refusal) error {
	return p.add(r, func() { p.page.Refused = append(p.page.Refused, r) })
}

// add makes room for one thing more, and puts it there.
func (p *pager) add(one any, put func()) error {
	written, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("row of a broadcast: %w", err)
	}
	if p.n == pageRows || p.n > 0 && p.size+len(written) > pageBytes {
		if err := p.end(); err != nil {
			return err
		}
	}
	put()
	p.n++
	p.size += len(written) + 1
	return nil
}

// end gives the last page away, unless it is empty.
func (p *pager) end() error {
	if p.n == 0 {
		return nil
	}
	page := p.page
	page.V = stream.Version
	p.page, p.size, p.n = Page{}, 0, 0
	return p.full(page)
}
