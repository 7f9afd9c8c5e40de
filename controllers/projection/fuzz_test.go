package projection

import (
	"maps"
	"testing"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// FuzzSlots: an entry of the slots object that can be read is written as what reads the same. Any other is an empty slot, which belongs to
// no attempt.
func FuzzSlots(f *testing.F) {
	for _, seed := range []string{
		`{"nodeReboot":"a","uid":"u","attempt":1}`, `{"nodeReboot":"a/b","uid":"u","attempt":2147483647}`, `{"attempt":-1}`, `null`,
		`7`, ``, `{"attempt":1e3}`,
		`{"nodeReboot":"\ud800","attempt":1,"renewed":-5}`, `{"NODEREBOOT":"a","nodeReboot":"b","attempt":1}`,
	} {
		f.Add("node-a", seed)
	}
	f.Fuzz(func(t *testing.T, node, entry string) {
		read := DecodeSlots(map[string]string{node: entry})
		if len(read) != 1 {
			t.Fatalf("%q: %d slots", entry, len(read))
		}
		slot, known := read[node]
		if !known || slot.Gone || slot != (plan.Slot{}) && (slot.Attempt < 1 || slot.Attempt > maxAttempt) {
			t.Fatalf("%q is read as %+v", entry, slot)
		}
		written, err := EncodeSlots(read)
		if err != nil {
			t.Fatalf("%q: %v", entry, err)
		}
		if again := DecodeSlots(written); !maps.Equal(again, read) {
			t.Fatalf("%q: %+v became %+v", entry, read, again)
		}
	})
}
