package model_test

import (
	"testing"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestWhatIsCountedHasItsNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int32][3]string{
		0: {"0 pods", "0 nodes or groups", "are"}, 1: {"1 pod", "1 node or group", "is"}, 2: {"2 pods", "2 nodes or groups", "are"},
	} {
		got := [3]string{model.Count(n, "pod"), model.Counted(n, "node or group", "nodes or groups"), model.Form(n, "is", "are")}
		if got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}
