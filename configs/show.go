package configs

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Show writes the whole configuration as YAML, every default included, every secret as Redacted.
func (c *Config) Show() ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(c); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return out.Bytes(), nil
}
