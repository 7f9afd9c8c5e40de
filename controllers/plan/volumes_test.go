package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func detachSeconds(seconds int32) policyOption {
	return drain(func(d *v1alpha1.DrainSpec) { d.VolumeDetachSeconds = &seconds })
}

// attached is an attempt whose delays are over, on a node that was drained a minute ago and has some volumes.
func attached(t *testing.T, volumes int, limit int32, options ...policyOption) *story {
	t.Helper()
	s := preparedAttemptIn(t, stageDrained, func(s *story) {
		for i := range volumes {
			s.node("a").Volumes = append([]string{fmt.Sprintf("pv-%02d", i)}, s.node("a").Volumes...)
		}
	}, append(options, detachSeconds(limit))...)
	s.advance(time.Minute)
	return s
}

// detach takes all volumes off node a.
func detach(s *story) { s.node("a").Volumes = nil }

func TestRebootWaitsForVolumesAndNoLongerThanThePolicySays(t *testing.T) {
	const drained, limit = time.Minute, 600 * time.Second
	cases := map[string]struct {
		volumes int
		limit   int32
		options []policyOption
		event   func(*story)
		after   time.Duration
		want    string
		message string
		// left are the volumes that are recorded; detached whether the end of the wait is.
		left     []string
		detached bool
	}{
		"it waits and names them": {
			volumes: 2, limit: 600, want: v1alpha1.ReasonVolumesAttached,
			message: "Node a is drained; 2 volumes may take until 2026-03-02 12:11 +00:00 (in 9m, as of 12:02) to be detached: pv-00, pv-01.",
		},
		"of many it names ten":             {volumes: 12, limit: 600, want: v1alpha1.ReasonVolumesAttached, message: "pv-09 and 2 more."},
		"it goes on when they are gone":    {volumes: 2, limit: 600, event: detach, want: v1alpha1.ReasonRebooting, detached: true},
		"it waits for the last":            {volumes: 2, limit: 600, event: func(s *story) { s.node("a").Volumes = []string{"pv-01"} }, want: v1alpha1.ReasonVolumesAttached, message: "1 volume may"},
		"with none it does not wait":       {volumes: 0, limit: 600, want: v1alpha1.ReasonRebooting, detached: true},
		"the wait is not over before":      {volumes: 1, limit: 600, after: limit - drained - time.Second, want: v1alpha1.ReasonVolumesAttached},
		"in the end it goes on":            {volumes: 1, limit: 600, after: limit - drained, want: v1alpha1.ReasonRebooting, detached: true, left: []string{"pv-00"}},
		"of many that are left ten are":    {volumes: 12, limit: 600, after: limit, want: v1alpha1.ReasonRebooting, detached: true, left: strings.Fields("pv-00 pv-01 pv-02 pv-03 pv-04 pv-05 pv-06 pv-07 pv-08 pv-09")},
		"the time counts from the drain":   {volumes: 1, limit: 60, want: v1alpha1.ReasonRebooting, detached: true, left: []string{"pv-00"}},
		"0 is no wait":                     {volumes: 1, limit: 0, want: v1alpha1.ReasonRebooting},
		"nothing is waited for if skipped": {volumes: 1, limit: 600, options: []policyOption{drain(skipDrain)}, want: v1alpha1.ReasonRebooting},
		"a limit that is taken away ends it": {
			volumes: 1, limit: 600, event: func(s *story) { s.editPolicy("p", detachSeconds(0)) }, want: v1alpha1.ReasonRebooting,
		},
		"a pause ends it, too": {volumes: 1, limit: 600, event: paused, want: v1alpha1.ReasonPaused},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attached(t, tc.volumes, tc.limit, tc.options...)
			if tc.event != nil {
				tc.event(s)
				s.settle()
			}
			s.advance(tc.after)
			status := s.reboot("ra").Status
			if status.Reason != tc.want || !strings.Contains(status.Message, tc.message) {
				t.Errorf("%s: %s", status.Reason, status.Message)
			}
			if diff := cmp.Diff(tc.left, status.Attempt.AttachedVolumes); diff != "" || (status.Attempt.DetachedTime != nil) != tc.detached {
				t.Errorf("end of the wait at %v, volumes that were left (-want +got):\n%s", status.Attempt.DetachedTime, diff)
			}
			if tc.want == v1alpha1.ReasonVolumesAttached && status.Phase != v1alpha1.PhaseDraining {
				t.Errorf("phase %s", status.Phase)
			}
		})
	}
}

func TestNodeWhoseDrainWasForcedWaitsForVolumes(t *testing.T) {
	s := attemptIn(t, stageDraining, drain(forced), detachSeconds(300))
	s.node("a").Volumes = []string{"pv"}
	s.advance(10*time.Minute - time.Second)
	refuse(s)
	s.answer("ra", v1alpha1.OrderTimedOut, "")
	s.settle()
	s.advance(time.Minute)
	want := "Node a was not drained in time; 1 volume may take until 2026-03-02 12:15:59 +00:00 (in 4m, as of 12:11:59) to be detached: pv."
	if got := s.reboot("ra").Status.Message; got != want {
		t.Errorf("message %q", got)
	}
}

