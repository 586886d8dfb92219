package api

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"optgate/pipeline/stream"
)

// recordView is a record of any topic as an operator sees it.
type recordView struct {
	Topic     stream.Topic      `json:"topic"`
	Partition int               `json:"partition"`
	Offset    int64             `json:"offset"`
	At        time.Time         `json:"at"`
	Key       string            `json:"key"`
	Value     any               `json:"value"` // JSON as JSON, anything else as text, a tombstone as null
	Headers   map[string]string `json:"headers"`
}

func viewRecord(r stream.Record) recordView {
	v := recordView{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, At: r.Time.UTC(), Key: string(r.Key), Value: value(r.Value),
		Headers: map[string]string{},
	}
	for _, h := range r.Headers {
		v.Headers[h.Key] = h.Value
	}
	return v
}

func value(raw []byte) any {
	switch {
	case raw == nil:
		return nil
	case json.Valid(raw) && utf8.Valid(raw):
		return json.RawMessage(raw)
	}
	return string(raw)
}
