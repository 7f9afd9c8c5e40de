package machine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzOSRelease: whatever a host says about itself, what is reported of it is short, valid and in one line.
func FuzzOSRelease(f *testing.F) {
	f.Add("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
	f.Add("ID='\\$\\`'\nPRETTY_NAME=\"\xff\n")
	f.Add("=\nID=\nID\n\"")
	f.Fuzz(func(t *testing.T, content string) {
		system := parseOSRelease(content)
		for _, text := range []string{system.id, system.name} {
			if len(text) > maxOSName || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r") {
				t.Fatalf("%q: %q", content, text)
			}
		}
	})
}
