package model

import "fmt"

// Count writes a number and what it counts: "1 pod", "3 pods". The plural adds an s.
func Count[N ~int | ~int32 | ~int64](n N, one string) string { return Counted(n, one, one+"s") }

// Counted writes a number and what it counts, given in both numbers.
func Counted[N ~int | ~int32 | ~int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Form is one if a number is 1, and else many.
func Form[N ~int | ~int32 | ~int64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
