package manifests

import (
	"strings"
	"testing"
)

// Before Kubernetes 1.36 the API server does not know the kind, and the whole installation would fail.
func TestNamesAreFilledInOnlyWhereTheAPIServerCan(t *testing.T) {
	for name, want := range map[string]int{"default": 2, "overlays/signal": 2, "overlays/before-1.36": 0} {
		rendered, err := Render(name)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, object := range rendered {
			if !strings.HasPrefix(object.Kind(), "MutatingAdmissionPolicy") {
				continue
			}
			got++
			if spec, _ := object["spec"].(map[string]any); object.Kind() == "MutatingAdmissionPolicy" && spec["failurePolicy"] != "Fail" {
				t.Errorf("%s: %s lets through what it cannot decide", name, object.Name())
			}
		}
		if got != want {
			t.Errorf("%s has %d of them, want %d", name, got, want)
		}
	}
}
