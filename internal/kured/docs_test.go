package kured_test

import (
	"os"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

func TestThePageHasEveryFlagOfKured(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/kured.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range kured.Flags() {
		if !strings.Contains(string(page), "`--"+flag+"`") {
			t.Errorf("docs/kured.md has no --%s", flag)
		}
	}
}
