package act_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// meanwhile has someone change a NodeReboot right before the first write of the command.
func meanwhile(terminal *plugintest.Terminal, name string, change func(context.Context, client.Client, *v1alpha1.NodeReboot) error) {
	raced := false
	race := func(ctx context.Context, c client.Client) error {
		if raced {
			return nil
		}
		raced = true
		r := &v1alpha1.NodeReboot{}
		if err := c.Get(ctx, client.ObjectKey{Name: name}, r); err != nil {
			return err
		}
		return change(ctx, c, r)
	}
	intercept(terminal, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
			return errors.Join(race(ctx, c), c.Patch(ctx, o, p, options...))
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			if err := race(ctx, c); err != nil {
				return err
			}
			return c.Delete(ctx, o, options...)
		},
	})
}

// turns is a change of the status of a NodeReboot.
func turns(change func(*v1alpha1.NodeReboot)) func(context.Context, client.Client, *v1alpha1.NodeReboot) error {
	return func(ctx context.Context, c client.Client, r *v1alpha1.NodeReboot) error {
		change(r)
		return c.Status().Update(ctx, r)
	}
}

func TestWhatHappensMeanwhileIsSaid(t *testing.T) {
	t.Parallel()
	proved := turns(ended(v1alpha1.OutcomeSucceeded, "Proved", 0))
	goes := func(ctx context.Context, c client.Client, r *v1alpha1.NodeReboot) error { return c.Delete(ctx, r) }
	byCarol := func(ctx context.Context, c client.Client, r *v1alpha1.NodeReboot) error {
		given("carol")(r)
		return c.Update(ctx, r)
	}
	accepted := turns(func(r *v1alpha1.NodeReboot) { r.Status.Reason = "WindowClosed" })
	for name, test := range map[string]struct {
		line   string
		object *v1alpha1.NodeReboot
		change func(context.Context, client.Client, *v1alpha1.NodeReboot) error
		want   string
	}{
		"cancel, it ends": {"cancel w1", reboot("w1-a", "w1"), proved, "NodeReboot w1-a of node w1 has ended (Succeeded): nothing to cancel.\n"},
		"cancel, it ends, of many": {"cancel --all", reboot("w1-a", "w1"), proved,
			"NodeReboot w1-a of node w1 has ended (Succeeded): nothing to cancel.\n"},
		"cancel, it goes":  {"cancel w1", reboot("w1-a", "w1"), goes, "NodeReboot w1-a of node w1 is already gone.\n"},
		"approve, it ends": {"approve w1", reboot("w1-a", "w1"), proved, "NodeReboot w1-a of node w1 has ended (Succeeded): nothing to approve.\n"},
		"approve, it goes": {"approve w1", reboot("w1-a", "w1"), goes,
			"error: NodeReboot w1-a of node w1: nodereboots.reboot-operator.io \"w1-a\" not found\n"},
		"deny, it ends": {"deny w1", reboot("w1-a", "w1", given("carol")), proved,
			"NodeReboot w1-a of node w1 has ended (Succeeded): nothing to deny.\n"},
		"now, it starts": {"now w1 --immediate --reason x", reboot("w1-a", "w1"), turns(draining),
			"NodeReboot w1-a of node w1 already exists: no other one is created.\n  WindowClosed: The window is closed.\n" +
				"  More: kubectl reboots why w1\n"},
		"retry, it starts": {"retry w1", reboot("w1-a", "w1", sentinel, backingOff), turns(draining),
			"NodeReboot w1-a of node w1 is under way: nothing to try again.\n  BackingOff: The window is closed.\n"},
		"retry, it is forgotten": {"retry w1", reboot("w1-a", "w1", sentinel, backingOff),
			turns(func(r *v1alpha1.NodeReboot) { r.Status.Failures = nil }), "NodeReboot w1-a of node w1 did not fail: nothing to try again.\n"},
		"an approval no longer expired": {"approve w1", reboot("w1-a", "w1", expiredOf("alice")), accepted,
			"NodeReboot w1-a of node w1 is already approved, by alice.\n"},
		"another approves": {"approve w1", reboot("w1-a", "w1"), byCarol, "NodeReboot w1-a of node w1 is already approved, by carol.\n"},
	} {
		terminal := cluster(t, node("w1"), policy("workers", requires), test.object)
		meanwhile(terminal, "w1-a", test.change)
		if _, out, errOut := run(terminal, test.line); out+errOut != test.want {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
	}
}

func TestWhatIsGoneBeforeItIsApprovedAgainIsNotApproved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terminal := cluster(t, node("w1"), policy("workers", requires), reboot("w1-a", "w1", expiredOf("alice")))
		intercept(terminal, interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				return errors.Join(c.Patch(ctx, o, p, options...), c.Delete(ctx, reboot("w1-a", "w1")))
			},
		})
		const want = "Node w1 has no reboot that has not ended: nothing to approve.\n"
		if _, out, errOut := run(terminal, "approve w1"); out+errOut != want {
			t.Errorf("it says %s%s", out, errOut)
		}
	})
}

