package hostfs

import (
	"strings"
	"testing"
)

// FuzzMountinfo: the mount that is found has the path, and what the kernel escaped in it reads as it was.
func FuzzMountinfo(f *testing.F) {
	f.Add("/host/run/reboot-required", "36 35 98:0 / / rw - ext4 /dev/root rw\n37 36 0:5 / /host/run rw - tmpfs tmpfs rw\n")
	f.Add("/a b", "1 1 0:1 / /a\\040b rw\n")
	f.Add("/x", "1 1 0:1 /gone//deleted /x rw\n1 1\n")
	f.Fuzz(func(t *testing.T, path, mountinfo string) {
		found, err := mountOf(path, strings.NewReader(mountinfo))
		if err != nil {
			return
		}
		if !within(path, found.point) {
			t.Fatalf("%q is not within %q", path, found.point)
		}
	})
}

// FuzzUnescape: escaping a text as the kernel does and reading it again changes nothing.
func FuzzUnescape(f *testing.F) {
	f.Add("a b\tc\\040\n")
	f.Fuzz(func(t *testing.T, text string) {
		escaped := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(text)
		if got := unescape(escaped); got != text {
			t.Fatalf("%q was escaped as %q and read as %q", text, escaped, got)
		}
	})
}
