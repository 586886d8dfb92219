package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

type listsDeleteCommand struct {
	listArgument
	Name string `placeholder:"NAME" help:"The list's name, so that nobody is asked for it."`
	gatewayFlags
	outputFlags
}

// codeConfirmName is the API's answer to a deletion that doesn't repeat the list's name.
const codeConfirmName = "confirm_name"

// Run deletes a list. Without --name it says what that would do and asks for the name.
func (c *listsDeleteCommand) Run(ctx context.Context, t terminal) error {
	gone, err := c.delete(ctx, c.Name)
	if r := (*refused)(nil); c.Name == "" && errors.As(err, &r) && r.Code == codeConfirmName {
		name, answered := t.ask(ctx, plain(r.Detail)+"\nName of the list: ")
		if answered != nil {
			return answered
		}
		if name == "" {
			return errors.New("nothing was deleted")
		}
		gone, err = c.delete(ctx, name)
	}
	if err != nil {
		return err
	}
	return c.printer(t).object(gone)
}

func (c *listsDeleteCommand) delete(ctx context.Context, name string) (gone json.RawMessage, err error) {
	query := url.Values{}
	if name != "" {
		query.Set("name", name)
	}
	return gone, c.client().ask(ctx, http.MethodDelete, c.path(), query, nil, &gone)
}

// ask prints a question on the error stream, since the answer to the command goes to the other, and reads a line. At the
// end of the input the line is empty.
func (t terminal) ask(ctx context.Context, question string) (string, error) {
	if _, err := t.err.Write([]byte(question)); err != nil {
		return "", err
	}
	said := make(chan string, 1)
	go func() { // a read of a terminal can't be called off: it ends with the program
		line, _ := bufio.NewReader(t.in).ReadString('\n') // what was read before the end is the line
		said <- line
	}()
	select {
	case line := <-said:
		return strings.TrimSpace(line), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
