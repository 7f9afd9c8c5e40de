package act_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// spoken is a NodeReboot that the manager has looked at since its spec changed last.
func spoken(r *v1alpha1.NodeReboot) { r.Generation, r.Status.ObservedGeneration = 1, 1 }

// before is a manager that has not looked at the NodeReboot since its spec changed last.
func before(r *v1alpha1.NodeReboot) { r.Generation, r.Status.ObservedGeneration = 2, 1 }

// then has a manager that does something once the command watches for its answer. The API server counts the versions of specs.
func then(t *testing.T, terminal *plugintest.Terminal, manager func(context.Context, client.Client) error) {
	var watches atomic.Int32
	intercept(terminal, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
			if err := c.Patch(ctx, o, p, options...); err != nil {
				return err
			}
			o.SetGeneration(o.GetGeneration() + 1)
			return c.Update(ctx, o)
		},
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			w, err := c.Watch(ctx, list, options...)
			if watches.Add(1) == 2 {
				if err := manager(ctx, c); err != nil {
					t.Error(err)
				}
			}
			return w, err
		},
	})
}

// says is a manager that looks at a NodeReboot.
func says(name, reason string, change ...func(*v1alpha1.NodeReboot)) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		r := &v1alpha1.NodeReboot{}
		if err := c.Get(ctx, client.ObjectKey{Name: name}, r); err != nil {
			return err
		}
		r.Status.ObservedGeneration, r.Status.Reason, r.Status.Message = r.Generation, reason, "So it is."
		for _, one := range change {
			one(r)
		}
		return c.Status().Update(ctx, r)
	}
}

// creates is a helper or a manager that creates a NodeReboot.
func creates(r *v1alpha1.NodeReboot) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error { return c.Create(ctx, r) }
}

// silent is a manager that is not there.
func silent(context.Context, client.Client) error { return nil }

