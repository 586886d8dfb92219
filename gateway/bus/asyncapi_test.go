package bus

import (
	"fmt"
	"os"
	"testing"

	"go.yaml.in/yaml/v3"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// TestTheDocumentHasEveryTopicAsItIsCreated: asyncapi.yaml and topics.go name the same topics with the same settings.
func TestTheDocumentHasEveryTopicAsItIsCreated(t *testing.T) {
	text, err := os.ReadFile("asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Channels map[string]struct {
			Address    string
			Partitions string `yaml:"x-partitions"`
			Bindings   struct {
				Kafka struct {
					Topic map[string]any `yaml:"topicConfiguration"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	const shards = chat.Shards(64)
	for topic, s := range table(shards) {
		c, ok := document.Channels[string(topic)]
		if !ok {
			t.Errorf("asyncapi.yaml lacks %s", topic)
			continue
		}
		if c.Address != "optgate."+string(topic) {
			t.Errorf("%s: address %s", topic, c.Address)
		}
		partitions := map[string]int{"shards": int(shards), "half of shards": shards.Lanes()}[c.Partitions]
		if partitions != s.partitions {
			t.Errorf("%s: %q partitions, it has %d", topic, c.Partitions, s.partitions)
		}
		created := s.entries(false)
		for name, said := range c.Bindings.Kafka.Topic {
			if fmt.Sprint(said) != created[name] && fmt.Sprint(said) != "["+created[name]+"]" {
				t.Errorf("%s: %s is %v, it is created with %s", topic, name, said, created[name])
			}
		}
		for _, name := range []string{"cleanup.policy", "retention.ms", "max.message.bytes", "delete.retention.ms"} {
			if _, said := c.Bindings.Kafka.Topic[name]; !said && created[name] != "" {
				t.Errorf("%s: say %s", topic, name)
			}
		}
	}
	for name := range document.Channels {
		if _, ok := table(shards)[stream.Topic(name)]; !ok {
			t.Errorf("there is no topic %s, which asyncapi.yaml has", name)
		}
	}
}
