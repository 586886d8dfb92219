package main

import (
	"fmt"
	"strings"
)

// Sizes of the chart, in pixels.
const (
	chartWidth = 860
	barsFrom   = 400 // after the names
	barsWidth  = 340
	rowHeight  = 26
)

// bar is one row of the chart.
type bar struct {
	title string
	value float64
	text  string
	ours  bool
}

// chart draws the throughput at 256 connections and the latency at the lower rate.
func (r *results) chart() string {
	var kept, waits []bar
	for _, c := range contestants() {
		title, ours := strings.ReplaceAll(c.title, "**", ""), strings.HasPrefix(c.name, "optgate")
		if v := r.of(c.name, once[0], perSecond); len(v) > 0 {
			kept = append(kept, bar{title, median(v), grouped(median(v)), ours})
		}
		if v := r.of(c.name, latency[0], p99); len(v) > 0 {
			waits = append(waits, bar{title, median(v), fmt.Sprintf("%.1f ms", median(v)), ours})
		}
	}
	parts, height := "", 16
	parts += panel(&height, "Webhooks kept a second", "256 connections; more is better", kept)
	parts += panel(&height, "99 of 100 are answered within", grouped(latency[0].Rate)+" a second, from when each was due; less is better", waits)
	parts += fmt.Sprintf(`<text x="20" y="%d" class="small">%s; %s; medians of %d rounds</text>`+"\n", height+10, escape(r.Machine), r.Date.Format("2 January 2006"), r.Settings.Rounds)
	height += 28
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="Optgate beside others">
<style>text{font:13px -apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:#1f2933}.head{font-size:16px;font-weight:600}.small{font-size:12px;fill:#616e7c}.ours{font-weight:600}</style>
<rect width="%d" height="%d" rx="8" fill="#ffffff" stroke="#d9dee4"/>
%s</svg>
`, chartWidth, height, chartWidth, height, chartWidth, height, parts)
}

// panel draws bars below each other, the longest as long as fits, and moves on by what it took.
func panel(y *int, head, small string, bars []bar) string {
	if len(bars) == 0 {
		return ""
	}
	most := 0.0
	for _, b := range bars {
		most = max(most, b.value)
	}
	*y += 14
	parts := []string{fmt.Sprintf(`<text x="20" y="%d" class="head">%s</text><text x="%d" y="%d" class="small" text-anchor="end">%s</text>`+"\n",
		*y, escape(head), chartWidth-20, *y, escape(small))}
	*y += 12
	for _, b := range bars {
		colour, class := "#aab4bf", ""
		if b.ours {
			colour, class = "#0f766e", ` class="ours"`
		}
		width := max(1, b.value/most*barsWidth)
		middle := *y + rowHeight/2
		parts = append(parts, fmt.Sprintf(`<text x="%d" y="%d" text-anchor="end"%s>%s</text><rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/><text x="%.1f" y="%d"%s>%s</text>`+"\n",
			barsFrom-10, middle+4, class, escape(b.title), barsFrom, middle-8, width, 16, colour, barsFrom+width+8, middle+4, class, escape(b.text)))
		*y += rowHeight
	}
	*y += 20
	return strings.Join(parts, "")
}

func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
