package model_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func stamp() *metav1.MicroTime { return ptr.To(metav1.NewMicroTime(now)) }

func underWay() *v1alpha1.NodeReboot {
	return &v1alpha1.NodeReboot{Status: v1alpha1.NodeRebootStatus{
		Zone: "z1", Attempt: &v1alpha1.Attempt{Number: 2}, Order: &v1alpha1.RebootOrder{Sequence: 1},
	}}
}

func TestADraftNeverChangesWhatWasRead(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*model.Draft){
		"an edit":    func(d *model.Draft) { d.Edit().Zone = "z2" },
		"an attempt": func(d *model.Draft) { d.EditAttempt(func(a *v1alpha1.Attempt) { a.Number = 3 }) },
		"an attempt, after an edit": func(d *model.Draft) {
			d.Edit().Zone = "z2"
			d.EditAttempt(func(a *v1alpha1.Attempt) { a.Number = 3 })
		},
		"the end": func(d *model.Draft) { d.Complete(stamp(), v1alpha1.OutcomeFailed, "NodeGone", "It is gone.") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, untouched := underWay(), underWay()
			draft := model.NewDraft(object)
			if draft.Status != &object.Status {
				t.Fatal("a new draft is not what was read")
			}
			change(&draft)
			if diff := cmp.Diff(untouched, object); diff != "" {
				t.Errorf("the object changed (-before +after):\n%s", diff)
			}
			if cmp.Equal(&object.Status, draft.Status) {
				t.Error("the draft did not change")
			}
		})
	}
}

func TestEditsOfADraftAddUp(t *testing.T) {
	t.Parallel()
	draft := model.NewDraft(underWay())
	draft.Edit().Zone = "z2"
	draft.EditAttempt(func(a *v1alpha1.Attempt) { a.Number++ })
	draft.EditAttempt(func(a *v1alpha1.Attempt) { a.Number++ })
	draft.Edit().PolicyName = "p"
	want := &v1alpha1.NodeRebootStatus{
		Zone: "z2", PolicyName: "p", Attempt: &v1alpha1.Attempt{Number: 4}, Order: &v1alpha1.RebootOrder{Sequence: 1},
	}
	if diff := cmp.Diff(want, draft.Status); diff != "" {
		t.Errorf("another status (-want +got):\n%s", diff)
	}
}

func TestTheEndOfANodeRebootIsRecordedAndTold(t *testing.T) {
	t.Parallel()
	long, short := strings.Repeat("x", 1025), strings.Repeat("x", 1021)+"..."
	tests := map[string]struct {
		attempt *v1alpha1.Attempt
		outcome v1alpha1.Outcome
		want    model.Event
	}{
		"it failed":             {attempt: &v1alpha1.Attempt{}, outcome: v1alpha1.OutcomeFailed, want: model.Event{Warning: true, OnNode: true}},
		"it succeeded":          {attempt: &v1alpha1.Attempt{}, outcome: v1alpha1.OutcomeSucceeded, want: model.Event{OnNode: true}},
		"it never came to that": {outcome: v1alpha1.OutcomeCancelled, want: model.Event{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := underWay()
			object.Status.Attempt = test.attempt
			draft := model.NewDraft(object)
			draft.Complete(stamp(), test.outcome, "NodeGone", long)
			want := &v1alpha1.NodeRebootStatus{
				Zone: "z1", Attempt: test.attempt, Outcome: test.outcome, OutcomeReason: "NodeGone", OutcomeMessage: short, CompletionTime: stamp(),
			}
			if diff := cmp.Diff(want, draft.Status); diff != "" {
				t.Errorf("another status (-want +got):\n%s", diff)
			}
			test.want.Reason, test.want.Message = "NodeGone", short
			if diff := cmp.Diff([]model.Event{test.want}, draft.Events); diff != "" {
				t.Errorf("other events (-want +got):\n%s", diff)
			}
			if !draft.Completed() || draft.Open() {
				t.Error("it is not over")
			}
		})
	}
}

func TestAnAttemptIsOpenUntilItOrItsNodeRebootEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status v1alpha1.NodeRebootStatus
		open   bool
		last   int32
	}{
		"there is none":          {},
		"it is under way":        {status: v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{Number: 2}}, open: true, last: 2},
		"it ended":               {status: v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{Number: 2, EndedTime: stamp()}}, last: 2},
		"the NodeReboot is over": {status: v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{Number: 2}, CompletionTime: stamp()}, last: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft := model.NewDraft(&v1alpha1.NodeReboot{Status: test.status})
			if draft.Open() != test.open || draft.LastAttempt() != test.last || draft.Completed() != (test.status.CompletionTime != nil) {
				t.Errorf("open %v, last %d, completed %v", draft.Open(), draft.LastAttempt(), draft.Completed())
			}
		})
	}
}

