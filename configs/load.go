package configs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

// Sources is where a configuration comes from. What stands later here wins.
type Sources struct {
	File    string         // YAML or JSON; empty: none
	Environ []string       // as os.Environ gives it; of it only OPTGATE_ counts
	Flags   map[string]any // a key's path, as public.listen, to its value: a text is read as the environment's are, a whole group or list takes the place of the file's
}

// Load reads defaults, file, environment and flags, in this order, and checks the whole. Its error is Problems where the
// configuration is at fault: every unknown key and every invalid value at once.
//
// In the environment OPTGATE_KAFKA__BROKERS=a:9092,b:9092 sets kafka.brokers: the path in upper case, levels joined by two
// underscores, the elements of a list by commas. A number names one element of a list, or the next one to be added:
// OPTGATE_META__APPS__0__SECRETS. OPTGATE_CONFIG, OPTGATE_API and OPTGATE_TOKEN belong to the command line, OPTGATE_TEST_
// to the tests, and what Kubernetes sets for services is passed over.
func Load(from Sources) (*Config, error) {
	tree := koanf.New(".")
	if from.File != "" {
		data, err := os.ReadFile(from.File)
		if err != nil {
			return nil, fmt.Errorf("configuration file: %w", err)
		}
		if err := tree.Load(rawbytes.Provider(data), document{}); err != nil {
			return nil, Problems{{Detail: from.File + ": " + err.Error()}}
		}
	}
	laid := overlay{sources: map[string]string{}}
	variables := env.Provider("", env.Opt{
		Prefix: "OPTGATE_", TransformFunc: variable, EnvironFunc: func() []string { return from.Environ },
	})
	if err := tree.Load(variables, nil, koanf.WithMergeFunc(laid.lay)); err != nil {
		return nil, fmt.Errorf("configuration from the environment: %w", err)
	}
	flags := confmap.Provider(flagged(from.Flags), "")
	if err := tree.Load(flags, nil, koanf.WithMergeFunc(laid.lay)); err != nil {
		return nil, fmt.Errorf("configuration from flags: %w", err)
	}

	config := &Config{}
	found := laid.problems
	found = append(found, decode(tree.Raw(), config)...)
	found = append(found, config.problems(found)...)
	if len(found) > 0 {
		return nil, laid.sourced(found)
	}
	config.settle()
	return config, nil
}

// document parses one YAML document whose top is a group of keys. JSON is YAML, too.
type document struct{}

// Unmarshal parses; a key that stands twice is an error.
func (document) Unmarshal(data []byte) (map[string]any, error) {
	if json.Valid(data) {
		data = escape.ReplaceAllFunc(data, unescape)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var top yaml.Node
	if err := decoder.Decode(&top); err != nil {
		if errors.Is(err, io.EOF) {
			return map[string]any{}, nil
		}
		return nil, syntax(err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one document; keep one")
	}
	if top.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("is no group of keys; begin with one, as data_dir: ./data")
	}
	var tree map[string]any
	if err := top.Decode(&tree); err != nil {
		return nil, syntax(err)
	}
	return tree, nil
}

// Marshal writes; koanf asks for it and Show does not use it.
func (document) Marshal(tree map[string]any) ([]byte, error) { return yaml.Marshal(tree) }

// escape finds JSON's escapes one after the other, a surrogate pair as one.
var escape = regexp.MustCompile(`\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

// unescape resolves the two escapes of JSON that the YAML parser does not know: an escaped slash and a surrogate pair.
func unescape(found []byte) []byte {
	if string(found) != `\/` && len(found) == 2 {
		return found
	}
	var text string
	if err := json.Unmarshal([]byte(`"`+string(found)+`"`), &text); err != nil {
		return found
	}
	return []byte(text)
}

// quoted finds what the YAML parser quotes of a file, which may be a secret.
var quoted = regexp.MustCompile("`[^`]*`")

func syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.Join(strings.Fields(text), " ")
	return errors.New("can't be read as YAML: " + quoted.ReplaceAllString(text, "a value"))
}
