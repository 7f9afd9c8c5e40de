package bench

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/mod/semver"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/test/repository"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// requestsName is the figure of the baseline that depends on the version of Kubernetes.
const requestsName = "rollout: requests per reboot"

func TestNothingThatIsStableIsWorseThanTheBaseline(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	root, err := repository.Root()
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
	// Before 1.36 the manager looks up the pod of each eviction, and helpers ask twice what they may: see ADR 35.
	if version := os.Getenv(testbed.VersionVariable); version != "" && semver.Compare("v"+version, "v1.36.0") < 0 {
		t.Logf("requests are compared from Kubernetes 1.36 on, and not on %s; writes are", version)
		delete(baseline, requestsName)
		now = slices.DeleteFunc(now, func(g guarded) bool { return g.name == requestsName })
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
