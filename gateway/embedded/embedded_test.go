package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/pipeline/stream"
)

func start(t *testing.T, dir string) *embedded.Embedded {
	t.Helper()
	e, err := embedded.Start(embedded.Options{Dir: dir, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func open(t *testing.T, address string) *bus.Bus {
	t.Helper()
	b, err := bus.Open(bus.Config{Brokers: []string{address}, Prefix: "optgate.", Shards: 2, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// values gives what stands in a partition.
func values(ctx context.Context, t *testing.T, b *bus.Bus, topic stream.Topic, partition int) []string {
	t.Helper()
	first, end, err := b.Ends(ctx, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	err = b.Read(ctx, topic, partition, first, end, func(r stream.Record) error {
		all = append(all, string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMain is also the process that TestKilledProcessesLoseNothing kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("OPTGATE_TEST_VICTIM"); dir != "" {
		fmt.Println(victim(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// victim publishes and says what was acknowledged, until it is killed.
func victim(dir string) error {
	e, err := embedded.Start(embedded.Options{Dir: dir})
	if err != nil {
		return err
	}
	b, err := bus.Open(bus.Config{Brokers: []string{e.Kafka}, Prefix: "optgate.", Shards: 2, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := b.Bootstrap(ctx, "installation", ""); err != nil {
		return err
	}
	owned := b.Own("shard", 0)
	if err := owned.Claim(ctx); err != nil {
		return err
	}
	for i := 0; ; i++ {
		r := &stream.Record{Topic: stream.Commands, Partition: 1, Value: fmt.Append(nil, i)}
		if err := b.Publish(ctx, r); err != nil {
			return err
		}
		base, err := owned.Append(ctx, stream.State, []*stream.Record{{Key: []byte("k"), Value: fmt.Append(nil, i)}})
		if err != nil {
			return err
		}
		fmt.Println("kept", r.Offset, base)
	}
}

func TestKilledProcessesLoseNothing(t *testing.T) {
	ctx, dir := within(t), t.TempDir()
	acknowledged, last := int64(0), int64(0)
	for round := range 3 {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), "OPTGATE_TEST_VICTIM="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if _, err := fmt.Sscanf(lines.Text(), "kept %d %d", &acknowledged, &last); err != nil {
				t.Fatalf("the victim of round %d says %q", round, lines.Text())
			}
			if n == 200 {
				if err := cmd.Process.Kill(); err != nil { // SIGKILL; what it still said before counts
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	b := open(t, start(t, dir).Kafka)
	if id, err := b.Bootstrap(ctx, "another", ""); err != nil || id != "installation" {
		t.Errorf("installation %q, %v", id, err)
	}
	if n := int64(len(values(ctx, t, b, stream.Commands, 1))); n <= acknowledged || acknowledged < 600 {
		t.Errorf("%d records, the last acknowledged one stood at %d", n, acknowledged)
	}
	if r, err := b.At(ctx, stream.State, 0, last); err != nil || string(r.Key) != "k" {
		t.Errorf("the last acknowledged state: %q, %v", r.Key, err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	if _, err := embedded.Start(embedded.Options{Dir: dir}); !errors.Is(err, embedded.ErrLocked) {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}

func TestAnotherFormatIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	e := start(t, dir)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "FORMAT")
	if err := os.WriteFile(path, []byte("optgate data, layout 99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Start(embedded.Options{Dir: dir})
	if !errors.Is(err, embedded.ErrFormat) || !strings.Contains(err.Error(), "layout 99") || !strings.Contains(err.Error(), "data_dir") {
		t.Errorf("data of a later version: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Start(embedded.Options{Dir: dir}); !errors.Is(err, embedded.ErrFormat) {
		t.Errorf("data of unknown origin: %v", err)
	}
}

// The directory in testdata was written by the version that FORMAT names, with the victim's loop cut short.
func TestOldDataStillOpens(t *testing.T) {
	ctx, dir := within(t), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/data")); err != nil {
		t.Fatal(err)
	}
	b := open(t, start(t, dir).Kafka)
	if id, err := b.Bootstrap(ctx, "new", "pinned"); err != nil || id != "pinned" {
		t.Fatalf("installation %q, %v", id, err)
	}
	if got := fmt.Sprint(values(ctx, t, b, stream.Consent, 0)); got != "[0 1 2 3 4]" {
		t.Errorf("consent %s", got)
	}
	if got := values(ctx, t, b, stream.State, 0); got[len(got)-1] != "4" {
		t.Errorf("state %s", got)
	}
	if left, err := b.Oldest(ctx, "commands", stream.Commands); err != nil || left.Lag != 0 {
		t.Errorf("a committed group is %d behind (%v)", left.Lag, err)
	}
}

func TestTheFormatNamesTheModuleThatIsUsed(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile("testdata/data/FORMAT")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(strings.TrimSpace(string(written)), "kfake ")
	if !strings.Contains(string(mod), "franz-go/pkg/kfake "+version+"\n") {
		t.Errorf("testdata was written by kfake %s, and go.mod uses another: see format.go", version)
	}
}

func TestOnlyTheLoopbackInterfaceIsOpen(t *testing.T) {
	e := start(t, filepath.Join(t.TempDir(), "made", "for", "us"))
	for _, address := range []string{e.Kafka, e.Redis} {
		host, _, err := net.SplitHostPort(address)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("address %s (%v)", address, err)
		}
	}
}

// Leases must end by themselves.
func TestRedisForgetsByTheClock(t *testing.T) {
	e := start(t, t.TempDir())
	ctx := within(t)
	client := redis.NewClient(&redis.Options{Addr: e.Redis})
	defer client.Close()
	if err := client.Set(ctx, "lease", "1", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for client.Exists(ctx, "lease").Val() != 0 {
		if ctx.Err() != nil {
			t.Fatal("the lease never ended")
		}
	}
}

// Deleting a data directory's contents is how a user starts anew; nothing else may be there but what is documented.
func TestTheDirectoryHoldsWhatIsDocumented(t *testing.T) {
	dir := t.TempDir()
	if err := start(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := fmt.Sprint(names); got != "[FORMAT LOCK kafka]" {
		t.Errorf("it holds %s", got)
	}
}
