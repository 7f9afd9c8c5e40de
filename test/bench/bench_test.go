package bench

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

func TestNothingThatIsStableIsWorseThanTheBaseline(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	baseline := Baseline{}
	if err := readJSON(root, baselineFile, &baseline); err != nil {
		t.Fatal(err)
	}
	now, err := slice(ctx, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	for _, worse := range compare(baseline, now) {
		t.Error(worse)
	}
	for _, better := range better(baseline, now) {
		t.Log("better: ", better)
	}
	if t.Failed() {
		t.Logf("If that is meant, run `make bench-baseline`, commit %s, and say in the commit what is worse and why.", baselineFile)
	}
}
