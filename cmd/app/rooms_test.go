package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rooms is the house: every folder that may hold Go files, and what its files may import of the others. Read downwards,
// nothing points up. A folder belongs to the longest of these that it is in.
var rooms = map[string]struct {
	may []string // rooms besides itself
	why string
}{
	"pipeline/stream": {nil, "nouns of what is kept; nothing stands below them"},
	"pipeline/fault":  {nil, "the error with its kind; nothing stands below it"},
	"ratelimit":       {nil, "arithmetic of limits; counting over the fleet comes by an interface"},
	"pipeline/chat":   {[]string{"pipeline/stream", "pipeline/fault"}, "the shared nouns; they know no rule"},

	"pipeline": {[]string{"pipeline", "ratelimit"}, "decides everything and touches nothing: a door comes by an interface of its own"},
	"configs":  {[]string{"pipeline/chat"}, "says what an operator decided; doors and rules get plain values of it from cmd/app"},

	"gateway/httpd":    {below, "a server as a worker; it knows no route"},
	"gateway/ingress":  {append([]string{"gateway/httpd", "gateway/meta"}, below...), "the public listener"},
	"gateway/api":      {append([]string{"gateway/httpd"}, below...), "the private listener"},
	"gateway/console":  {append([]string{"gateway/httpd"}, below...), "pages"},
	"gateway/meta":     {below, "Meta's JSON in both directions"},
	"gateway/webcall":  {below, "calls to customers' addresses"},
	"gateway/bus":      {below, "Kafka"},
	"gateway/store":    {below, "Redis"},
	"gateway/metrics":  {below, "Prometheus"},
	"gateway/embedded": {nil, "hands out addresses; nobody else knows that they are inside"},

	"cmd/app":     {[]string{"configs", "gateway", "pipeline", "ratelimit"}, "introduces doors and rules to each other"},
	"cmd/optgate": {[]string{"cmd/app", "configs", "gateway/meta/fake", "pipeline", "ratelimit"}, "the command line; what the gateway does is cmd/app's"},
	"bench":       {[]string{"cmd/app", "configs", "gateway/meta/fake", "pipeline/chat"}, "proof: it boots the program and knows no room"},
}

// below is what every door may import: doors do not know each other.
var below = []string{"pipeline", "ratelimit"}

// libraries are the foreign things, and the rooms that may touch each. What is not named here may not come in at all.
var libraries = map[string]struct {
	rooms []string
	why   string
}{
	"github.com/segmentio/kafka-go":   {[]string{"gateway/bus", "bench"}, "its traps are dealt with there, once; bench measures a peer that uses it plainly, and looks into topics from outside"},
	"github.com/redis/go-redis":       {[]string{"gateway/store"}, "only there is it known what each key is folded from"},
	"github.com/valyala/fasthttp":     {[]string{"gateway/httpd", "gateway/ingress", "gateway/api", "gateway/console", "gateway/webcall", "bench"}, "its contexts must not be kept"},
	"github.com/prometheus":           {[]string{"gateway/metrics"}, "names every metric and guards the labels"},
	"github.com/twmb/franz-go":        {[]string{"gateway/embedded", "bench"}, "Kafka inside the process; bench also measures its client as a peer"},
	"github.com/alicebob/miniredis":   {[]string{"gateway/embedded"}, "Redis inside the process"},
	"github.com/nyaruka/phonenumbers": {[]string{"pipeline/chat"}, "one canonical form of phones, which the ledger rests on"},
	"golang.org/x/text":               {[]string{"pipeline", "configs"}, "folding of words; countries"},
	"github.com/sony/gobreaker":       {[]string{"pipeline/feed"}, "breakers of URLs: arithmetic and a clock"},
	"golang.org/x/time":               {[]string{"ratelimit"}, "limits of one process"},
	"github.com/knadh/koanf":          {[]string{"configs"}, "layers of configuration"},
	"go.yaml.in/yaml":                 {[]string{"configs"}, "the configuration file"},
	"github.com/schollz/progressbar":  {[]string{"cmd/optgate"}, "what a person sees of a long upload"},
	"github.com/alecthomas/kong":      {[]string{"cmd/optgate"}, "the command line"},
	"github.com/rs/zerolog":           {[]string{"cmd", "gateway", "pipeline", "bench"}, "the logger"},
	"golang.org/x/crypto":             {[]string{"gateway", "pipeline"}, "pure arithmetic"},
	"github.com/cespare/xxhash":       {[]string{"gateway"}, "pure arithmetic"},
	"github.com/HdrHistogram":         {[]string{"bench"}, "latencies without gaps"},
	"github.com/Shopify/toxiproxy":    {[]string{"bench/torture"}, "cables that can be cut"},
	"pgregory.net/rapid":              {[]string{"cmd/app/shardtest", "gateway/bus/bustest", "gateway/store/storetest"}, "random orders, for suites of tests"},
	"github.com/getkin/kin-openapi":   {[]string{"gateway/api/apitest"}, "answers are held against the document in tests alone"},
	"github.com/klauspost/compress":   {[]string{"gateway/bus"}, "compression of record batches"},
}

