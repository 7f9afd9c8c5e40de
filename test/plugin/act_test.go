package plugin

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const noAnswer = " --answer-timeout=0s"

func TestPeopleActWithTheRolesThatTheyHave(t *testing.T) {
	i := newInstallation(t)
	i.put(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "w1"}}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "w2"}},
		&v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: v1alpha1.RebootPolicySpec{
			Mode: v1alpha1.ModeObserve, Nodes: v1alpha1.NodesAll, Approval: v1alpha1.Require,
		}})
	requester := i.person("rita", "reboot-operator-requester", "reboot-operator-plugin")
	approver := i.person("anna", "reboot-operator-approver")
	viewer := i.person("vera", "reboot-operator-viewer", "reboot-operator-plugin")
	editor := i.person("eddy", "reboot-operator-editor", "reboot-operator-skipper")

	viewer.does("now w1 --reason x", 1, "error: node w1: ", "docs/kubectl/act.md")
	requester.does("now w1 --reason x --dry-run=server", 0, "is created (server dry run)")
	name := strings.TrimPrefix(requester.does("now w1 --reason firmware -o name", 0), "nodereboot.reboot-operator.io/")
	requester.does("now w1 --reason again"+noAnswer, 0, "NodeReboot "+name+" of node w1 already exists")
	i.looks(name, func(r *v1alpha1.NodeReboot) {
		if r.Spec.RequestedBy != "rita" {
			t.Errorf("requestedBy is %q", r.Spec.RequestedBy)
		}
		r.Status.Phase, r.Status.Reason, r.Status.Message = v1alpha1.PhasePending, v1alpha1.ReasonAwaitingApproval,
			"RebootPolicy workers requires an approval. To approve it: kubectl patch"
	})

	requester.does("now w1 --reason again", 0,
		"  It waits. AwaitingApproval: RebootPolicy workers requires an approval.\n"+
			"  To approve it, if you may: kubectl reboots approve nodereboot/"+name+"\n")
	requester.does("approve w1", 1, "you (rita) asked for the reboot")
	viewer.does("approve w1", 1, "error: NodeReboot "+name)
	approver.does("approve nodereboot/"+name+noAnswer, 0, "is approved by anna.")
	approver.does("approve w1"+noAnswer, 0, "is already approved, by anna.")
	approver.does("cancel w1", 1, "error: NodeReboot "+name)
	requester.does("now w1 --reason x --immediate", 1, "not allowed: The reboot is approved with its current urgency")
	approver.does("deny w1"+noAnswer, 0, "by anna is withdrawn.")
	approver.does("deny w1"+noAnswer, 0, "is not approved: nothing to deny.")
	requester.does("now w1 --reason x --immediate"+noAnswer, 0, "it is urgent now.")

	requester.does("pause workers", 1, "error: RebootPolicy workers: ")
	editor.does("pause --all", 0, "RebootPolicy workers is paused; its mode was Observe.")
	editor.does("resume workers"+noAnswer, 0, "RebootPolicy workers is resumed; its mode is Observe.", "It only observes")
	editor.does("pause workers", 0, "its mode was Observe.")
	setMode(t, i, v1alpha1.ModeEnforce)
	setMode(t, i, v1alpha1.ModePaused)
	editor.does("resume workers", 1, "someone else has set its mode since kubectl reboots paused it", "--mode Enforce|Observe")
	editor.does("resume workers --mode=Enforce"+noAnswer, 0, "its mode is Enforce.")

	approver.does("skip w1", 1, "error: node w1: ")
	requester.does("skip w1", 1, "error: node w1: ")
	editor.does("skip w1 w9 --reason disk", 1, "Node w1 is skipped: disk.", "error: node w9: there is no node of this name")
	editor.does("unskip w1"+noAnswer, 0, "Node w1 is no longer skipped.")
	approver.does("__complete approve w", 0, "w1-now-")
	viewer.does("version", 0, "NodeReboot  v1alpha1")
	requester.does("cancel w1", 0, "NodeReboot "+name+" of node w1 is cancelled.")
	requester.does("cancel w1", 0, "Node w1 has no reboot that has not ended: nothing to cancel.")
}

// setMode is someone with kubectl edit.
func setMode(t *testing.T, i *installation, mode v1alpha1.Mode) {
	t.Helper()
	policy := &v1alpha1.RebootPolicy{}
	if err := i.admin.Get(t.Context(), client.ObjectKey{Name: "workers"}, policy); err != nil {
		t.Fatal(err)
	}
	policy.Spec.Mode = mode
	if err := i.admin.Update(t.Context(), policy, client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
}

func TestWhatTheManagerSaysFollowsAnAction(t *testing.T) {
	i := newInstallation(t)
	i.put(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "w1"}}, &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: v1alpha1.RebootPolicySpec{Nodes: v1alpha1.NodesAll},
	})
	admin := &person{i: i, name: "admin", c: i.admin}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		i.await("there is a NodeReboot", func(ctx context.Context) bool {
			var all v1alpha1.NodeRebootList
			if err := i.admin.List(ctx, &all); err != nil || len(all.Items) == 0 {
				return false
			}
			r := &all.Items[0]
			r.Status.ObservedGeneration, r.Status.PolicyName = r.Generation, "workers"
			r.Status.Phase, r.Status.Reason, r.Status.Message = v1alpha1.PhasePending, v1alpha1.ReasonWindowClosed, "It opens at 22:00."
			return i.admin.Status().Update(ctx, r) == nil
		})
	}()
	admin.does("now w1 --reason firmware --answer-timeout=1m", 0,
		"  It waits. WindowClosed: It opens at 22:00.", "More: kubectl reboots why w1")
	<-looked
	go func() {
		var all v1alpha1.NodeRebootList
		if err := i.admin.List(context.Background(), &all); err == nil && len(all.Items) == 1 {
			i.looks(all.Items[0].Name, func(r *v1alpha1.NodeReboot) {
				at := metav1.NowMicro()
				r.Status.Phase, r.Status.Reason, r.Status.Message = v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved, "It has another boot."
				r.Status.Outcome, r.Status.OutcomeReason, r.Status.CompletionTime = v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, &at
			})
		}
	}()
	admin.does("wait w1 --timeout=1m", 0, "node w1 is proved (Proved): It has another boot.")
	admin.does("wait workers --for=idle --timeout=1m", 0, "RebootPolicy workers is idle")
}
