//go:build race

package app_test

// raceFactor is how much more memory the race detector takes.
const raceFactor = 12
