package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"strconv"

	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
)

// streamRefusals answers with all refused rows of a file, as CSV or NDJSON; name is that of the file that it becomes.
func (c *call) streamRefusals(name string, all func(ctx context.Context, each func(csvfile.Refusal) error) error) error {
	format, kind := c.query("format"), "text/csv; charset=utf-8"
	switch format {
	case "", "csv":
		format = "csv"
	case "ndjson":
		kind = "application/x-ndjson"
	default:
		return wrongField(fault.Invalid, "format", "unknown_format", "is csv or ndjson")
	}
	c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="`+name+`-refused.`+format+`"`)
	return c.stream(kind, func(ctx context.Context, w *bufio.Writer) error {
		lines, objects := csv.NewWriter(w), json.NewEncoder(w)
		each := func(r csvfile.Refusal) error { return objects.Encode(r) }
		if format == "csv" {
			each = func(r csvfile.Refusal) error { return lines.Write([]string{strconv.Itoa(r.Line), r.Reason}) }
			if err := lines.Write([]string{"line", "reason"}); err != nil {
				return err
			}
		}
		if err := all(ctx, each); err != nil {
			return err
		}
		lines.Flush()
		return lines.Error()
	})
}
