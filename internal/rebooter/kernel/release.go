// Package kernel finds out, without a program of the host, whether it runs an older kernel than the newest one that is installed.
package kernel

import (
	"cmp"
	"regexp"
	"strings"
)

// release is what uname calls the release of a kernel, such as 6.8.0-31-generic.
type release string

var (
	// rpmDist is the mark of a distribution of RPMs: el9_4, el9uek, fc40, amzn2023. Its number changes when the distribution is updated.
	rpmDist = regexp.MustCompile(`[.](el|fc|amzn)[0-9][0-9_]*([a-z][a-z0-9]*)?([.+-].*)?$`)
	// realtime marks such a kernel of RHEL before 9.3, as in 4.18.0-553.rt7.342.el8_10.x86_64.
	realtime = regexp.MustCompile(`[.]rt[0-9]+[.]`)
	// candidate is a version before its release: 6.10-rc7-amd64. It is no flavor.
	candidate = regexp.MustCompile(`^rc[0-9]+$`)
	digits    = regexp.MustCompile(`[0-9]+`)
)

// flavor is what kernels that replace each other have in common: "generic" and "azure" do not replace each other, and a kernel that someone
// built replaces neither.
func (r release) flavor() string {
	if dist := rpmDist.FindStringSubmatch(string(r)); dist != nil {
		// The distribution without its version, the architecture, and a variant such as +debug.
		name := dist[1] + dist[2]
		if realtime.MatchString(string(r)) {
			name += ".rt"
		}
		return name + dist[3]
	}
	parts := strings.Split(string(r), "-")
	first := len(parts)
	for first > 1 && named(parts[first-1]) {
		first--
	}
	if first < len(parts) {
		return strings.Join(parts[first:], "-")
	}
	// Arch Linux has it in the middle: 6.9.1-arch1-1.
	var names []string
	for _, part := range parts[1:] {
		if named(part) {
			names = append(names, digits.ReplaceAllString(part, ""))
		}
	}
	return strings.Join(names, "-")
}

// named tells that a part of a release is not only a number.
func named(part string) bool {
	return strings.ContainsFunc(
		part, func(c rune) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' },
	) && !candidate.MatchString(part)
}

// version is the release without what says nothing about its age.
func (r release) version() string {
	if dist := rpmDist.FindStringIndex(string(r)); dist != nil {
		return string(r)[:dist[0]]
	}
	return strings.TrimSuffix(string(r), "-"+r.flavor())
}

// compare orders two releases of a flavor by age, as package managers do: numbers by value, and what comes before a release first.
func compare(a, b release) int {
	left, right := segments(a.version()), segments(b.version())
	for i := range max(len(left), len(right)) {
		if order := compareSegments(at(left, i), at(right, i)); order != 0 {
			return order
		}
	}
	return 0
}

var segment = regexp.MustCompile(`[0-9]+|[a-zA-Z]+`)

func segments(version string) []string { return segment.FindAllString(version, -1) }

func at(segments []string, i int) string {
	if i < len(segments) {
		return segments[i]
	}
	return ""
}

// compareSegments orders "rc" before the end, the end before a word, and a word before a number.
func compareSegments(a, b string) int {
	rankA, rankB := rank(a), rank(b)
	if rankA != rankB {
		return cmp.Compare(rankA, rankB)
	}
	if rankA != rankNumber {
		return strings.Compare(a, b)
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

const (
	rankCandidate = iota
	rankEnd
	rankWord
	rankNumber
)

func rank(segment string) int {
	switch {
	case segment == "rc":
		return rankCandidate
	case segment == "":
		return rankEnd
	case segment[0] >= '0' && segment[0] <= '9':
		return rankNumber
	default:
		return rankWord
	}
}