func TestWhatAPersonSaysIsRead(t *testing.T) {
	t.Parallel()
	type says struct{ Deleted, Immediate, Approved bool }
	tests := map[string]struct {
		object v1alpha1.NodeReboot
		want   says
	}{
		"nothing":       {},
		"the opposite":  {object: v1alpha1.NodeReboot{Spec: v1alpha1.NodeRebootSpec{Urgency: v1alpha1.UrgencyNormal, Approval: v1alpha1.ApprovalNotGiven}}},
		"to delete it":  {object: v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: ptr.To(metav1.NewTime(now))}}, want: says{Deleted: true}},
		"to be quick":   {object: v1alpha1.NodeReboot{Spec: v1alpha1.NodeRebootSpec{Urgency: v1alpha1.UrgencyImmediate}}, want: says{Immediate: true}},
		"to do it":      {object: v1alpha1.NodeReboot{Spec: v1alpha1.NodeRebootSpec{Approval: v1alpha1.ApprovalGiven, ApprovedBy: "bob"}}, want: says{Approved: true}},
		"who knows who": {object: v1alpha1.NodeReboot{Spec: v1alpha1.NodeRebootSpec{Approval: v1alpha1.ApprovalGiven}}},
		"only who":      {object: v1alpha1.NodeReboot{Spec: v1alpha1.NodeRebootSpec{Approval: v1alpha1.ApprovalNotGiven, ApprovedBy: "bob"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft := model.NewDraft(&test.object)
			if diff := cmp.Diff(test.want, says{draft.Deleted(), draft.Immediate(), draft.Approved()}); diff != "" {
				t.Errorf("it is read otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAReportIsAboutTheBootThatRuns(t *testing.T) {
	t.Parallel()
	report := &v1alpha1.HelperReport{BootID: "boot-2", Sentinel: v1alpha1.SentinelRequired}
	tests := map[string]struct {
		report *v1alpha1.HelperReport
		node   *model.Node
		want   v1alpha1.SentinelState
	}{
		"of this boot":    {report: report, node: &model.Node{BootID: "boot-2"}, want: v1alpha1.SentinelRequired},
		"of another boot": {report: report, node: &model.Node{BootID: "boot-3"}, want: v1alpha1.SentinelUnknown},
		"not understood":  {report: &v1alpha1.HelperReport{BootID: "boot-2", Sentinel: "Perhaps"}, node: &model.Node{BootID: "boot-2"}, want: v1alpha1.SentinelUnknown},
		"of no node":      {report: report, want: v1alpha1.SentinelUnknown},
		"there is none":   {node: &model.Node{BootID: "boot-2"}, want: v1alpha1.SentinelUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft := model.NewDraft(&v1alpha1.NodeReboot{Status: v1alpha1.NodeRebootStatus{Report: test.report}})
			if got := draft.Sentinel(test.node); got != test.want {
				t.Errorf("the sentinel is %s, want %s", got, test.want)
			}
			if got := draft.Report(test.node); (got == report) != (test.want == v1alpha1.SentinelRequired) {
				t.Errorf("the report is %v", got)
			}
		})
	}
}

func TestANodeIsGoneWhenThereIsNoneOfItsUID(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		uid  string
		node *model.Node
		want bool
	}{
		"it is there":                {uid: "1", node: &model.Node{UID: "1"}},
		"there is none of its name":  {uid: "1", want: true},
		"another one has its name":   {uid: "1", node: &model.Node{UID: "2"}, want: true},
		"none was seen yet":          {},
		"any is the one that is new": {node: &model.Node{UID: "2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft := model.NewDraft(&v1alpha1.NodeReboot{Status: v1alpha1.NodeRebootStatus{NodeUID: test.uid}})
			if got := draft.NodeGone(test.node); got != test.want {
				t.Errorf("it is gone: %v, want %v", got, test.want)
			}
		})
	}
}

func TestConditionsWithADomainBelongToHooks(t *testing.T) {
	t.Parallel()
	for conditionType, want := range map[string]bool{"Drained": false, "example.com/backup": true, "": false} {
		if got := model.HookCondition(conditionType); got != want {
			t.Errorf("%q belongs to a hook: %v, want %v", conditionType, got, want)
		}
	}
}
