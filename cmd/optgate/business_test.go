package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func writeSettings(t *testing.T, path string, settings map[string]any) {
	t.Helper()
	data, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(data))
}

func TestSecretsOfABusinessOutliveARun(t *testing.T) {
	dir := t.TempDir()
	first, err := keptBusiness(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := keptBusiness(dir); err != nil || again != first {
		t.Errorf("another business at the next start: %v", err)
	}
	about, err := os.Stat(filepath.Join(dir, tokenFile))
	if err != nil || about.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v %v", about.Mode(), err)
	}
	if other := newBusiness(); other.token == first.token || first.token == first.operator {
		t.Errorf("tokens repeat")
	}
}
