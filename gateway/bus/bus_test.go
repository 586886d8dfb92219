package bus_test

import (
	"os"
	"strings"
	"testing"

	"optgate/gateway/bus/bustest"
	"optgate/gateway/embedded"
)

func TestEmbeddedKafka(t *testing.T) {
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	bustest.Run(t, []string{e.Kafka})
}

// TestRealKafka tries the brokers that OPTGATE_TEST_KAFKA names, if any.
func TestRealKafka(t *testing.T) {
	for brokers := range strings.FieldsSeq(os.Getenv("OPTGATE_TEST_KAFKA")) {
		bustest.Run(t, strings.Split(brokers, ","))
	}
}