// touching are the parts of the standard library by which rules could touch the world.
var touching = []string{"net", "net/http", "net/smtp", "os", "os/exec", "os/signal", "syscall", "database/sql", "plugin", "net/rpc"}

func TestEveryImportIsInItsRoom(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "data"):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		short, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen++
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if reason := wrong(filepath.ToSlash(short), imported); reason != "" {
				t.Errorf("%s imports %s: %s", short, imported, reason)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Errorf("looked at %d files only", seen)
	}
}

// wrong says why a file must not import something; "" where it may.
func wrong(file, imported string) string {
	folder := path.Dir(file)
	room := roomOf(folder)
	own, internal := strings.CutPrefix(imported, "optgate/")
	if strings.HasSuffix(file, "_test.go") {
		if internal && inside(folder, "pipeline") && inside(own, "cmd") {
			return "rules are tested without the program"
		}
		return ""
	}
	if room == "" {
		return "its folder is no room: name it in the table of rooms, with a reason"
	}
	if internal {
		return wrongRoom(room, own)
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") { // the standard library
		for _, touches := range touching {
			if imported == touches && (inside(room, "pipeline") || room == "ratelimit") {
				return "rules touch nothing of the world"
			}
		}
		return ""
	}
	for library, allowed := range libraries {
		if !inside(imported, library) {
			continue
		}
		for _, r := range allowed.rooms {
			if inside(folder, r) {
				return ""
			}
		}
		return "belongs to " + strings.Join(allowed.rooms, ", ") + ": " + allowed.why
	}
	return "a new dependency: name it in the table of libraries, with its room and a reason"
}

// wrongRoom says why a room must not import a folder of another.
func wrongRoom(room, imported string) string {
	if inside(imported, room) {
		return ""
	}
	for _, may := range rooms[room].may {
		if inside(imported, may) {
			return ""
		}
	}
	return room + " may not: " + rooms[room].why
}

// roomOf gives the longest room that a folder is in; "" where it is in none.
func roomOf(folder string) string {
	found := ""
	for room := range rooms {
		if inside(folder, room) && len(room) > len(found) {
			found = room
		}
	}
	return found
}

// inside says whether a path is the other one or below it.
func inside(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '/')
}

func TestAnImportInTheWrongRoomIsFound(t *testing.T) {
	for _, c := range []struct {
		file, imported string
		allowed        bool
	}{
		{"gateway/bus/bus.go", "github.com/segmentio/kafka-go/protocol", true},
		{"gateway/bus/bustest/suite.go", "github.com/segmentio/kafka-go", true},
		{"gateway/store/store.go", "github.com/segmentio/kafka-go", false},
		{"pipeline/shard/owner.go", "github.com/segmentio/kafka-go", false},
		{"pipeline/outbound/lane.go", "optgate/gateway/store", false},
		{"pipeline/outbound/lane.go", "optgate/ratelimit", true},
		{"pipeline/optout/fold.go", "golang.org/x/text/cases", true},
		{"pipeline/optout/fold.go", "net/http", false},
		{"pipeline/optout/fold.go", "net/url", true},
		{"pipeline/chat/channel.go", "optgate/pipeline/optout", false},
		{"pipeline/chat/outbound.go", "optgate/pipeline/stream", true},
		{"pipeline/stream/stream.go", "optgate/pipeline/chat", false},
		{"pipeline/inbound/end_test.go", "optgate/cmd/app", false},
		{"pipeline/inbound/real_test.go", "optgate/gateway/embedded", true},
		{"ratelimit/exact.go", "optgate/gateway/store", false},
		{"gateway/ingress/webhook.go", "optgate/gateway/meta", true},
		{"gateway/ingress/webhook.go", "optgate/gateway/bus", false},
		{"gateway/ingress/webhook.go", "optgate/cmd/app", false},
		{"gateway/api/api.go", "optgate/configs", false},
		{"gateway/api/api.go", "optgate/gateway/meta", false},
		{"gateway/meta/fake/fake.go", "optgate/gateway/meta", true},
		{"gateway/embedded/kafka.go", "github.com/twmb/franz-go/pkg/kfake", true},
		{"cmd/app/app.go", "optgate/gateway/bus", true},
		{"cmd/app/app.go", "optgate/cmd/optgate", false},
		{"cmd/app/app.go", "github.com/valyala/fasthttp", false},
		{"cmd/optgate/simulate.go", "optgate/gateway/meta/fake", true},
		{"cmd/optgate/serve.go", "optgate/gateway/bus", false},
		{"bench/load.go", "optgate/gateway/bus", false},
		{"gateway/sms/sms.go", "fmt", false},
		{"configs/load.go", "github.com/spf13/viper", false},
	} {
		if reason := wrong(c.file, c.imported); (reason == "") != c.allowed {
			t.Errorf("%s imports %s: %q", c.file, c.imported, reason)
		}
	}
}
