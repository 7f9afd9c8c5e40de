package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestAReportThatNoStatusTakesIsOneEvent(t *testing.T) {
	kind := schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: "NodeReboot"}
	for name, refused := range map[string]error{
		"accepted":  nil,
		"invalid":   apierrors.NewInvalid(kind, "r", nil),
		"forbidden": apierrors.NewForbidden(schema.GroupResource{}, "r", nil),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newReboot("r", "a"))
			w.refuse = func(string) error { return refused }
			e, recorder := newExecutor(w)
			reboot := w.reboot(t, "r")
			reboot.Unreadable = []decode.Problem{{Path: "status.before"}}
			change := plan.RebootChange{
				Object: reboot,
				Report: &plan.Report{Reason: v1alpha1.ReasonUnreadable, Message: "why", Conditions: []metav1.Condition{}},
				Events: []model.Event{{Warning: true, Reason: v1alpha1.ReasonUnreadable, Message: "why"}},
			}
			s := &snapshot{Snapshot: plan.Snapshot{Reboots: []*v1alpha1.NodeReboot{reboot}}}
			p := &plan.Plan{Work: []plan.NodeWork{{Node: "a", Reboots: []plan.RebootChange{change}}}}
			for range 2 {
				if refused == nil && len(w.writes) > 0 {
					break // the next plan has nothing to report
				}
				if result := e.execute(t.Context(), s, p, testNow); result.err() != nil || result.stale {
					t.Errorf("stale %t: %v", result.stale, result.err())
				}
			}
			want := []string{"Warning Unreadable why"}
			if refused != nil {
				want = append(want, "Warning WriteRefused The status of NodeReboot r cannot be written; the API server answers: "+
					strings.TrimRight(refused.Error(), ".")+".")
			}
			if diff := cmp.Diff(want, emitted(recorder)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if got := w.reboot(t, "r").Status.Reason; (got == v1alpha1.ReasonUnreadable) != (refused == nil) {
				t.Errorf("the reason is %q", got)
			}
		})
	}
}
