package wait_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func node(name, boot string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.NodeInfo.BootID = boot
	return n
}

func policy(change ...func(*v1alpha1.RebootPolicy)) *v1alpha1.RebootPolicy {
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "workers"}}
	for _, one := range change {
		one(p)
	}
	return p
}

func condition(kind string) func(*v1alpha1.RebootPolicy) {
	return func(p *v1alpha1.RebootPolicy) {
		p.Status.Conditions = []metav1.Condition{{
			Type: kind, Status: metav1.ConditionTrue, Reason: "Why", Message: "Look at w1.", LastTransitionTime: metav1.NewTime(plugintest.Now),
		}}
	}
}

func reboot(name string, change ...func(*v1alpha1.NodeReboot)) *v1alpha1.NodeReboot {
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid of " + name)}}
	r.Spec.NodeName = "w1"
	r.Status = v1alpha1.NodeRebootStatus{
		PolicyName: "workers", Phase: v1alpha1.PhasePending, Reason: "WindowClosed", Message: "It opens at 22:00.",
		Before: &v1alpha1.BootInfo{BootID: "one"},
	}
	for _, one := range change {
		one(r)
	}
	return r
}

func draining(r *v1alpha1.NodeReboot) {
	r.Status.Phase, r.Status.Reason, r.Status.Message = v1alpha1.PhaseDraining, "Draining", "3 pods left."
	r.Status.Attempt = &v1alpha1.Attempt{Number: 1}
}

func ended(outcome v1alpha1.Outcome, reason string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		at := metav1.NewMicroTime(plugintest.Now)
		r.Status.Phase, r.Status.Outcome, r.Status.OutcomeReason = v1alpha1.Phase(outcome), outcome, reason
		r.Status.Reason, r.Status.Message, r.Status.CompletionTime = reason, "It is over.", &at
		r.Status.After = &v1alpha1.BootInfo{BootID: "two"}
	}
}

var succeeds = ended(v1alpha1.OutcomeSucceeded, "Proved")

// step is a change of the cluster after the command has begun to watch.
type step func(t *testing.T, c client.Client)

func becomes(r *v1alpha1.NodeReboot) step {
	return func(t *testing.T, c client.Client) {
		now := &v1alpha1.NodeReboot{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(r), now); err != nil {
			t.Error(err)
		}
		now.Status = r.Status
		if err := c.Status().Update(t.Context(), now); err != nil {
			t.Error(err)
		}
	}
}

