package plan

import (
	"testing"

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