func TestVolumesThatAreLeftAreToldOnce(t *testing.T) {
	s := attached(t, 2, 600)
	s.now = s.now.Add(9 * time.Minute)
	s.node("a").HelperReady = false // so that the order to reboot is not given yet
	p := s.pass()
	events := p.Work[0].Reboots[0].Events
	want := []Event{{Warning: true, Reason: v1alpha1.ReasonVolumesAttached, OnNode: true, Message: "Node a reboots although " +
		"2 volumes were not detached by 2026-03-02 12:11 +00:00: pv-00, pv-01."}}
	// The message says that the helper is not ready as well.
	if diff := cmp.Diff(want, events[:1]); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	s.node("a").HelperReady = true
	for _, change := range s.pass().Work[0].Reboots {
		for _, event := range change.Events {
			if event.Reason == v1alpha1.ReasonVolumesAttached {
				t.Errorf("told again: %+v", event)
			}
		}
	}
}

// What a manager knows that comes after another one is what is stored, and the volumes that it sees.
func TestWaitForVolumesIsRememberedInFactsAlone(t *testing.T) {
	s := attached(t, 1, 600)
	if got, want := s.wake, start.Add(11*time.Minute); !got.Equal(want) {
		t.Errorf("the plan asks to be woken at %s, want %s", got, want)
	}
	s.now = s.now.Add(9*time.Minute - time.Second) // nobody looked meanwhile
	s.pass()
	if got := s.summary("ra").Reason; got != v1alpha1.ReasonVolumesAttached {
		t.Errorf("reason %s a second before the end", got)
	}
	s.now = s.now.Add(time.Hour)
	s.settle()
	if got := s.summary("ra"); got.Reason != v1alpha1.ReasonRebooting || got.Order != v1alpha1.ActionReboot {
		t.Errorf("NodeReboot %+v an hour later", got)
	}
}

func TestWaitForVolumesIsNotBegunAgain(t *testing.T) {
	s := attached(t, 1, 600)
	s.node("a").HelperReady = false
	detach(s)
	s.settle()
	s.node("a").Volumes = []string{"of-a-pod-that-stays"}
	s.settle()
	if got := s.summary("ra").Reason; got != v1alpha1.ReasonHelperNotReady {
		t.Errorf("reason %s", got)
	}
}

func TestHelperThatIsAwayHasItsTimeFromTheEndOfTheWaitForVolumes(t *testing.T) {
	s := attached(t, 1, 7200, spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = ptr.To[int32](900) }))
	s.advance(time.Hour)
	detach(s)
	s.node("a").HelperReady = false
	s.settle()
	s.advance(899 * time.Second)
	if got := s.summary("ra"); got.Phase != v1alpha1.PhaseDraining || got.Reason != v1alpha1.ReasonHelperNotReady {
		t.Errorf("NodeReboot %+v before its time is over", got)
	}
	s.advance(time.Second)
	if got := s.summary("ra"); got.Result != v1alpha1.ReasonRebootFailed {
		t.Errorf("NodeReboot %+v after it", got)
	}
}

func TestHooksAndDelayRunWhileVolumesAreWaitedFor(t *testing.T) {
	s := attemptIn(t, stageDrained, detachSeconds(90))
	s.node("a").Volumes = []string{"pv"}
	if got := s.summary("ra").Reason; got != v1alpha1.ReasonRebootDelayed {
		t.Errorf("reason %s during the delay", got)
	}
	s.advance(time.Minute)
	if got := s.summary("ra").Reason; got != v1alpha1.ReasonVolumesAttached {
		t.Errorf("reason %s after the delay", got)
	}
	s.advance(30 * time.Second)
	if got := s.summary("ra").Reason; got != v1alpha1.ReasonRebooting {
		t.Errorf("reason %s when the time is over", got)
	}
}

// checkDetached: the wait for volumes ends when there are none, or when its time is over, and the reboot comes after it.
func (w *world) checkDetached(v *view, before *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus) {
	node := v.node(before.Spec.NodeName)
	if node == nil || openAttempt(before) == nil || after.Attempt.Number != before.Status.Attempt.Number {
		return
	}
	owner, a := ownerOf(v, node), after.Attempt
	if owner == nil || w.stepped {
		return
	}
	if ended := a.DetachedTime != nil && before.Status.Attempt.DetachedTime == nil; ended && len(node.Volumes) > 0 &&
		w.now.Before(a.DrainedTime.Add(seconds(owner.Spec.Drain.VolumeDetachSeconds))) {
		w.breaks("the wait for volumes %v of node %s, which was drained at %s, is over too early", node.Volumes, node.Name, a.DrainedTime)
	}
	ordered := a.RebootOrderedTime != nil && before.Status.Attempt.RebootOrderedTime == nil && a.Drain != v1alpha1.DrainSkipped
	if ordered && owner != nil && seconds(owner.Spec.Drain.VolumeDetachSeconds) > 0 && a.DetachedTime == nil {
		w.breaks("node %s is ordered to reboot and its volumes were not waited for", node.Name)
	}
}
