package main

import (
	"fmt"
	"strings"
)

func (r *results) markdown() string {
	var b strings.Builder
	say := func(format string, about ...any) { fmt.Fprintf(&b, format+"\n", about...) }
	p := r.Plan
	say("# Broadcasts to %d people\n", r.People)
	say("One gateway with 64 shards, one Apache Kafka, one Redis, the simulated Cloud API and what measures, all on this one machine.\n")
	say("## Planning and filtering\n")
	say("The recipients come as a CSV file of %.0f MiB with a parameter. The dry run asks for each of them whether one of %d lists bars them, every other", float64(p.Bytes)/(1<<20), p.Lists)
	say("recipient being on all of these (and Default, Meta and the blacklist, since it is marketing), and everything else that a dry run tells. The")
	say("raw limit is redis-benchmark, which asks one plain set of a million with SMISMEMBER, a thousand random members a call, just before.\n")
	say("| upload until all rows are kept, s | dry run, s | recipients a second | recipients times the %d lists, against redis-benchmark | creation, s | gateway's memory before and at most, MiB |", p.Lists)
	say("|---|---|---|---|---|---|")
	say("| %.1f | %.1f | %.0f | %.2f | %.2f | %.0f, %.0f |\n", p.Upload, p.Dry, float64(r.People)/p.Dry, p.OfRedis, p.Create, p.Idle, p.Most)
	say("## Sending, with limits lifted\n")
	say("From the request until the broadcast is finished; the number may send 10,000 messages a second. No receipts come meanwhile. Processor time is of all cores together.\n")
	say("| checked against | sent | skipped | s | messages a second | recipients a second | gateway, s | Kafka, s | Redis, s | Cloud API and measuring, s | gateway's memory at most, MiB | Redis, MiB |")
	say("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, one := range r.Runs {
		say("| %s | %d | %d | %.1f | %.0f | %.0f | %.1f | %.1f | %.1f | %.1f | %.0f | %.0f |", one.Against, one.Sent, one.Skipped, one.Seconds,
			float64(one.Sent)/one.Seconds, float64(r.People)/one.Seconds, one.Gateway, one.Kafka, one.Redis, one.Cloud, one.Most, one.Stored)
	}
	say("\nDownload of the report afterwards, as NDJSON: ")
	for i, one := range r.Runs {
		say("%s%d rows, %.0f MiB in %.1f s (%.0f rows a second; the gateway had held at most %.0f MiB by then)", strings.Repeat("and ", min(i, 1)), one.Report.Rows, one.Report.MiB,
			one.Report.Seconds, float64(one.Report.Rows)/one.Report.Seconds, one.Report.Most)
	}
	say("\n## Replies meanwhile\n")
	say("A single message: from its request to the call of the Cloud API. A confirmation: from the webhook with the STOP to the call, without the 2 s that it waits by design. ms.\n")
	say("| beside | single, p50 | p99 | most | confirmation, p50 | p99 | most | messages a second of the broadcast meanwhile |")
	say("|---|---|---|---|---|---|---|---|")
	for _, one := range r.Replies {
		say("| %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.0f |", one.While, one.Single[0], one.Single[1], one.Single[2], one.Confirm[0], one.Confirm[1], one.Confirm[2], one.Sent)
	}
	say("\n%s; %s; %s; commit %s; `%s`", r.Machine, r.Kernel, r.Date.Format("2 January 2006, 15:04 UTC"), r.Commit, r.Command)
	return b.String()
}
