package kured

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// version of kured, as far as its image says it.
type version struct {
	known        bool
	major, minor int
}

var numbers = regexp.MustCompile(`^v?(\d+)\.(\d+)(\.\d+)?$`)

// versionOf the tag of an image.
func versionOf(tag string) version {
	match := numbers.FindStringSubmatch(tag)
	if match == nil {
		return version{}
	}
	major, _ := strconv.Atoi(match[1])
	minor, _ := strconv.Atoi(match[2])
	return version{known: true, major: major, minor: minor}
}

// tagOf an image, such as ghcr.io/kubereboot/kured:1.23.0@sha256:...
func tagOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	last := image[strings.LastIndex(image, "/")+1:]
	_, tag, _ := strings.Cut(last, ":")
	return tag
}

// before says that it is known to be older than 1.minor.
func (v version) before(minor int) bool {
	return v.known && (v.major < 1 || v.major == 1 && v.minor < minor)
}

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }
