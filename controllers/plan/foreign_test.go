package plan

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestNodeThatIsOnlyACandidateForRemovalIsRebooted(t *testing.T) {
	candidate := corev1.Taint{Key: "DeletionCandidateOfClusterAutoscaler", Value: "1764064800", Effect: corev1.TaintEffectPreferNoSchedule}
	s := newStory(t, newPolicy("p"), newNode("a", "z1", tainted(candidate)), newReboot("ra", "a"))
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonDraining {
		t.Errorf("reason %s", got)
	}
}

// maintainedUntil is a node that another tool maintains: until some time after the start, or permanently if that is 0.
func maintainedUntil(end time.Duration) nodeOption {
	return func(n *Node) {
		foreign := OtherMaintenance{Object: "Lease medik8s-leases/node-a is held by nmo"}
		if end > 0 {
			foreign.Until = start.Add(end)
		}
		n.OtherMaintenance = append(n.OtherMaintenance, foreign)
	}
}

func TestNodeIsRebootedWhenTheMaintenanceByOthersIsOver(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1", maintainedUntil(time.Hour)), newReboot("ra", "a"))
	s.settle()
	s.advance(time.Hour - time.Second)
	if got := s.underWay(); got != "" {
		t.Errorf("under way before the end: %q", got)
	}
	s.advance(time.Second)
	if got := s.underWay(); got != "a" {
		t.Errorf("under way at the end: %q", got)
	}
}

func TestMaintenanceByOthersDoesNotTakeBackWhatIsUnderWay(t *testing.T) {
	s := attemptIn(t, stageDraining)
	maintainedUntil(0)(s.node("a"))
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonDraining {
		t.Errorf("reason %s", got)
	}
}

func TestEverySignThatANodeIsNotToBeTouchedIsSeen(t *testing.T) {
	other := corev1.Taint{Key: "example.com/dedicated", Effect: corev1.TaintEffectNoSchedule}
	disrupted := corev1.Taint{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule}
	for name, tc := range map[string]struct {
		options []nodeOption
		want    string
	}{
		"a taint behind another one":    {[]nodeOption{tainted(other, disrupted)}, v1alpha1.ReasonMarkedForDeletion},
		"a taint of someone else alone": {[]nodeOption{tainted(other)}, v1alpha1.ReasonDraining},
		"a maintenance besides one that is over": {
			[]nodeOption{maintainedUntil(time.Minute), maintainedUntil(time.Hour)}, v1alpha1.ReasonForeignMaintenance,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1", tc.options...), newReboot("ra", "a"))
			s.settle()
			s.advance(5 * time.Minute)
			if got := s.reboot("ra").Status.Reason; got != tc.want {
				t.Errorf("reason %s, want %s", got, tc.want)
			}
		})
	}
}
