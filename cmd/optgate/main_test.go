package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// said is what a run of the program printed, and its exit code.
type said struct {
	code     int
	out, err string
}

func command(t *testing.T, environ []string, args ...string) said {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, terminal{out: &out, err: &err, environ: environ})
	return said{code, out.String(), err.String()}
}

func TestExitCodesTellWrongUsageFromFailure(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	for name, c := range map[string]struct {
		args []string
		code int
		says string // on either stream
	}{
		"help":                {[]string{"help"}, exitFine, "serve"},
		"help of a command":   {[]string{"help", "tail"}, exitFine, "--follow"},
		"--help":              {[]string{"lists", "entries", "--help"}, exitFine, "--search"},
		"help of a group":     {[]string{"help", "lists"}, exitFine, "lists import"},
		"a group with --help": {[]string{"tokens", "--help"}, exitFine, "tokens revoke"},
		"--version":           {[]string{"--version"}, exitFine, "optgate "},
		"nothing":             {nil, exitUsage, "optgate help"},
		"unknown command":     {[]string{"fly"}, exitUsage, "fly"},
		"unknown flag":        {[]string{"serve", "--fast"}, exitUsage, "--fast"},
		"unknown output":      {[]string{"lists", "-o", "xml"}, exitUsage, "json"},
		"missing file":        {[]string{"serve", "--config", missing}, exitUsage, "none.yaml"},
		"wrong flag's value":  {[]string{"serve", "--public", "here"}, exitUsage, "public.listen"},
		"no gateway":          {[]string{"lists", "--api", "http://127.0.0.1:1"}, exitFailed, "--api"},
		"no URL":              {[]string{"lists", "--api", "127.0.0.1:8081"}, exitUsage, "http://"},
		"another scheme":      {[]string{"lists", "--api", "gateway"}, exitUsage, "http://"},
		"unhealthy":           {[]string{"health", "--url", "http://127.0.0.1:1/healthz"}, exitFailed, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			got := command(t, nil, c.args...)
			if got.code != c.code {
				t.Errorf("exit code %d, not %d", got.code, c.code)
			}
			if !strings.Contains(got.out+got.err, c.says) {
				t.Errorf("says nothing of %q:\n%s%s", c.says, got.out, got.err)
			}
			if (got.code == exitFine) != (got.err == "") {
				t.Errorf("exit code %d beside errors %q", got.code, got.err)
			}
		})
	}
}

func TestConfigCheckTellsEveryProblemOnItsLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "optgate.yaml")
	write(t, file, "colour: red\npublic: {listen: nowhere}\nshards: -1\n")
	got := command(t, []string{"OPTGATE_LOG__LEVEL=loud"}, "config", "check", file)
	if got.code != exitUsage {
		t.Errorf("exit code %d", got.code)
	}
	for _, path := range []string{"colour:", "public.listen:", "shards:", "log.level (OPTGATE_LOG__LEVEL):"} {
		if strings.Count(got.err, "\n  "+path) != 1 {
			t.Errorf("not one line begins with %q:\n%s", path, got.err)
		}
	}
	write(t, file, "data_dir: ./elsewhere\n")
	if got := command(t, nil, "config", "check", file); got.code != exitFine {
		t.Errorf("a right configuration: %s", got.err)
	}
}

func TestConfigShowHidesSecrets(t *testing.T) {
	b := newBusiness()
	file := filepath.Join(t.TempDir(), "optgate.yaml")
	writeSettings(t, file, b.settings("./data", "127.0.0.1:0", "127.0.0.1:0", "http://127.0.0.1:1/v26.0"))
	got := command(t, nil, "config", "show", file)
	if got.code != exitFine || !strings.Contains(got.out, phoneNumberID) {
		t.Fatalf("exit code %d:\n%s%s", got.code, got.out, got.err)
	}
	for _, secret := range []string{b.token, b.operator, b.appSecret, b.verifyToken, accessToken} {
		if strings.Contains(got.out, secret) {
			t.Errorf("shows a secret")
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
