package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatMakeTestDoesNotRunIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Makefile")
	text := "##@ Build\n\nbuild: ## Build.\n\n##@ Test\n\nTESTS := test-unit\nNO_TESTS := demo\n\ntest: ## Run all.\n\t$(MAKE) $(TESTS)\n\n" +
		"test-unit: ## Run some.\n\ndemo: ## Show it.\n\nchaos: build ## Break it (SEED=3).\n\n##@ Verify\n\nlint: ## Lint.\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := leftOut(file)
	if diff := cmp.Diff([]string{"make chaos              Break it (SEED=3)."}, lines); diff != "" || err != nil {
		t.Errorf("error %v, left out (-want +got):\n%s", err, diff)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "NO_TESTS", "OTHER")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := leftOut(file); err == nil {
		t.Error("nobody knows which targets are tests, and there is no error")
	}
}

func TestTheMakefileSaysWhatMakeTestDoesNotRun(t *testing.T) {
	lines, err := leftOut("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(lines, "\n")
	for _, name := range []string{"test-node", "test-versions", "chaos", "soak", "simulate", "fuzz", "mutate", "guards", "bench", "scale"} {
		if !strings.Contains(text, "make "+name+" ") {
			t.Errorf("it does not say make %s:\n%s", name, text)
		}
	}
	for _, name := range []string{"test-unit", "test-envtest", "test-chart", "test-browser", "test-e2e", "demo", "cluster", "screenshots"} {
		if strings.Contains(text, "make "+name+" ") {
			t.Errorf("it says make %s:\n%s", name, text)
		}
	}
}