func TestWhatTheManagerAnswersIsSaid(t *testing.T) {
	t.Parallel()
	const (
		unseen = "  The manager has not seen it yet. To see what it says: kubectl reboots why w1\n"
		more   = "  More: kubectl reboots why w1\n"
		so     = "  It waits. WindowClosed: So it is.\n" + more
	)
	skipped := node("w1", func(n *corev1.Node) { n.Labels[v1alpha1.SkipLabel] = "disk" })
	isSkipped := reboot("w1-a", "w1", func(r *v1alpha1.NodeReboot) { r.Status.Reason = v1alpha1.ReasonSkipped })
	gaveUp := ended(v1alpha1.OutcomeFailed, "NodeGone", -5)
	condition := func(r *v1alpha1.NodeReboot) {
		r.Spec.Trigger, r.Spec.ConditionType = v1alpha1.TriggerNodeCondition, "KernelDeadlock"
	}
	unnamed := func(r *v1alpha1.NodeReboot) { r.Status.Reason = "" }
	for name, test := range map[string]struct {
		line    string
		objects []client.Object
		manager func(context.Context, client.Client) error
		end     string
	}{
		"an approval":           {"approve w1", []client.Object{reboot("w1-a", "w1", spoken)}, says("w1-a", "WindowClosed"), "by alice.\n" + so},
		"an approval, no word":  {"approve w1", []client.Object{reboot("w1-a", "w1", spoken)}, silent, "by alice.\n" + unseen},
		"an approval, withdrew": {"deny w1", []client.Object{reboot("w1-a", "w1", spoken, given("bob"))}, silent, "is withdrawn.\n" + unseen},
		"urgent":                {"now w1 --reason x --immediate", []client.Object{node("w1"), reboot("w1-a", "w1", spoken)}, silent, "is urgent now.\n" + unseen},
		"a request": {"now w1 --reason x", []client.Object{node("w1")}, says("w1-now-95ed3cae", "WindowClosed"),
			"is created.\n  WindowClosed: So it is.\n" + more},
		"a request, no reason yet": {"now w1 --reason x", []client.Object{node("w1")}, says("w1-now-95ed3cae", ""), "is created.\n" + unseen},
		"a request that nobody approved": {"now w1 --reason x", []client.Object{node("w1")},
			says("w1-now-95ed3cae", v1alpha1.ReasonAwaitingApproval, func(r *v1alpha1.NodeReboot) {
				r.Status.Phase, r.Status.Message = v1alpha1.PhasePending, "Wait. To approve it: kubectl patch x"
			}), "is created.\n  It waits. AwaitingApproval: Wait.\n" +
				"  To approve it, if you may: kubectl reboots approve nodereboot/w1-now-95ed3cae\n" + more},
		"an approval that does not count": {"approve w1", []client.Object{reboot("w1-a", "w1", spoken)},
			says("w1-a", v1alpha1.ReasonSelfApproved),
			"  It waits. SelfApproved: So it is.\n  To approve it, if you may: kubectl reboots approve nodereboot/w1-a\n" + more},
		"an attempt needs no approval": {"approve w1", []client.Object{reboot("w1-a", "w1", spoken)},
			says("w1-a", v1alpha1.ReasonAwaitingApproval, draining), "by alice.\n  AwaitingApproval: So it is.\n" + more},
		"until a time": {"approve w1", []client.Object{reboot("w1-a", "w1", spoken)}, says("w1-a", "WindowClosed", func(r *v1alpha1.NodeReboot) {
			r.Status.UntilTime = micro(60)
		}), "So it is.\n  In your time zone, that is until 13:00 UTC.\n" + more},
		"until now": {"approve w1", []client.Object{reboot("w1-a", "w1", spoken)}, says("w1-a", "WindowClosed", func(r *v1alpha1.NodeReboot) {
			r.Status.UntilTime = micro(0)
		}), so},
		"unskip": {"unskip w1", []client.Object{skipped, isSkipped}, says("w1-a", "WindowClosed"),
			"  Its NodeReboot w1-a has kept its place in the queue.\n" + so},
		"unskip, no word": {"unskip w1", []client.Object{skipped, isSkipped}, silent,
			"queue.\n  To see what it waits for: kubectl reboots why w1\n"},
		"retry, by a helper": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", sentinel, gaveUp)}, creates(reboot("w1-b", "w1")),
			"is deleted.\n  NodeReboot w1-b takes its place.\n  It waits. WindowClosed: The window is closed.\n"},
		"retry, by a helper, with its name": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", sentinel, gaveUp)},
			creates(reboot("w1-a", "w1", func(r *v1alpha1.NodeReboot) { r.UID = "another" })),
			"is deleted.\n  NodeReboot w1-a takes its place.\n  It waits. WindowClosed: The window is closed.\n"},
		"retry, by a helper, not looked at": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", sentinel, gaveUp)},
			creates(reboot("w1-a", "w1", unnamed, func(r *v1alpha1.NodeReboot) { r.UID = "another" })),
			"If none comes: kubectl reboots why w1\n"},
		"retry, another is not looked at": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", sentinel, gaveUp)},
			creates(reboot("w1-b", "w1", unnamed)), "If none comes: kubectl reboots why w1\n"},
		"retry, another has ended": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", sentinel, gaveUp)},
			creates(reboot("w1-b", "w1", ended(v1alpha1.OutcomeFailed, "x", -1))), "If none comes: kubectl reboots why w1\n"},
		"retry, one of another node": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", sentinel, gaveUp)},
			creates(reboot("w2-b", "w2")), "If none comes: kubectl reboots why w1\n"},
		"retry, a condition": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", condition, gaveUp)}, silent,
			"  The manager creates another one if the node still has the condition KernelDeadlock.\n"},
		"retry, a history": {"retry w1", []client.Object{node("w1"), reboot("w1-a", "w1", sentinel, gaveUp),
			reboot("w1-o", "w1", sentinel, ended(v1alpha1.OutcomeSucceeded, "Proved", -50))}, silent, "If none comes: kubectl reboots why w1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				terminal := cluster(t, append(test.objects, policy("workers", requires))...)
				then(t, terminal, test.manager)
				code, out, errOut := terminal.Run(plugin.Run, strings.Fields(test.line)...)
				if code != app.ExitOK || !strings.HasSuffix(out, test.end) {
					t.Errorf("it ended with %d: %s%s", code, out, errOut)
				}
			})
		})
	}
}

// patience is the default of --answer-timeout.
const patience = 5 * time.Second

func TestTheManagersAnswerIsAwaitedOnlyWhereOneComes(t *testing.T) {
	t.Parallel()
	objects := []client.Object{
		node("w1"), node("w2"), policy("workers", requires), reboot("w1-a", "w1", spoken), reboot("w2-a", "w2", spoken, given("carol")),
	}
	for line, want := range map[string]time.Duration{
		"approve w1":                         patience,
		"approve w1 --answer-timeout=3s":     3 * time.Second,
		"approve w1 --answer-timeout=0s":     0,
		"approve w1 -o name":                 0,
		"approve w1 --dry-run=client":        0,
		"approve w1 --dry-run=server":        0,
		"approve w2":                         0,
		"skip w1":                            0,
		"now w3 --reason x":                  0,
		"approve w1 --policy none":           0,
		"now w1 --reason x --immediate":      patience,
		"resume workers --mode=Observe":      0,
		"cancel w1":                          0,
		"retry w1":                           0,
		"now w1 --reason x --dry-run=client": 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			terminal := cluster(t, objects...)
			then(t, terminal, silent)
			began := time.Now()
			_, out, errOut := terminal.Run(plugin.Run, strings.Fields(line)...)
			if took := time.Since(began); took != want {
				t.Errorf("%s took %s: %s%s", line, took, out, errOut)
			}
		})
	}
}

func TestNoAnswerIsAwaitedToWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1", spoken))
		intercept(terminal, interceptor.Funcs{
			Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return errors.New("no")
			},
		})
		began := time.Now()
		code, out, errOut := terminal.Run(plugin.Run, "approve", "w1")
		if took := time.Since(began); code != app.ExitFailed || took != 0 {
			t.Errorf("it ended with %d after %s: %s%s", code, took, out, errOut)
		}
	})
}

func TestACommandThatAwaitsNothingWatchesNothing(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("w1"), policy("workers", requires), reboot("w1-a", "w1"))
	intercept(terminal, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, is := list.(*v1alpha1.RebootPolicyList); is {
				t.Error("it reads all policies")
			}
			return c.List(ctx, list, options...)
		},
	})
	for _, line := range []string{"skip w1", "approve w1 --dry-run=client", "cancel w1"} {
		if code, _, errOut := terminal.Run(plugin.Run, strings.Fields(line)...); code != app.ExitOK {
			t.Errorf("%s: %s", line, errOut)
		}
	}
}

// An approval that expired is given again only after the manager has seen that it was withdrawn, whether the answer is shown or not.
func TestAnApprovalIsNotGivenAgainBeforeTheManagerHasSeenThatItIsWithdrawn(t *testing.T) {
	t.Parallel()
	forgets := func(r *v1alpha1.NodeReboot) { r.Status.ApprovedTime = nil }
	old := func(r *v1alpha1.NodeReboot) { r.Status.ApprovedTime, r.Status.ObservedGeneration = nil, 1 }
	const unseen = "error: NodeReboot w1-a of node w1: the expired approval is withdrawn, but the manager has not seen that yet; " +
		"approve it again in a moment: kubectl reboots approve nodereboot/w1-a\n"
	for name, test := range map[string]struct {
		manager func(context.Context, client.Client) error
		want    string
	}{
		"seen":               {says("w1-a", "AwaitingApproval", forgets), "NodeReboot w1-a of node w1 is approved by alice.\n"},
		"not seen":           {silent, unseen},
		"seen, but not this": {says("w1-a", "AwaitingApproval", old), unseen},
	} {
		synctest.Test(t, func(t *testing.T) {
			terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1", spoken, expiredOf("alice")))
			then(t, terminal, test.manager)
			_, out, errOut := run(terminal, "approve w1")
			if !strings.HasPrefix(out+errOut, test.want) {
				t.Errorf("%s: it says %s%s", name, out, errOut)
			}
		})
	}
}

// owned is what the API server records of who set the mode of a policy.
func owned(terminal *plugintest.Terminal, by ...metav1.ManagedFieldsEntry) {
	intercept(terminal, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			err := c.Get(ctx, key, o, options...)
			if p, is := o.(*v1alpha1.RebootPolicy); is {
				p.ManagedFields = by
			}
			return err
		},
	})
}

func owns(name, fields string) metav1.ManagedFieldsEntry {
	entry := metav1.ManagedFieldsEntry{Manager: name, Operation: metav1.ManagedFieldsOperationUpdate}
	if fields != "" {
		entry.FieldsV1 = metav1.NewFieldsV1(fields)
	}
	return entry
}

const modeField = `{"f:spec":{"f:mode":{}}}`

func paused(from string) func(*v1alpha1.RebootPolicy) {
	return func(p *v1alpha1.RebootPolicy) {
		p.Spec.Mode, p.Annotations = v1alpha1.ModePaused, map[string]string{v1alpha1.PausedFromAnnotation: from}
	}
}

