package testbed

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/helper"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

var (
	_ helper.Host     = &Host{}
	_ helper.Sentinel = &sentinel{}
)

func TestAFaultyHostAnswersAndDoesNotReboot(t *testing.T) {
	tests := map[Fault]struct {
		wantErr      string
		wantAccepted int
		wantEvents   []EventKind
	}{
		FaultRebootRefused: {wantErr: "refuses to reboot", wantEvents: []EventKind{EventRebootRefused}},
		FaultRebootIgnored: {wantAccepted: 1, wantEvents: []EventKind{EventRebootAccepted}},
	}
	for fault, test := range tests {
		t.Run(string(fault), func(t *testing.T) {
			host := newHost(&Cluster{clock: clock.RealClock{}, log: logr.Discard()}, NodeOptions{Name: "a1"})
			before, _ := host.BootID()
			host.SetFault(fault)
			_, err := host.Reboot(t.Context(), host.bootID, rebooter.Order{})
			checkError(t, err, test.wantErr)
			if host.RebootsAccepted() != test.wantAccepted || !host.Up() || host.rebooting {
				t.Errorf("accepted %d, up %t, rebooting %t", host.RebootsAccepted(), host.Up(), host.rebooting)
			}
			if after, _ := host.BootID(); after != before {
				t.Error("the boot ID changed")
			}
			var kinds []EventKind
			for _, event := range host.Events() {
				kinds = append(kinds, event.Kind)
			}
			if diff := cmp.Diff(test.wantEvents, kinds); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAHostThatShutsDownTakesNoSecondOrder(t *testing.T) {
	host := newHost(&Cluster{clock: clock.RealClock{}, log: logr.Discard()}, NodeOptions{Name: "a1"})
	host.rebooting = true
	_, err := host.Reboot(t.Context(), host.bootID, rebooter.Order{})
	checkError(t, err, "already in progress")
	if host.RebootsAccepted() != 0 {
		t.Error("the order was accepted")
	}
}

func TestASentinelHintsAndSurvivesOnlyIfSticky(t *testing.T) {
	s := newSentinel()
	expect := func(want v1alpha1.SentinelState, hinted bool) {
		t.Helper()
		if got, _ := s.Check(t.Context()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		select {
		case <-s.Changes():
			if !hinted {
				t.Error("a hint without a change")
			}
		default:
			if hinted {
				t.Error("no hint")
			}
		}
	}
	expect(v1alpha1.SentinelNotRequired, false)
	s.set(v1alpha1.SentinelRequired, "kernel")
	s.set(v1alpha1.SentinelUnknown, "broken")
	s.set(v1alpha1.SentinelRequired, "kernel")
	expect(v1alpha1.SentinelRequired, true)
	s.setSticky(true)
	s.booted()
	expect(v1alpha1.SentinelRequired, false)
	s.setSticky(false)
	s.booted()
	expect(v1alpha1.SentinelNotRequired, true)
}

func TestTheAnnotationOfANodeIsASentinel(t *testing.T) {
	host := newHost(&Cluster{clock: clock.RealClock{}, log: logr.Discard()}, NodeOptions{Name: "a1"})
	yes := map[string]string{RebootRequiredAnnotation: "true"}
	steps := []struct {
		annotations map[string]string
		before      func()
		want        v1alpha1.SentinelState
	}{
		{annotations: map[string]string{RebootRequiredAnnotation: "no"}, want: v1alpha1.SentinelNotRequired},
		{annotations: yes, want: v1alpha1.SentinelRequired},
		{annotations: yes, before: host.WithdrawReboot, want: v1alpha1.SentinelNotRequired},
		{annotations: nil, before: host.RequireReboot, want: v1alpha1.SentinelNotRequired},
		{annotations: nil, before: host.RequireReboot, want: v1alpha1.SentinelRequired},
		{annotations: yes, want: v1alpha1.SentinelRequired},
		{annotations: nil, before: func() { host.rebooting = true }, want: v1alpha1.SentinelRequired},
	}
	for i, step := range steps {
		if step.before != nil {
			step.before()
		}
		host.annotated(step.annotations)
		if got, _ := host.sentinel.Check(t.Context()); got != step.want {
			t.Errorf("step %d: got %s, want %s", i+1, got, step.want)
		}
	}
}

func TestAFleetIsSpreadOverZones(t *testing.T) {
	want := []NodeOptions{
		{Name: "control-a1", Zone: "a", ControlPlane: true},
		{Name: "control-b1", Zone: "b", ControlPlane: true},
		{Name: "control-a2", Zone: "a", ControlPlane: true},
		{Name: "worker-a1", Zone: "a"},
		{Name: "worker-b1", Zone: "b"},
		{Name: "worker-a2", Zone: "a"},
	}
	if diff := cmp.Diff(want, Fleet(3, 2, 3)); diff != "" {
		t.Error(diff)
	}
}
