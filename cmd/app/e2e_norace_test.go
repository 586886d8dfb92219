//go:build !race

package app_test

// raceFactor is how much more memory a gateway takes than without the race detector.
const raceFactor = 1
