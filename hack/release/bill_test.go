package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// bill is what cyclonedx-gomod writes, shortened. The tool's hashes are those of its executable on one machine.
func bill(machine string) string {
	return `{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 12345678901234567890, "metadata": {
  "tools": [{"vendor": "CycloneDX", "name": "it", "version": "v1.10.0", "hashes": [{"alg": "SHA-256", "content": "` + machine + `"}]}],
  "component": {"name": "a <b>", "hashes": [{"alg": "SHA-256", "content": "program"}]}},
 "components": [{"name": "module", "hashes": [{"alg": "SHA-256", "content": "module"}]}]}`
}

func TestABillDoesNotDependOnTheMachineThatWroteIt(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"CycloneDX 1.4": func(text string) string { return text },
		"CycloneDX 1.5": func(text string) string {
			return strings.NewReplacer(`"tools": [`, `"tools": {"components": [`, `}]}],`, `}]}]},`).Replace(text)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			write(t, folder+"/first.json", change(bill("first")))
			write(t, folder+"/second.json", change(bill("second")))
			do(t, "bill", folder+"/first.json", folder+"/second.json")
			first, second := read(t, folder+"/first.json"), read(t, folder+"/second.json")
			if first != second {
				t.Errorf("first\n%s\nsecond\n%s", first, second)
			}
			for text, want := range map[string]bool{
				`"content": "first"`: false, `"content": "program"`: true, `"content": "module"`: true,
				`"version": 12345678901234567890`: true, `"a <b>"`: true, `"v1.10.0"`: true,
			} {
				if strings.Contains(first, text) != want {
					t.Errorf("%s is there: %t, want %t, in\n%s", text, !want, want, first)
				}
			}
		})
	}
}

func TestWhatIsNotABillIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":   "EOF",
		"{}": "not a CycloneDX",
		strings.Replace(bill("x"), "CycloneDX", "SPDX", 1):       "not a CycloneDX",
		strings.Replace(bill("x"), `"tools"`, `"wheels"`, 1):     "not a CycloneDX",
		`{"bomFormat": "CycloneDX", "metadata": {"tools": [1]}}`: "expected an object",
	} {
		file := t.TempDir() + "/it.json"
		write(t, file, text)
		if err := run(context.Background(), []string{"bill", file}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", text, err, want)
		}
		if read(t, file) != text {
			t.Errorf("%s was changed", text)
		}
	}
	if err := run(context.Background(), []string{"bill"}, io.Discard); err == nil || !strings.Contains(err.Error(), "no files") {
		t.Errorf("without files: %v", err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
