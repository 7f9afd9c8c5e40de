package plan

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestAlertsThatAttemptsBringAboutAreInTheWayOnceTheyAreNotUnderWay(t *testing.T) {
	soon := start.Add(15 * time.Second)
	const message = "Gate am: alerts of http://alertmanager, which only silences of the operator hide: NodeDown."
	for name, tc := range map[string]struct {
		// change the story, in which an attempt on node a is under way, and the answer.
		change func(s *story, answer *GateAnswer)
		want   string
	}{
		"it is under way": {func(*story, *GateAnswer) {}, v1alpha1.ReasonDraining},
		"it is under way, and so is another one": {func(_ *story, answer *GateAnswer) {
			answer.Excused[0].By = append([]model.AttemptID{{Node: "0", RebootUID: "elsewhere", Number: 1}}, answer.Excused[0].By...)
		}, v1alpha1.ReasonDraining},
		"the answer is old":   {func(_ *story, answer *GateAnswer) { answer.Stale = true }, v1alpha1.ReasonGatePending},
		"it is another one":   {func(_ *story, answer *GateAnswer) { answer.Excused[0].By[0].Number = 2 }, v1alpha1.ReasonBlockedByAlert},
		"of another cluster":  {func(_ *story, answer *GateAnswer) { answer.Excused[0].By[0].RebootUID = "x" }, v1alpha1.ReasonBlockedByAlert},
		"of another node":     {func(_ *story, answer *GateAnswer) { answer.Excused[0].By[0].Node = "b" }, v1alpha1.ReasonBlockedByAlert},
		"old, and in the way": {func(_ *story, answer *GateAnswer) { answer.Stale, answer.Excused[0].By[0].Number = true, 2 }, v1alpha1.ReasonBlockedByAlert},
		"one is, one is not": {func(_ *story, answer *GateAnswer) {
			answer.Excused = append(answer.Excused, model.Excused{By: []model.AttemptID{{Node: "z"}}, Obstacle: message})
		}, v1alpha1.ReasonBlockedByAlert},
		"it was interrupted": {func(s *story, _ *GateAnswer) {
			when := metav1.NewMicroTime(start)
			s.reboot("ra").Status.Attempt.InterruptedTime = &when
		}, v1alpha1.ReasonBlockedByAlert},
		"it is proved": {func(s *story, _ *GateAnswer) {
			s.prove("a")
		}, v1alpha1.ReasonBlockedByAlert},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", maxUnavailable("2"), alertmanagerOf("am")), newNode("a", "z1"), newReboot("ra", "a"),
				newNode("b", "z1"), newNode("c", "z1"))
			s.says(GateAlertmanager, "am", GateAnswer{Until: soon})
			s.settle()
			attempt := s.reboot("ra").Status.Attempt
			if attempt == nil {
				t.Fatalf("no attempt is under way: %+v", s.reboot("ra").Status)
			}
			answer := GateAnswer{Until: soon, Excused: []model.Excused{{
				By: []model.AttemptID{{Node: "a", RebootUID: string(s.reboot("ra").UID), Number: attempt.Number}}, Obstacle: message,
			}}}
			tc.change(s, &answer)
			s.says(GateAlertmanager, "am", answer)
			s.Reboots = append(s.Reboots, newReboot("rb", "b"))
			s.settle()
			got := s.reboot("rb").Status
			if got.Reason != tc.want || tc.want == v1alpha1.ReasonBlockedByAlert && got.Message != message {
				t.Errorf("b waits for %s %q, want %s", got.Reason, got.Message, tc.want)
			}
		})
	}
}

func TestAlertsThatTheNodeOfAnotherPolicyBringsAboutAreInTheWayUnlessItCounts(t *testing.T) {
	soon := start.Add(15 * time.Second)
	const message = "Gate am: alerts of http://alertmanager, which only silences of the operator hide: CephOSDDown."
	for name, tc := range map[string]struct {
		change func(s *story)
		want   string
	}{
		"it counts against nothing": {func(*story) {}, v1alpha1.ReasonBlockedByAlert},
		"it counts against the limit of the cluster": {func(s *story) {
			s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(2))
		}, v1alpha1.ReasonDraining},
		"it is of this policy now": {func(s *story) {
			s.answer("ra", v1alpha1.OrderDone, "") // it reboots
			s.settle()
			s.relabel("a", func(labels map[string]string) { labels["pool"] = "workers" })
		}, v1alpha1.ReasonDraining},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("storage", selecting("pool", "storage")), newPolicy("workers", selecting("pool", "workers"),
				maxUnavailable("2"), alertmanagerOf("am")), newNode("a", "z1", labeled("pool", "storage")), newReboot("ra", "a"),
				newNode("b", "z1", labeled("pool", "workers")), newNode("c", "z1", labeled("pool", "workers")))
			s.says(GateAlertmanager, "am", GateAnswer{Until: soon})
			s.settle()
			attempt := s.reboot("ra").Status.Attempt
			if attempt == nil {
				t.Fatalf("no attempt is under way: %+v", s.reboot("ra").Status)
			}
			tc.change(s)
			s.says(GateAlertmanager, "am", GateAnswer{Until: soon, Excused: []model.Excused{{
				By: []model.AttemptID{{Node: "a", RebootUID: string(s.reboot("ra").UID), Number: attempt.Number}}, Obstacle: message,
			}}})
			s.Reboots = append(s.Reboots, newReboot("rb", "b"))
			s.settle()
			got := s.reboot("rb").Status
			if got.Reason != tc.want || tc.want == v1alpha1.ReasonBlockedByAlert && got.Message != message {
				t.Errorf("b waits for %s %q, want %s", got.Reason, got.Message, tc.want)
			}
		})
	}
}
