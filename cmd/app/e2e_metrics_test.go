package app_test

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// series gives what the gateway's metrics say: name and labels as they are written → value.
func (w *world) series() map[string]float64 {
	w.t.Helper()
	status, text, _ := fetch(http.MethodGet, "http://"+w.private+"/metrics", "", nil)
	if status != http.StatusOK {
		w.t.Fatalf("metrics: %d %s", status, text)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if cut := strings.LastIndexByte(line, ' '); cut > 0 && line[0] != '#' {
			all[line[:cut]], _ = strconv.ParseFloat(strings.TrimSpace(line[cut:]), 64)
		}
	}
	return all
}

// Every part of a webhook's way shows itself: a part that is introduced to no metric would leave its panel empty.
func TestAStopMovesTheMetricsFromReceiptToEffect(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		w.says(person(7100), "STOP")
		w.confirmed(person(7100))
		w.barred(person(7100))
		var missing []string
		defer func() {
			if len(missing) > 0 {
				t.Logf("not counted at last: %v", missing)
			}
		}()
		eventually(t, "everything has been counted", func() bool {
			now := w.series()
			missing = nil
			for name, least := range map[string]float64{
				`optgate_webhook_ack_seconds_count`:                      1,
				`optgate_publish_seconds_count{by="ingress"}`:            1,
				`optgate_publish_seconds_count{by="pipeline"}`:           1,
				`optgate_publish_seconds_count{by="sender"}`:             1,
				`optgate_pipeline_seconds_count`:                         1,
				`optgate_in_force_seconds_count{kind="consent.change"}`:  1,
				`optgate_turn_commands_count`:                            1,
				`optgate_graph_call_seconds_count{lane="replies"}`:       1,
				`optgate_look_seconds_count{at="kafka"}`:                 1,
				`optgate_look_seconds_count{at="redis"}`:                 1,
				`optgate_kafka_up`:                                       1,
				`optgate_sound`:                                          1,
				`optgate_claims_total{kind="hard"}`:                      now["optgate_shards_installed"],
				`optgate_shards_ready`:                                   max(2, now["optgate_shards_installed"]),
				`optgate_optouts_total{list="default",source="message"}`: 1,
				`optgate_shards_installed`:                               2,
				`optgate_sends_total{lane="replies",result="sent"}`:      1,
				`optgate_webhooks_total{result="kept"}`:                  1,
				`optgate_publish_failures_total{by="ingress"}`:           0,
				`optgate_dead_messages_total`:                            0,
				`optgate_lane_open_messages{lane="replies"}`:             0,
				`optgate_inbound_lag_items`:                              0,
				`optgate_kafka_queued_bytes`:                             0,
			} {
				if value, there := now[name]; !there || value < least {
					missing = append(missing, name)
				}
			}
			return len(missing) == 0
		})
		now := w.series()
		shards := int(now["optgate_shards_installed"])
		for s := range shards {
			label := `{shard="` + strconv.Itoa(s) + `"}`
			if age, there := now["optgate_shard_lease_age_seconds"+label]; !there || age > 1.5 {
				t.Errorf("shard %d: the lease is %v s old, shown %v", s, age, there)
			}
			if lag, there := now["optgate_shard_lag_commands"+label]; !there || lag != 0 {
				t.Errorf("shard %d: %v commands behind, shown %v", s, lag, there)
			}
		}
		if now["optgate_stalled"] != 0 || now["optgate_bulk_held"] != 0 {
			t.Errorf("stalled %v, held %v", now["optgate_stalled"], now["optgate_bulk_held"])
		}
	})
}

func TestOperatorsMayProfileWhereTheConfigurationSaysSo(t *testing.T) {
	together(t)
	w := newWorld(t, servers{}, nil)
	heap := func(token string) int {
		status, _, _ := fetch(http.MethodGet, "http://"+w.private+"/debug/pprof/heap", token, nil)
		return status
	}
	w.start()
	if status := heap(operatorToken); status != http.StatusNotFound {
		t.Errorf("by default: %d", status)
	}
	w.stop()
	w.settings["private"] = map[string]any{"listen": w.private, "pprof": true}
	w.settings["roles"] = []any{"ingress"} // the role whose profile is asked for most
	w.start()
	got := map[string]int{"": heap(""), "account": heap(acmeToken), "operator": heap(operatorToken)}
	if want := map[string]int{"": 401, "account": 401, "operator": 200}; !maps.Equal(got, want) {
		t.Errorf("by token: %v", got)
	}
}