func TestAPolicyIsResumedWithTheModeThatItHad(t *testing.T) {
	t.Parallel()
	plain := owns("kubectl-reboots", modeField)
	const unseen = "  The manager has not seen it yet. To see what it says: kubectl reboots status workers\n"
	const observes = "  It only observes, as before: it taints nodes and says what would happen, and reboots none.\n"
	const write = "; write which mode to resume with: kubectl reboots resume workers --mode Enforce|Observe\n"
	const someone = "error: RebootPolicy workers: someone else has set its mode since kubectl reboots paused it" + write
	for name, test := range map[string]struct {
		from string
		by   []metav1.ManagedFieldsEntry
		want string
	}{
		"Enforce": {"Enforce", []metav1.ManagedFieldsEntry{plain}, "RebootPolicy workers is resumed; its mode is Enforce.\n" + unseen},
		"Observe": {"Observe", []metav1.ManagedFieldsEntry{owns("x", ""), plain},
			"RebootPolicy workers is resumed; its mode is Observe.\n" + observes + unseen},
		"Paused": {"Paused", []metav1.ManagedFieldsEntry{plain},
			`error: RebootPolicy workers: its annotation reboot-operator.io/paused-from says "Paused", which is not a mode` + write},
		"nobody knows": {"", []metav1.ManagedFieldsEntry{plain},
			"error: RebootPolicy workers: it was not paused by kubectl reboots, so its previous mode is not known" + write},
		"someone else's mode":          {"Enforce", []metav1.ManagedFieldsEntry{owns("kubectl-edit", modeField)}, someone},
		"the plugin's other field":     {"Enforce", []metav1.ManagedFieldsEntry{owns("kubectl-reboots", `{"f:metadata":{}}`)}, someone},
		"the plugin's, without fields": {"Enforce", []metav1.ManagedFieldsEntry{owns("kubectl-reboots", "")}, someone},
		"the plugin's, not readable":   {"Enforce", []metav1.ManagedFieldsEntry{owns("kubectl-reboots", `{"f:spec":{"f:mode":{}`)}, someone},
	} {
		terminal := cluster(t, policy("workers", paused(test.from)))
		owned(terminal, test.by...)
		_, out, errOut := run(terminal, "resume workers")
		if out+errOut != test.want {
			t.Errorf("%s: it says %s%s", name, out, errOut)
		}
		now := &v1alpha1.RebootPolicy{}
		if err := terminal.Client.Get(t.Context(), client.ObjectKey{Name: "workers"}, now); err != nil {
			t.Fatal(err)
		}
		_, noted := now.Annotations[v1alpha1.PausedFromAnnotation]
		if refused := errOut != ""; refused != (now.Spec.Mode == v1alpha1.ModePaused) || refused != noted {
			t.Errorf("%s: the mode is %s, the annotations %v", name, now.Spec.Mode, now.Annotations)
		}
	}
}

func TestAPolicyThatIsResumedSaysWhereItIs(t *testing.T) {
	t.Parallel()
	const more = "  More: kubectl reboots status workers\n"
	const unseen = "  The manager has not seen it yet. To see what it says: kubectl reboots status workers\n"
	looks := func(change ...func(*v1alpha1.RebootPolicy)) func(context.Context, client.Client) error {
		return func(ctx context.Context, c client.Client) error {
			p := &v1alpha1.RebootPolicy{}
			if err := c.Get(ctx, client.ObjectKey{Name: "workers"}, p); err != nil {
				return err
			}
			p.Status = v1alpha1.RebootPolicyStatus{
				ObservedGeneration: p.Generation, Summary: "Rebooting", Nodes: 9, Required: 3, UnderWay: 1,
			}
			for _, one := range change {
				one(p)
			}
			return c.Status().Update(ctx, p)
		}
	}
	for name, test := range map[string]struct {
		manager func(context.Context, client.Client) error
		want    string
	}{
		"looked": {looks(), "  Rebooting: 3 of 9 nodes need a reboot, 1 are under way.\n" + more},
		"waits": {looks(func(p *v1alpha1.RebootPolicy) { p.Status.WaitingFor = "WindowClosed" }),
			"  Rebooting: 3 of 9 nodes need a reboot, 1 are under way.\n  Most of those that wait do so because of WindowClosed.\n" + more},
		"looked at the old one": {looks(func(p *v1alpha1.RebootPolicy) { p.Status.ObservedGeneration-- }), unseen},
		"away":                  {silent, unseen},
	} {
		synctest.Test(t, func(t *testing.T) {
			old := func(p *v1alpha1.RebootPolicy) { p.Generation, p.Status.ObservedGeneration = 4, 4 }
			terminal := cluster(t, policy("workers", paused("Enforce"), old))
			then(t, terminal, test.manager)
			_, out, errOut := terminal.Run(plugin.Run, "resume", "workers", "--mode=Enforce")
			if out != "RebootPolicy workers is resumed; its mode is Enforce.\n"+test.want {
				t.Errorf("%s: it says %s%s", name, out, errOut)
			}
		})
	}
}

// forbidden is an answer of the API server.
func forbidden(what string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: what}, "", errors.New("no"))
}
