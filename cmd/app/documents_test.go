package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents gives the text of each document at the top.
func documents(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"} {
		if texts[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	return texts
}

func TestDocsNameFilesThatExist(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]+)[^):]*\)`)
	// A path in backquotes that begins with a folder of ours; one with a placeholder or a pattern names no file.
	quoted := regexp.MustCompile("`((?:cmd|configs|gateway|pipeline|ratelimit|bench|\\.ci)/[^`<*{ ]+)`")
	for name, text := range documents(t) {
		for _, found := range append(link.FindAllStringSubmatch(text, -1), quoted.FindAllStringSubmatch(text, -1)...) {
			if _, err := os.Stat(filepath.Join("..", "..", found[1])); err != nil {
				t.Errorf("%s names %s: %v", name, found[1], err)
			}
		}
	}
}

func TestDocsNameTargetsThatExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, target := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[target[1]] = true
	}
	command := regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)")
	for name, text := range documents(t) {
		for _, found := range command.FindAllStringSubmatch(text, -1) {
			if !targets[found[1]] {
				t.Errorf("%s: the Makefile has no %s", name, found[1])
			}
		}
	}
	if !targets["run"] || !strings.Contains(string(makefile), ".DEFAULT_GOAL := help") {
		t.Error("make alone must list the targets, run among them")
	}
}
