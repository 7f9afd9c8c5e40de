package rebooter

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheBootIDIsTheKernels(t *testing.T) {
	for name, test := range map[string]struct {
		content *string
		want    string
	}{
		"as the kernel writes it": {new("5b0c4a4e\n"), "5b0c4a4e"},
		"empty":                   {content: new("\n")},
		"no such file":            {},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			folder := filepath.Join(root, "proc", "sys", "kernel", "random")
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if test.content != nil {
				if err := os.WriteFile(filepath.Join(folder, "boot_id"), []byte(*test.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if id, err := BootID(root); id != test.want || (err == nil) != (test.want != "") {
				t.Errorf("%q, %v, want %q", id, err, test.want)
			}
		})
	}
}
