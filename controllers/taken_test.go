package controllers

import (
	"testing"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// Its attempt may have ended, and this manager has not seen that yet. The slot is freed later than that.
func TestANodeIsCordonedOnlyIfItsNodeRebootIsWhatWasRead(t *testing.T) {
	ends := func(t *testing.T, w *world) {
		t.Helper()
		reboot := w.reboot(t, "ra")
		reboot.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(0), EndedTime: at(0)}
		if err := w.Status().Update(t.Context(), reboot); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		meanwhile func(*testing.T, *world)
		want      bool
	}{
		"it is":             {func(*testing.T, *world) {}, true},
		"its attempt ended": {ends, false},
		"it is gone":        {func(t *testing.T, w *world) { deleteReboot(t, w, "ra") }, false},
		"another has its name": {func(t *testing.T, w *world) {
			deleteReboot(t, w, "ra")
			again := newReboot("ra", "a")
			again.UID = "another"
			if err := w.Create(t.Context(), again); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newNode("a"), newReboot("ra", "a"))
			e, _ := newExecutor(w)
			s := w.read(t)
			test.meanwhile(t, w)
			result := e.execute(t.Context(), s, &plan.Plan{
				SlotsChanged: true, Slots: map[string]plan.Slot{"a": slotFor("ra")},
				Work: []plan.NodeWork{{
					Node: "a", Granted: true, Takes: rebootOf(t, s, "ra"),
					Patch: &plan.NodePatch{Unschedulable: ptr.To(true), CordonedFor: ptr.To("uid-ra")},
				}},
			}, testNow)
			if got := w.node(t, "a").Spec.Unschedulable; got != test.want || result.stale == test.want || result.err() != nil {
				t.Errorf("cordoned: %t, stale: %t, error %v", got, result.stale, result.err())
			}
		})
	}
}

func deleteReboot(t *testing.T, w *world, name string) {
	t.Helper()
	if err := client.IgnoreNotFound(w.Delete(t.Context(), newReboot(name, "a"))); err != nil {
		t.Fatal(err)
	}
}
