package projection

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOfALongMessageTheEndIsKept(t *testing.T) {
	long := strings.Repeat("ü: ", 500) + "exec format error"
	got := lastOf(long)
	if len(got) > maxProblem || !strings.HasPrefix(got, "...") || !strings.HasSuffix(got, "exec format error") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestANodeOnWhichNoHelperCanRunIsToldFromOneThatWaitsForIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outside Outside
		want    bool
	}{
		"no DaemonSet tolerates it": {Outside{Problem: "there is no helper pod, because the DaemonSet does not tolerate the taint a=b:NoSchedule"}, true},
		"none is meant for it":      {Outside{Problem: "none is meant to run there", NotMeant: true}, true},
		"one should be made":        {Outside{Problem: NotMade}, false},
		"one is not Ready":          {Outside{Helper: Helper{Problem: "pod helper-1: it is not Ready"}}, false},
		"one is Ready":              {Outside{Helper: Helper{Ready: true}}, false},
		"nothing is known":          {Outside{}, false},
	} {
		if got := Node(&corev1.Node{}, &test.outside).HelperImpossible; got != test.want {
			t.Errorf("%s: no helper can run there: %v", name, got)
		}
	}
}
