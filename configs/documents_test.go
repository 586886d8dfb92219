package configs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"optgate/configs"
)

// example takes the marks of a sample file's example away.
func example(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^#\|`).ReplaceAllString(string(text), "")
}

func TestDocsSamplesLoad(t *testing.T) {
	for file, embedded := range map[string]bool{"embedded.yaml": true, "production.yaml": false} {
		c, err := configs.Load(configs.Sources{File: filepath.Join("deploy", file)})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if c.Kafka.Embedded() != embedded || c.Redis.Embedded() != embedded {
			t.Errorf("%s: another kind of servers", file)
		}
		if len(c.Accounts) != 0 || len(c.Meta.Apps) != 0 {
			t.Errorf("%s: has a secret that everybody knows", file)
		}
		if c = load(t, example(t, file)); len(c.Accounts) != 1 || len(c.Meta.Apps) != 1 || len(c.Operator.Tokens) != 1 {
			t.Errorf("%s: its example is not whole", file)
		}
	}
}

func TestDocsProductionNamesEveryKey(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(example(t, "production.yaml")), &tree); err != nil {
		t.Fatal(err)
	}
	// What kafka shows of TLS need not be repeated for redis.
	tree["redis"].(map[string]any)["tls"] = tree["kafka"].(map[string]any)["tls"]
	missing(t, "", reflect.TypeFor[configs.Config](), []any{tree})
}

// missing reports each key of a group that none of the samples names.
func missing(t *testing.T, path string, group reflect.Type, samples []any) {
	for field := range group.Fields() {
		key := field.Tag.Get("yaml")
		var below []any
		for _, sample := range samples {
			if held, ok := sample.(map[string]any)[key]; ok {
				if list, ok := held.([]any); ok && len(list) > 0 {
					below = append(below, list...)
				} else {
					below = append(below, held)
				}
			}
		}
		if len(below) == 0 {
			t.Errorf("%s%s stands nowhere", path, key)
			continue
		}
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == group.PkgPath() && inner != reflect.TypeFor[configs.Secret]() {
			missing(t, path+key+".", inner, below)
		}
	}
}

func TestDocsComposeGivesWhatProductionLeavesOut(t *testing.T) {
	text, err := os.ReadFile("deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Command     []string
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for name, value := range compose.Services["gateway"].Environment {
		value = regexp.MustCompile(`\$\{([A-Z_]+)(:[^}]*)?\}`).ReplaceAllStringFunc(value, func(v string) string {
			switch name, fallback, _ := strings.Cut(strings.Trim(v, "${}"), ":"); {
			case strings.HasPrefix(fallback, "-"):
				return fallback[1:]
			case name == "PHONE_NUMBER_ID":
				return "155500000000001"
			default:
				return "value-of-" + name
			}
		})
		environ = append(environ, name+"="+value)
	}
	c, err := configs.Load(configs.Sources{File: "deploy/production.yaml", Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if c.Accounts[0].Channels[0].PhoneNumberID != "155500000000001" || c.Meta.Apps[0].Secrets[0].Empty() ||
		c.Kafka.SingleCopy != configs.Accepted {
		t.Errorf("%+v", c)
	}
	if redis := strings.Join(compose.Services["redis"].Command, " "); !strings.Contains(redis, "noeviction") || !strings.Contains(redis, "--appendonly yes") {
		t.Error("redis may forget:", redis)
	}
}

func TestDocsEveryKeyHasAComment(t *testing.T) {
	for _, file := range []string{"config.go", "account.go", "servers.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			field, ok := node.(*ast.Field)
			if !ok || field.Tag == nil {
				return true
			}
			obvious := strings.Contains("Username Password TLS SASL Enabled", field.Names[0].Name)
			if field.Comment == nil && field.Doc == nil && !obvious {
				t.Errorf("%s: %s has no comment", file, field.Names[0].Name)
			}
			return true
		})
	}
}