func created(o client.Object) step {
	return func(t *testing.T, c client.Client) {
		if err := c.Create(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
}

func deleted(o client.Object) step {
	return func(t *testing.T, c client.Client) {
		if err := c.Delete(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	underWay := func(p *v1alpha1.RebootPolicy) { p.Status.UnderWay = 1 }
	over := func(p *v1alpha1.RebootPolicy) { p.Status.Conditions[0].Status = metav1.ConditionFalse }
	for name, test := range map[string]struct {
		line    string
		objects []client.Object
		steps   []step
		code    int
		out     []string
		errOut  string
	}{
		"a node is proved": {"w1", []client.Object{node("w1", "one"), reboot("a")},
			[]step{becomes(reboot("a", draining)), becomes(reboot("a", succeeds))}, 0, []string{
				"w1  Pending, WindowClosed: It opens at 22:00.", "w1  Draining: 3 pods left.", "w1  Succeeded, Proved: It is over.",
				"node w1 is proved (Proved): It is over."}, ""},
		"was proved before":       {"w1", []client.Object{node("w1", "two"), reboot("a", succeeds)}, nil, 0, []string{"node w1 is proved"}, ""},
		"boots since":             {"w1", []client.Object{node("w1", "three"), reboot("a", succeeds)}, nil, 3, nil, "error: node w1: it needs no reboot, and"},
		"no need":                 {"w1", []client.Object{node("w1", "one")}, nil, 3, nil, "it has no NodeReboot: it needs no reboot"},
		"failed":                  {"w1", []client.Object{node("w1", "one"), reboot("a")}, []step{becomes(reboot("a", ended("Failed", "NodeGone")))}, 3, nil, "a of node w1 failed (NodeGone): It is over."},
		"stalled":                 {"w1 --for=idle", []client.Object{node("w1", "one"), reboot("a", draining)}, []step{becomes(reboot("a", draining, func(r *v1alpha1.NodeReboot) { r.Status.Phase = "Failed" }))}, 3, nil, "a of node w1 failed"},
		"failed before":           {"w1", []client.Object{node("w1", "one"), reboot("a", ended("Failed", "NodeGone"))}, nil, 3, nil, "its last NodeReboot, a, ended as Failed (NodeGone)"},
		"cancelled":               {"w1", []client.Object{node("w1", "one"), reboot("a")}, []step{becomes(reboot("a", ended("Cancelled", "NeedWithdrawn")))}, 3, nil, "was cancelled (NeedWithdrawn)"},
		"superseded":              {"w1", []client.Object{node("w1", "one"), reboot("a"), reboot("b")}, []step{becomes(reboot("b", ended("Cancelled", "Superseded"))), becomes(reboot("a", succeeds))}, 0, []string{"node w1 is proved"}, ""},
		"halted":                  {"w1", []client.Object{node("w1", "one"), reboot("a")}, []step{becomes(reboot("a", func(r *v1alpha1.NodeReboot) { r.Status.Reason, r.Status.Message = "Halted", "Too many." }))}, 3, nil, "node w1: Too many."},
		"deleted":                 {"w1", []client.Object{node("w1", "one"), reboot("a")}, []step{deleted(reboot("a"))}, 3, nil, "is cancelled: it was deleted"},
		"deleted and made again":  {"w1", []client.Object{node("w1", "one"), reboot("a")}, []step{created(reboot("b")), deleted(reboot("a")), becomes(reboot("b", succeeds))}, 0, []string{"node w1 is proved"}, ""},
		"pruned":                  {"w1", []client.Object{node("w1", "one"), reboot("a")}, []step{becomes(reboot("a", succeeds)), deleted(reboot("a"))}, 0, []string{"node w1 is proved"}, ""},
		"idle while it waits":     {"w1 --for=idle", []client.Object{node("w1", "one"), reboot("a")}, nil, 0, []string{"node w1 is idle: no reboot is under way"}, ""},
		"idle when it is deleted": {"w1 --for=idle", []client.Object{node("w1", "one"), reboot("a", draining)}, []step{deleted(reboot("a"))}, 0, []string{"node w1 is idle"}, ""},
		"by a NodeReboot":         {"nodereboot.reboot-operator.io/a", []client.Object{node("w1", "one"), reboot("a")}, []step{becomes(reboot("a", succeeds))}, 0, []string{"node w1 is proved"}, ""},
		"a policy": {"workers", []client.Object{policy(), node("w1", "one"), reboot("a")},
			[]step{created(reboot("b", func(r *v1alpha1.NodeReboot) { r.Spec.NodeName = "w2" })), becomes(reboot("a", succeeds)),
				becomes(reboot("b", succeeds))},
			0, []string{"w2  Succeeded, Proved", "RebootPolicy workers is proved: no node needs a reboot"}, ""},
		"a policy at rest":           {"workers", []client.Object{policy()}, nil, 0, []string{"RebootPolicy workers is proved"}, ""},
		"a policy that gave up":      {"workers", []client.Object{policy(condition("GivenUp"))}, nil, 3, nil, "reboots were given up: Look at w1."},
		"a policy that is halted":    {"workers", []client.Object{policy(condition("Halted")), reboot("a")}, nil, 3, nil, "RebootPolicy workers: it is halted (Why): Look at w1."},
		"a policy that was halted":   {"workers", []client.Object{policy(condition("Halted"), over), node("w1", "one"), reboot("a")}, []step{becomes(reboot("a", succeeds))}, 0, []string{"RebootPolicy workers is proved"}, ""},
		"halted, and idle":           {"workers --for=idle", []client.Object{policy(condition("Halted")), reboot("a")}, nil, 0, []string{"RebootPolicy workers is idle"}, ""},
		"a policy that is deleted":   {"workers", []client.Object{policy(), reboot("a")}, []step{deleted(policy())}, 3, nil, "RebootPolicy workers: it was deleted"},
		"two":                        {"w1 policy/workers", []client.Object{policy(), node("w1", "one"), reboot("a")}, []step{becomes(reboot("a", ended("Failed", "x")))}, 3, nil, "error: node w1: NodeReboot a of node w1 failed (x): It is over.\nRebootPolicy workers: NodeReboot a"},
		"the status comes later":     {"workers --timeout=300ms", []client.Object{policy(underWay)}, nil, 1, nil, "error: not proved after 300ms: RebootPolicy workers (NodeReboots that have not ended: 0)"},
		"the manager has not looked": {"workers --timeout=300ms", []client.Object{policy(), &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "n"}}}, nil, 1, nil, "not proved after 300ms"},
		"the time is over":           {"w1 --timeout=300ms", []client.Object{node("w1", "one"), reboot("a")}, nil, 1, nil, "error: not proved after 300ms: node w1 (NodeReboots that have not ended: 1)"},
		"nothing of that name":       {"w9", nil, nil, 1, nil, "error: there is no node and no RebootPolicy w9"},
		"two of that name":           {"workers", []client.Object{policy(), node("workers", "")}, nil, 2, nil, "write node/workers or policy/workers"},
		"no kind":                    {"pod/x", nil, nil, 2, nil, `"pod" is not a kind`},
		"no goal":                    {"w1 --for=Ready", []client.Object{node("w1", "")}, nil, 2, nil, "write proved or idle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waits(t, test.line, test.objects, test.steps, expected{test.code, test.out, test.errOut})
		})
	}
}

// expected is how a command has to end, what it says at some time, and what it says of failures.
type expected struct {
	code   int
	out    []string
	errOut string
}

func waits(t *testing.T, words string, objects []client.Object, steps []step, want expected) {
	t.Helper()
	terminal := plugintest.New(t, 0, objects...)
	terminal.Connect = func() (client.WithWatch, error) { return changing(t, terminal.Client, steps), nil }
	line := append([]string{"wait"}, strings.Fields(words)...)
	if !strings.Contains(words, "timeout") {
		line = append(line, "--timeout=1m")
	}
	code, out, errOut := terminal.Run(plugin.Run, line...)
	if code != want.code || !strings.Contains(errOut, want.errOut) || want.errOut == "" && errOut != "" {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
	for _, one := range want.out {
		if !strings.Contains(out, "12:00:00  "+one) {
			t.Errorf("%q is missing in\n%s", one, out)
		}
	}
}

// changing is a cluster that changes once the command watches both kinds.
func changing(t *testing.T, inner client.WithWatch, steps []step) client.WithWatch {
	var watches atomic.Int32
	return interceptor.NewClient(inner, interceptor.Funcs{
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			w, err := c.Watch(ctx, list, options...)
			if err == nil && watches.Add(1) == 2 {
				for _, one := range steps {
					one(t, inner)
				}
			}
			return w, err
		},
	})
}

func TestWaitingGoesOnWhileTheAPIServerIsAway(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0, node("w1", "one"), reboot("a"))
	away := true
	terminal.Connect = func() (client.WithWatch, error) {
		return interceptor.NewClient(terminal.Client, interceptor.Funcs{
			Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
				if _, is := list.(*v1alpha1.NodeRebootList); is && away {
					away = false
					return nil, errors.New("connection\nrefused")
				}
				w, err := c.Watch(ctx, list, options...)
				if _, is := list.(*v1alpha1.NodeRebootList); is {
					becomes(reboot("a", succeeds))(t, c)
				}
				return w, err
			},
		}), nil
	}
	code, out, errOut := terminal.Run(plugin.Run, "wait", "w1")
	const want = "The API server does not answer (connection refused); trying again.\n"
	if code != app.ExitOK || errOut != want || !strings.Contains(out, "is proved") {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func TestWhoMayNotWatchIsNotLeftWaiting(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0, node("w1", "one"), reboot("a"))
	terminal.Connect = func() (client.WithWatch, error) {
		return interceptor.NewClient(terminal.Client, interceptor.Funcs{
			Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
				return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "nodereboots"}, "", errors.New("no watch"))
			},
		}), nil
	}
	code, out, errOut := terminal.Run(plugin.Run, "wait", "w1")
	if code != app.ExitFailed || !strings.Contains(errOut, "error: you may not read ") {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func TestWaitingEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0, node("w1", "one"), reboot("a"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	terminal.Connect = func() (client.WithWatch, error) {
		return interceptor.NewClient(terminal.Client, interceptor.Funcs{
			Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
				cancel()
				return nil, ctx.Err()
			},
		}), nil
	}
	code := plugin.Run(ctx, terminal.App, []string{"wait", "w1"})
	if code != app.ExitFailed || terminal.Err.String() != "error: interrupted\n" {
		t.Errorf("it ended with %d: %s", code, terminal.Err)
	}
}
