package forecast_test

import (
	"testing"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
)

func TestFourNodesGoOneAfterTheOtherAsTheirAppRecovers(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newPolicy("p"))
	needing(s, "a", "n1", "n2", "n3", "n4")
	app(s, "web", "n1", "n2", "n3", "n4")
	f := forecast.Compute(forecast.Input{Snapshot: s, Now: start, History: took(minutes(1, 2, 4))})
	requireTimes(t, f, "n1 0s-5m0s", "n3 5m0s-10m0s", "n4 10m0s-15m0s", "n2 15m0s-20m0s")
	if got := minute(f.Policy("p").Finish); got != "20m0s" {
		t.Errorf("the rollout ends after %s, want 20m", got)
	}
}
