package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// ReasonDead is the reason of the letter in dead that a delivery leaves which was given up.
const ReasonDead = "feed_undelivered"

// LetterSource begins the source of such a letter: the delivery's id follows.
const LetterSource = "feed"

// letter is what stands in dead of a delivery that was given up. It names the delivery, which is kept as long, and nobody.
type letter struct {
	V        int    `json:"v"`
	Account  string `json:"account"`
	List     string `json:"list"`
	Delivery string `json:"delivery"`
	Error    string `json:"error"`
	Tries    int    `json:"tries"`
}

func bury(t *shard.Turn, d *Delivery) error {
	value, err := json.Marshal(letter{stream.Version, d.Account, d.List, d.ID, d.Error, d.Tries})
	if err != nil {
		return fmt.Errorf("letter: %w", err)
	}
	t.Send(&stream.Record{
		Topic: stream.Dead, Partition: stream.AnyPartition, Key: []byte(LetterSource), Value: value,
		Headers: []stream.Header{
			{Key: "v", Value: strconv.Itoa(stream.Version)},
			{Key: "source", Value: LetterSource + "/" + d.ID},
			{Key: "reason", Value: ReasonDead},
			{Key: "received_at", Value: strconv.FormatInt(d.Made, 10)},
		},
	})
	return nil
}

// Revive asks that the delivery of a letter be tried anew, if it is still given up; at is its shard.
func Revive(id string, value []byte, made int64) (c shard.Command, at int, err error) {
	var l letter
	if err := json.Unmarshal(value, &l); err != nil || l.Account == "" {
		return c, 0, errors.New("no letter of a delivery")
	}
	if at, err = optout.DeliveryShard(l.Delivery); err != nil {
		return c, 0, err
	}
	c, err = shard.NewCommand(id, KindReplay, l.Account, made, Replay{IDs: []string{l.Delivery}, Dead: true})
	return c, at, err
}
