package plan

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/detector"
)

func TestAPolicyTellsOfHostsThatNothingLooksAt(t *testing.T) {
	red := func(n *Node) { n.NoDetector = detector.Missing("Red Hat Enterprise Linux 9.4 (Plow)") }
	fedora := func(n *Node) { n.NoDetector = detector.Missing("Fedora Linux 41 (Server Edition)") }
	s := newStory(t, newPolicy("p"), newNode("b", "z1", fedora), newNode("a", "z1", red), newNode("c", "z1"))
	told := func() string {
		c := meta.FindStatusCondition(s.policy("p").Status.Conditions, v1alpha1.ConditionNoDetector)
		if c == nil {
			return ""
		}
		return c.Reason + ": " + c.Message
	}
	events := 0
	for _, change := range s.pass().Policies {
		for _, event := range change.Events {
			if event.Warning && event.Reason == v1alpha1.ReasonNoDetector {
				events++
			}
		}
	}
	if events != 1 {
		t.Errorf("%d warnings, want one", events)
	}
	s.settle()
	want := "NoDetector: Nothing would detect that the host of node a needs a reboot: the default installation looks for " +
		"/run/reboot-required and /run/reboot-needed, and no program of this system is known to create them. " +
		"Red Hat Enterprise Linux 9.4 (Plow): give the rebooter --sentinel-kernel, or programs of the host and " +
		"--sentinel-preset=dnf. See docs/hosts.md. The same is true for 1 other node."
	if got := told(); got != want {
		t.Errorf("condition %q, want %q", got, want)
	}
	if ready := meta.IsStatusConditionTrue(s.policy("p").Status.Conditions, v1alpha1.ConditionReady); !ready {
		t.Error("the policy is not Ready, although it is in force")
	}
	s.node("a").NoDetector, s.node("b").NoDetector = "", ""
	s.settle()
	if got := told(); got != "" {
		t.Errorf("told when every host has a detector: %s", got)
	}
}
