package act_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func expiredOf(by string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		given(by)(r)
		r.Status.Reason, r.Status.ApprovedTime = v1alpha1.ReasonAwaitingApproval, micro(-600)
	}
}

func TestOneApprovalThatTheManagerHasNotSeenStopsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1", expiredOf("alice")), reboot("w2-a", "w2"))
		code, out, errOut := run(terminal, "approve --all")
		const approved = "NodeReboot w2-a of node w2 is approved by alice.\n" +
			"  The manager has not seen it yet. To see what it says: kubectl reboots why w2\n"
		const failed = "error: NodeReboot w1-a of node w1: the expired approval is withdrawn, but the manager has not seen that yet; " +
			"approve it again in a moment: kubectl reboots approve nodereboot/w1-a\n"
		if code != app.ExitFailed || out != approved || errOut != failed {
			t.Errorf("it ended with %d: %s%s", code, out, errOut)
		}
	})
}

func TestAnApprovalOfWhatIsImmediateSaysSo(t *testing.T) {
	t.Parallel()
	windows := func(p *v1alpha1.RebootPolicy) { requires(p); p.Status.Window = &v1alpha1.WindowStatus{} }
	nothing := func(*v1alpha1.NodeReboot) {}
	for line, change := range map[string]func(*v1alpha1.NodeReboot){
		"  It is Immediate: it waits for no window and no freeze.\n":                                                  urgent,
		"  The approval is for the window that is open or, if none is open, for the next one, and expires with it.\n": nothing,
	} {
		_, out, errOut := run(cluster(t, policy("workers", windows), reboot("w1-a", "w1", change)), "approve w1")
		if !strings.HasPrefix(out, "NodeReboot w1-a of node w1 is approved by alice.\n"+line+"  The manager") {
			t.Errorf("it says %s%s", out, errOut)
		}
	}
}

func TestWhatIsOtherThanWhenItWasReadIsNotApproved(t *testing.T) {
	t.Parallel()
	replace := func(ctx context.Context, c client.Client, r *v1alpha1.NodeReboot) error {
		if err := c.Delete(ctx, r); err != nil {
			return err
		}
		return c.Create(ctx, reboot(r.Name, "w1", func(r *v1alpha1.NodeReboot) { r.UID = "another" }))
	}
	hurry := func(ctx context.Context, c client.Client, r *v1alpha1.NodeReboot) error {
		urgent(r)
		return c.Update(ctx, r)
	}
	for name, test := range map[string]struct {
		meanwhile func(context.Context, client.Client, *v1alpha1.NodeReboot) error
		object    *v1alpha1.NodeReboot
		want      string
	}{
		"replaced": {replace, reboot("w1-a", "w1"), "it was replaced in the meantime; look at it and try again"},
		"urgent": {hurry, reboot("w1-a", "w1"),
			"its urgency was changed to Immediate in the meantime; look at it and approve it again: kubectl reboots approve nodereboot/w1-a"},
		// Admission keeps the urgency of what is approved, and so until the approval that expired is withdrawn.
		"urgent after the first was withdrawn": {hurry, reboot("w1-a", "w1", expiredOf("alice")),
			"its urgency was changed to Immediate in the meantime; look at it and approve it again: kubectl reboots approve nodereboot/w1-a"},
	} {
		test.object.UID = types.UID("first")
		terminal := cluster(t, policy("workers", requires), test.object)
		raced := false
		intercept(terminal, interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				now := &v1alpha1.NodeReboot{}
				if err := c.Get(ctx, client.ObjectKeyFromObject(o), now); err != nil {
					return err
				}
				if raced {
					return c.Patch(ctx, o, p, options...)
				}
				raced = true
				if now.Spec.Approval == v1alpha1.ApprovalNotGiven {
					if err := test.meanwhile(ctx, c, now); err != nil {
						return err
					}
					return c.Patch(ctx, o, p, options...)
				}
				if err := c.Patch(ctx, o, p, options...); err != nil {
					return err
				}
				seen := o.DeepCopyObject().(*v1alpha1.NodeReboot)
				seen.Status.ApprovedTime = nil
				if err := c.Status().Update(ctx, seen); err != nil {
					return err
				}
				return test.meanwhile(ctx, c, seen)
			},
		})
		code, out, errOut := run(terminal, "approve w1")
		now := &v1alpha1.NodeReboot{}
		if err := terminal.Client.Get(t.Context(), client.ObjectKey{Name: "w1-a"}, now); err != nil {
			t.Fatal(err)
		}
		want := "error: NodeReboot w1-a of node w1: " + test.want + "\n"
		if code != app.ExitFailed || errOut != want || now.Spec.Approval == v1alpha1.ApprovalGiven {
			t.Errorf("%s: it ended with %d: %s%s, and the approval is %s", name, code, out, errOut, now.Spec.Approval)
		}
	}
}

func TestWhatTookTheNameOfAnotherIsNotCancelled(t *testing.T) {
	t.Parallel()
	first := reboot("w1-a", "w1")
	first.UID = types.UID("first")
	terminal := cluster(t, first)
	raced := false
	intercept(terminal, interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			if !raced {
				raced = true
				if err := c.Delete(ctx, reboot("w1-a", "w1")); err != nil {
					return err
				}
				if err := c.Create(ctx, reboot("w1-a", "w1", func(r *v1alpha1.NodeReboot) { r.UID = "another" })); err != nil {
					return err
				}
			}
			return c.Delete(ctx, o, options...)
		},
	})
	code, out, errOut := run(terminal, "cancel w1")
	const want = "error: NodeReboot w1-a of node w1: it was replaced in the meantime; look at it and try again\n"
	if left := reboots(t, terminal.Client); code != app.ExitFailed || errOut != want || len(left) != 1 {
		t.Errorf("it ended with %d and left %v: %s%s", code, left, out, errOut)
	}
}