func TestARequestThatSomeoneElseMakesAtOnceIsOne(t *testing.T) {
	t.Parallel()
	const first, second = "w1-now-95ed3cae", "w1-now-"
	for name, test := range map[string]struct {
		there *v1alpha1.NodeReboot
		want  string
	}{
		"open":            {reboot(first, "w1"), "NodeReboot " + first + " of node w1 already exists: no other one is created.\n"},
		"ended":           {reboot(first, "w1", ended(v1alpha1.OutcomeSucceeded, "Proved", -5)), "is created.\n"},
		"being deleted":   {reboot(first, "w1", leaving), "is created.\n"},
		"of another node": {reboot(first, "w2"), "is created.\n"},
	} {
		terminal := cluster(t, node("w1"))
		intercept(terminal, interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
				if o.GetName() == first {
					other := test.there.DeepCopy()
					gone := other.DeletionTimestamp != nil
					other.DeletionTimestamp = nil
					if err := c.Create(ctx, other); err != nil {
						return err
					}
					if gone {
						return errors.Join(c.Delete(ctx, other), c.Create(ctx, o, options...))
					}
				}
				return c.Create(ctx, o, options...)
			},
		})
		_, out, errOut := run(terminal, "now w1 --reason x")
		if !strings.HasPrefix(out, "NodeReboot "+second) || !strings.Contains(out, test.want) {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
		created := !strings.Contains(out, "already exists")
		if all := reboots(t, terminal.Client); len(all) != map[bool]int{false: 1, true: 2}[created] {
			t.Errorf("%s: there are %v", name, all)
		}
	}
}

func TestAChangeThatOthersNeverStopIsGivenUp(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "nodereboots"}, "w1-a", errors.New("changed\nagain"))
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "nodereboots"}, "w1-a",
		errors.New("ValidatingAdmissionPolicy 'x' denied request: only approvers approve"))
	for want, err := range map[string]error{
		`someone else keeps changing it; try again: Operation cannot be fulfilled on nodereboots "w1-a": changed again`: conflict,
		"not allowed: only approvers approve":                                             denied,
		`nodereboots is forbidden: no; docs/kubectl/act.md says which role has the right`: forbidden("nodereboots"),
		"out of order": errors.New("out of\norder"),
	} {
		synctest.Test(t, func(t *testing.T) {
			terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1"))
			intercept(terminal, interceptor.Funcs{
				Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
					return err
				},
			})
			code, out, errOut := terminal.Run(plugin.Run, "approve", "w1")
			if code != app.ExitFailed || out+errOut != "error: NodeReboot w1-a of node w1: "+want+"\n" {
				t.Errorf("it ended with %d: %s%s", code, out, errOut)
			}
		})
	}
}
