package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// FuzzExitCodes: accepted input says whether a reboot is required for codes that a program itself exits with, and nothing else; writing it
// out gives the same again. So nothing but the text "Required" next to a code can ever mean that.
func FuzzExitCodes(f *testing.F) {
	for _, seed := range []string{
		"0=NotRequired,1=Required", "77=Required", "", ",", "1=Required,1=NotRequired", "01=Required", "+1=Required", "126=Required",
		"256=Required",
		"1=required", "1 =Required", "-1=Required", "1=Required,",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		codes, err := ParseExitCodes(text)
		if err != nil {
			if codes != nil || strings.TrimSpace(err.Error()) == "" {
				t.Fatalf("%q: %v with the error %v", text, codes, err)
			}
			return
		}
		var written []string
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			if code < 0 || code > maxExitCode || codes[code] != rebooter.SentinelRequired && codes[code] != rebooter.SentinelNotRequired {
				t.Fatalf("%q: code %d means %q", text, code, codes[code])
			}
			written = append(written, fmt.Sprintf("%d=%s", code, codes[code]))
		}
		if strings.Count(text, "=") != len(codes) {
			t.Fatalf("%q: %d codes", text, len(codes))
		}
		again, err := ParseExitCodes(strings.Join(written, ","))
		if err != nil || !maps.Equal(again, codes) {
			t.Fatalf("%q: %v became %v (%v)", text, codes, again, err)
		}
	})
}
