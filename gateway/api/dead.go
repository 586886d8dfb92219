package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// deadView is a dead letter in a list: without its bytes, which may be a person's words.
type deadView struct {
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"`
	Source    string    `json:"source"`
	Reason    string    `json:"reason"`
	Bytes     int       `json:"bytes"`
}

var errPageFull = errors.New("page is full")

// listDead answers GET /v1/dead: dead letters by partition and offset. Its cursor is the place of the next one.
func (a *API) listDead(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	partition, offset, err := placeOf(after)
	if err != nil {
		return wrongField(fault.Invalid, "after", "bad_cursor", "is no cursor that a page gave as next")
	}
	letters, next := []deadView{}, ""
	for ; partition < a.Topics.Partitions(stream.Dead); partition, offset = partition+1, 0 {
		first, end, err := a.Topics.Ends(c.ctx, stream.Dead, partition)
		if err != nil {
			return err
		}
		err = a.Topics.Read(c.ctx, stream.Dead, partition, max(first, offset), end, func(r stream.Record) error {
			if len(letters) == limit {
				next = fmt.Sprintf("%d.%d", r.Partition, r.Offset)
				return errPageFull
			}
			letters = append(letters, deadView{
				Partition: r.Partition, Offset: r.Offset, At: r.Time.UTC(),
				Source: r.Header("source"), Reason: r.Header("reason"), Bytes: len(r.Value),
			})
			return nil
		})
		if errors.Is(err, errPageFull) {
			break
		}
		if err != nil {
			return err
		}
	}
	return c.list(letters, next)
}

// placeOf reads a cursor of listDead.
func placeOf(cursor string) (partition int, offset int64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	left, right, _ := strings.Cut(cursor, ".")
	if partition, err = strconv.Atoi(left); err != nil || partition < 0 {
		return 0, 0, errors.New("no partition")
	}
	offset, err = strconv.ParseInt(right, 10, 64)
	return partition, offset, err
}

// showDead answers GET /v1/dead/{partition}/{offset}: one dead letter with its bytes.
func (a *API) showDead(c *call) error {
	partition, offset, err := placeOf(c.param("partition") + "." + c.param("offset"))
	if err != nil || partition >= a.Topics.Partitions(stream.Dead) || offset < 0 {
		return noLetter()
	}
	r, err := a.Topics.At(c.ctx, stream.Dead, partition, offset)
	if errors.Is(err, stream.ErrTruncated) {
		return noLetter()
	}
	if err != nil {
		return err
	}
	return c.answer(fasthttp.StatusOK, viewRecord(r))
}

func noLetter() error {
	return fault.New(fault.NotFound, "unknown_letter", "There is no dead letter at this place.")
}
