package configs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"

	"optgate/configs"
)

func TestASecretPrintsNowhere(t *testing.T) {
	const canary = "velvet-otter"
	s := configs.NewSecret(canary)
	type inner struct{ hidden, pointer any }
	held := struct {
		S      configs.Secret
		p      *configs.Secret
		hidden configs.Secret
		list   []configs.Secret
		inner  inner
	}{s, &s, s, []configs.Secret{s}, inner{s, &s}}

	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10.3s"} {
		printed = append(printed, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, held), fmt.Sprintf(verb, &held))
	}
	printed = append(printed, fmt.Sprint(s), fmt.Sprintln(&held), fmt.Errorf("%w: %v", fmt.Errorf("%v", s), held).Error())
	for _, v := range []any{s, &s, held, map[string]configs.Secret{"a": s}, map[configs.Secret]int{s: 1}} {
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed = append(printed, string(asJSON))
	}
	asYAML, err := yaml.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := zerolog.New(&logged)
	log.Info().Any("s", s).Interface("held", held).Stringer("text", s).Str("fmt", fmt.Sprint(s)).Fields(map[string]any{"f": s}).Send()
	printed = append(printed, string(asYAML), logged.String())

	for _, text := range printed {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("printed: %s", text)
		}
	}
	for text, want := range map[string]string{
		fmt.Sprint(s): "[redacted]", fmt.Sprintf("%q", s): "[redacted]", string(asYAML): "p: '[redacted]'\ns: '[redacted]'\n",
		s.Reveal(): canary, fmt.Sprint(configs.Secret{}): "", configs.Secret{}.Reveal(): "",
	} {
		if text != want {
			t.Errorf("%q, not %q", text, want)
		}
	}
}

func TestSecretsCompare(t *testing.T) {
	a, b := configs.NewSecret("a"), configs.NewSecret("b")
	if !a.Equal(configs.NewSecret("a")) || a.Equal(b) || a.Equal(configs.Secret{}) || !(configs.Secret{}).Equal(configs.NewSecret("")) {
		t.Error("secrets of one text are equal, others are not")
	}
	if !configs.NewSecret("").Empty() || a.Empty() {
		t.Error("only a secret without text is empty")
	}
}

func TestShowIsWholeAndRedacted(t *testing.T) {
	c := load(t, sample)
	shown, err := c.Show()
	if err != nil {
		t.Fatal(err)
	}
	text := string(shown)
	for _, want := range []string{
		"data_dir: /tmp/optgate\n", "webhook_bytes: 3145728\n", "- 10.1.0.0/16\n", "phone_number_id: \"1555\"\n", "shards: 64\n",
		"verify_token: '[redacted]'\n", "master: \"\"\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, s := range []string{"root-token", "acme-token", "verify-me", "current", "previous", "password: p\n", "access_token: at\n"} {
		if strings.Contains(text, s) {
			t.Errorf("shows %s", s)
		}
	}
	// Shown, with its secrets put back in, it is the same configuration.
	for i := range 20 {
		text = strings.Replace(text, "'[redacted]'", fmt.Sprintf("s%d", i), 1)
	}
	again, err := load(t, text).Show()
	if err != nil || !bytes.Equal(again, shown) {
		t.Errorf("shown again: %v\n%s", err, again)
	}
}
