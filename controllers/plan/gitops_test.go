package plan

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/gitops"
)

// shown is what GitOps tools show about an object: Argo CD by its health check, others by kstatus.
type shown struct{ argo, kstatus string }

var (
	isFine      = shown{"Healthy", "Current"}
	isOnItsWay  = shown{"Progressing", "InProgress"}
	isFailed    = shown{"Degraded", "Failed"}
	needsPerson = shown{"Suspended", "InProgress"}
)

// decidedByPeople are the reasons of a NodeReboot that waits until someone decides something.
var decidedByPeople = map[string]bool{
	v1alpha1.ReasonAwaitingApproval: true, v1alpha1.ReasonHalted: true, v1alpha1.ReasonNoPolicy: true, v1alpha1.ReasonObserving: true,
	v1alpha1.ReasonPaused: true, v1alpha1.ReasonPolicyInvalid: true, v1alpha1.ReasonSelfApproved: true,
	v1alpha1.ReasonSkipped: true,
}

// phasesShown is what every phase but Pending looks like.
var phasesShown = map[v1alpha1.Phase]shown{
	v1alpha1.PhaseDraining: isOnItsWay, v1alpha1.PhaseRebooting: isOnItsWay, v1alpha1.PhaseRecovering: isOnItsWay,
	v1alpha1.PhaseSucceeded: isFine, v1alpha1.PhaseCancelled: isFine, v1alpha1.PhaseFailed: isFailed,
}

// show asks the tools about an object, as the planner left it.
func show(t *testing.T, object client.Object) (shown, string) {
	t.Helper()
	argo, err := gitops.ReadArgoCD("../../config/gitops/argocd/health-checks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read, err := gitops.Unstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	health, err := argo.Health(read)
	if err != nil {
		t.Fatal(err)
	}
	status, err := gitops.Kstatus(read)
	if err != nil {
		t.Fatal(err)
	}
	return shown{health.Status, status}, health.Message
}

// The stories lead to every reason that there is, and so to every phase.
func TestGitOpsToolsUnderstandEveryReasonOfANodeReboot(t *testing.T) {
	phases, people := map[v1alpha1.Phase]bool{}, map[string]bool{}
	for reason, run := range reasonStories {
		t.Run(reason, func(t *testing.T) {
			s := run(t)
			s.settle()
			for _, reboot := range s.Reboots {
				if reboot.DeletionTimestamp != nil {
					continue // see below
				}
				phases[reboot.Status.Phase] = true
				want, known := phasesShown[reboot.Status.Phase]
				if !known {
					want = isOnItsWay
				}
				if reboot.Status.Phase == v1alpha1.PhasePending && decidedByPeople[reboot.Status.Reason] {
					want, people[reboot.Status.Reason] = needsPerson, true
				}
				reboot = reboot.DeepCopy()
				reboot.Unreadable = nil // What nobody can read is no matter for those who read JSON.
				got, message := show(t, reboot)
				if got != want {
					t.Errorf("phase %s, reason %s: shown as %v, want %v", reboot.Status.Phase, reboot.Status.Reason, got, want)
				}
				if message != reboot.Status.Message || message == "" {
					t.Errorf("phase %s, reason %s: message %q, want %q", reboot.Status.Phase, reboot.Status.Reason, message, reboot.Status.Message)
				}
			}
		})
	}
	if len(phases) != len(phasesShown)+1 {
		t.Errorf("the stories lead to phases %v only", phases)
	}
	for reason := range decidedByPeople {
		if !people[reason] {
			t.Errorf("no NodeReboot waits with reason %s", reason)
		}
	}
}

func TestGitOpsToolsUnderstandAPolicy(t *testing.T) {
	a := newNode("a", "z1")
	cases := map[string]struct {
		objects []any
		want    shown
	}{
		"in force":      {[]any{newPolicy("p"), a}, isFine},
		"observing":     {[]any{newPolicy("p", mode(v1alpha1.ModeObserve)), a}, isFine},
		"overlapping":   {[]any{newPolicy("p"), newPolicy("q"), a}, isFine},
		"paused":        {[]any{newPolicy("p", mode(v1alpha1.ModePaused)), a}, shown{"Suspended", "Current"}},
		"invalid":       {[]any{newPolicy("p", maxUnavailable("some")), a}, isFailed},
		"without nodes": {[]any{newPolicy("p", selecting("pool", "blue")), a}, isFailed},
		"halted": {
			[]any{newPolicy("p"), a, newReboot("ra", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, 0))}, isFailed,
		},
		"halted and paused": {
			[]any{newPolicy("p", mode(v1alpha1.ModePaused)), a,
				newReboot("ra", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, 0))}, isFailed,
		},
		"with a zone that no node is in": {[]any{newPolicy("p", zoneOrder("z7")), a}, isFine},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, tc.objects...)
			s.settle()
			if got, message := show(t, s.policy("p")); got != tc.want || message == "" {
				t.Errorf("shown as %v with message %q, want %v", got, message, tc.want)
			}
		})
	}
}

func TestGitOpsToolsWaitForTheOperator(t *testing.T) {
	s := attemptIn(t, stageSettling)
	s.advance(time.Minute)
	s.reboot("ra").Generation = 2
	s.policy("p").Generation = 2
	fresh := newReboot("fresh", "a")
	for name, object := range map[string]client.Object{
		"a NodeReboot that was changed": s.reboot("ra"), "a policy that was changed": s.policy("p"),
	} {
		if got, _ := show(t, object); got != isOnItsWay {
			t.Errorf("%s is shown as %v", name, got)
		}
	}
	// An object that the manager has not seen comes from the API server with this generation.
	fresh.Status.ObservedGeneration = -1
	if got, _ := show(t, fresh); got != isOnItsWay {
		t.Errorf("a NodeReboot that nobody has looked at is shown as %v", got)
	}
}

func TestGitOpsToolsSeeThatANodeRebootIsBeingDeleted(t *testing.T) {
	s := attemptIn(t, stageDraining)
	deletedAt(time.Minute)(s.reboot("ra"))
	if got, _ := show(t, s.reboot("ra")); got.kstatus != "Terminating" {
		t.Errorf("kstatus is %s", got.kstatus)
	}
}
