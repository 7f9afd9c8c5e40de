package projection

import (
	"strings"
	"testing"
	"unicode/utf8"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
)

// Half a character reads as another one after it was written, so a message with it would be written again and again.
func TestWhatIsKeptOfALongTextAreWholeCharacters(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ holder, want string }{
		"as long as what is kept":          {strings.Repeat("x", maxText), strings.Repeat("x", maxText)},
		"a byte longer":                    {strings.Repeat("x", maxText+1), strings.Repeat("x", maxText)},
		"a character that would be halved": {strings.Repeat("x", maxText-1) + "é", strings.Repeat("x", maxText-1)},
		"none but such characters":         {strings.Repeat("é", maxText), strings.Repeat("é", maxText/2)},
	} {
		lease := &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To(tc.holder)}}
		if kept := *StripLease(lease).Spec.HolderIdentity; kept != tc.want || !utf8.ValidString(kept) {
			t.Errorf("%s: %q is kept, want %q", name, kept, tc.want)
		}
	}
}
