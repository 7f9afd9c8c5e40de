package wait_test

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
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

// leaving is a NodeReboot that was deleted, and stays until the manager has undone its attempt.
func leaving(r *v1alpha1.NodeReboot) {
	at := metav1.NewTime(plugintest.Now)
	r.DeletionTimestamp, r.Finalizers = &at, []string{"reboot-operator.io/rollback"}
}

func kept(r *v1alpha1.NodeReboot) { r.Finalizers = []string{"reboot-operator.io/rollback"} }

// released is a NodeReboot that the manager lets go.
func released(r *v1alpha1.NodeReboot) step {
	return func(t *testing.T, c client.Client) {
		now := &v1alpha1.NodeReboot{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(r), now); err != nil {
			t.Error(err)
		}
		now.Finalizers = nil
		if err := c.Update(t.Context(), now); err != nil {
			t.Error(err)
		}
	}
}

// status is a policy as the manager writes it next.
func status(change func(*v1alpha1.RebootPolicy)) step {
	return func(t *testing.T, c client.Client) {
		p := &v1alpha1.RebootPolicy{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: "workers"}, p); err != nil {
			t.Error(err)
		}
		change(p)
		if err := c.Status().Update(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
}

func on(node string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Spec.NodeName = node }
}

func uid(of types.UID) func(*v1alpha1.NodeReboot) { return func(r *v1alpha1.NodeReboot) { r.UID = of } }

func boot(before string) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) { r.Status.Before = &v1alpha1.BootInfo{BootID: before} }
}

func at(minutes int) func(*v1alpha1.NodeReboot) {
	return func(r *v1alpha1.NodeReboot) {
		when := metav1.NewMicroTime(plugintest.Now.Add(time.Duration(minutes-60) * time.Minute))
		r.Status.CompletionTime = &when
	}
}

func TestANodeIsJudgedByWhatHappensToItsNodeReboots(t *testing.T) {
	t.Parallel()
	w1 := node("w1", "one")
	failed, cancelled := ended("Failed", "NodeGone"), ended("Cancelled", "NeedWithdrawn")
	halted := func(message string) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) { r.Status.Reason, r.Status.Message = v1alpha1.ReasonHalted, message }
	}
	timeless := func(r *v1alpha1.NodeReboot) { r.Status.CompletionTime = nil }
	stalled := func(r *v1alpha1.NodeReboot) { draining(r); r.Status.Phase = v1alpha1.PhaseFailed }
	bare := func(r *v1alpha1.NodeReboot) { r.Status.After = nil }
	for name, test := range map[string]struct {
		line    string
		objects []client.Object
		steps   []step
		want    expected
	}{
		"one that is going is not idle": {"w1 --for=idle", []client.Object{w1, reboot("a", leaving)}, []step{released(reboot("a"))},
			expected{0, []string{"node w1 is idle"}, ""}},
		"one that is going and stays": {"w1 --for=idle --timeout=300ms", []client.Object{w1, reboot("a", leaving)}, nil,
			expected{1, nil, "error: not idle after 300ms: node w1 (NodeReboots that have not ended: 1)"}},
		"one that ended is idle": {"w1 --for=idle", []client.Object{w1, reboot("a", draining, succeeds)}, nil, expected{0, []string{"node w1 is idle"}, ""}},
		"one whose attempt ended is idle": {"w1 --for=idle", []client.Object{w1, reboot("a", draining, func(r *v1alpha1.NodeReboot) {
			when := metav1.NewMicroTime(plugintest.Now)
			r.Status.Attempt.EndedTime = &when
		})}, nil, expected{0, []string{"node w1 is idle"}, ""}},
		"it is deleted, and stays": {"w1", []client.Object{w1, reboot("a", kept)}, []step{deleted(reboot("a"))},
			expected{3, nil, "error: node w1: NodeReboot a of node w1 is cancelled: it was deleted\n"}},
		"its name is another's now": {"w1", []client.Object{w1, reboot("a")},
			[]step{deleted(reboot("a")), created(reboot("a", on("w2"), uid("another")))}, expected{3, nil, "it was deleted"}},
		"it is made again with its name": {"w1", []client.Object{w1, reboot("a")},
			[]step{created(reboot("b")), deleted(reboot("a")), created(reboot("a", uid("another"))),
				becomes(reboot("b", succeeds)), becomes(reboot("a", succeeds))},
			expected{0, []string{"node w1 is proved"}, ""}},
		"only another that is going is left": {"w1", []client.Object{w1, reboot("a"), reboot("b", leaving)}, []step{deleted(reboot("a"))},
			expected{3, nil, "is cancelled: it was deleted"}},
		"another proves the same boot": {"w1", []client.Object{w1, reboot("a"), reboot("b")},
			[]step{becomes(reboot("b", succeeds)), deleted(reboot("a"))}, expected{0, []string{"node w1 is proved"}, ""}},
		"another proved a boot before": {"w1", []client.Object{w1, reboot("a"), reboot("b", succeeds, boot("zero"))}, []step{deleted(reboot("a"))},
			expected{3, nil, "is cancelled: it was deleted"}},
		"another failed at the same boot": {"w1", []client.Object{w1, reboot("a"), reboot("b", failed)}, []step{deleted(reboot("a"))},
			expected{3, nil, "is cancelled: it was deleted"}},
		"the boots are not known": {"w1", []client.Object{w1, reboot("a", func(r *v1alpha1.NodeReboot) { r.Status.Before = nil }),
			reboot("b", succeeds, func(r *v1alpha1.NodeReboot) { r.Status.Before = nil })}, []step{deleted(reboot("a"))},
			expected{3, nil, "is cancelled: it was deleted"}},
		"many stalled": {"w1 --for=idle", []client.Object{w1, reboot("a", stalled), reboot("b", stalled), reboot("c", stalled), reboot("d", stalled)},
			nil, expected{3, nil, "error: node w1: NodeReboot a of node w1 failed (Draining): 3 pods left.\n"}},
		"it was cancelled before":   {"w1", []client.Object{w1, reboot("a", cancelled)}, nil, expected{3, nil, "its last NodeReboot, a, ended as Cancelled (NeedWithdrawn)"}},
		"the last one counts":       {"w1", []client.Object{w1, reboot("a", cancelled, at(9)), reboot("b", failed, at(5))}, nil, expected{3, nil, "its last NodeReboot, a, ended as Cancelled"}},
		"the last one, otherwise":   {"w1", []client.Object{w1, reboot("a", cancelled, at(5)), reboot("b", failed, at(9))}, nil, expected{3, nil, "its last NodeReboot, b, ended as Failed"}},
		"the first of two at once":  {"w1", []client.Object{w1, reboot("a", cancelled), reboot("b", failed)}, nil, expected{3, nil, "its last NodeReboot, a, ended as Cancelled"}},
		"a superseded one does not": {"w1", []client.Object{w1, reboot("a", ended("Cancelled", "Superseded"), at(9)), reboot("b", failed, at(5))}, nil, expected{3, nil, "its last NodeReboot, b,"}},
		"a timeless one does not":   {"w1", []client.Object{w1, reboot("a", cancelled, timeless), reboot("b", failed)}, nil, expected{3, nil, "its last NodeReboot, b,"}},
		"a boot that is not known":  {"w1", []client.Object{node("w1", "two"), reboot("a", succeeds, bare)}, nil, expected{3, nil, "it needs no reboot, and has been rebooted again since its last NodeReboot, a, succeeded"}},
		"a node of unknown boot":    {"w1", []client.Object{reboot("a", succeeds)}, nil, expected{0, []string{"node w1 is proved"}, ""}},
		"halted, and idle":          {"w1 --for=idle", []client.Object{w1, reboot("a", halted("Too many."))}, nil, expected{0, []string{"node w1 is idle"}, ""}},
		"halted twice":              {"w1", []client.Object{w1, reboot("a", halted("A")), reboot("b", halted("B"))}, nil, expected{3, nil, "error: node w1: B\n"}},
		"it was halted": {"w1", []client.Object{w1, reboot("a"), reboot("b", succeeds, halted("Then."))}, []step{becomes(reboot("a", succeeds))},
			expected{0, []string{"node w1 is proved"}, ""}},
		"one of another node": {"w1", []client.Object{w1, reboot("a"), reboot("b", on("w2"))},
			[]step{becomes(reboot("b", on("w2"), failed)), becomes(reboot("a", succeeds))}, expected{0, []string{"node w1 is proved"}, ""}},
		"another is still open": {"w1 --timeout=300ms", []client.Object{w1, reboot("a"), reboot("b")}, []step{becomes(reboot("a", succeeds))},
			expected{1, nil, "node w1 (NodeReboots that have not ended: 1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waits(t, test.line, test.objects, test.steps, test.want)
		})
	}
}

func TestAPolicyIsJudgedByItsStatusToo(t *testing.T) {
	t.Parallel()
	needs := func(p *v1alpha1.RebootPolicy) { p.Status.Required = 1 }
	rests := func(p *v1alpha1.RebootPolicy) { p.Status = v1alpha1.RebootPolicyStatus{} }
	over := func(kind string) func(*v1alpha1.RebootPolicy) {
		return func(p *v1alpha1.RebootPolicy) {
			condition(kind)(p)
			p.Status.Conditions[0].Status = metav1.ConditionFalse
		}
	}
	other := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	fresh := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	ofOther := func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = "other" }
	endedUnseen := reboot("n", succeeds, func(r *v1alpha1.NodeReboot) { r.Status.Reason = "" })
	for name, test := range map[string]struct {
		line    string
		objects []client.Object
		steps   []step
		want    expected
	}{
		"a node needs one":       {"workers --timeout=300ms", []client.Object{policy(needs)}, nil, expected{1, nil, "error: not proved after 300ms: RebootPolicy workers"}},
		"it needed one":          {"workers", []client.Object{policy(needs)}, []step{status(rests)}, expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"it gave up before":      {"workers", []client.Object{policy(over("GivenUp"))}, nil, expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"it is halted meanwhile": {"workers", []client.Object{policy(), reboot("a")}, []step{status(condition("Halted"))}, expected{3, nil, "it is halted (Why): Look at w1."}},
		"it was halted":          {"workers --timeout=300ms", []client.Object{policy(over("Halted")), reboot("a")}, nil, expected{1, nil, "not proved after 300ms"}},
		"another is deleted": {"workers", []client.Object{policy(), other, reboot("a")}, []step{deleted(other), becomes(reboot("a", succeeds))},
			expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"one of another policy fails": {"workers", []client.Object{policy(), other, reboot("a"), reboot("b", on("w2"), ofOther)},
			[]step{becomes(reboot("b", on("w2"), ofOther, ended("Failed", "x"))), becomes(reboot("a", succeeds))},
			expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"a new one is looked at":       {"workers", []client.Object{policy(), fresh}, []step{becomes(reboot("n", ofOther))}, expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"one that ended was looked at": {"workers", []client.Object{policy(), endedUnseen}, nil, expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"nodes and policies": {"w1 policy/workers --timeout=300ms", []client.Object{
			policy(needs), node("w1", "one"), reboot("a", succeeds), reboot("b"),
		}, nil, expected{1, nil, "not proved after 300ms: node w1 (NodeReboots that have not ended: 1), " +
			"RebootPolicy workers (NodeReboots that have not ended: 1)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waits(t, test.line, test.objects, test.steps, test.want)
		})
	}
}

func TestATargetIsFoundByWhatItsNameSays(t *testing.T) {
	t.Parallel()
	ofNode := reboot("workers", on("workers"), succeeds)
	both := []client.Object{policy(), node("workers", "two"), ofNode}
	for name, test := range map[string]struct {
		line    string
		objects []client.Object
		want    expected
	}{
		"the node":                  {"node/workers", both, expected{0, []string{"node workers is proved"}, ""}},
		"the policy":                {"policy/workers", both, expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"the NodeReboot":            {"nodereboot/workers", both, expected{0, []string{"node workers is proved"}, ""}},
		"no such NodeReboot":        {"nodereboot/w1", []client.Object{node("w1", "one")}, expected{1, nil, "error: there is no node and no RebootPolicy w1"}},
		"no such node":              {"node/workers", []client.Object{policy()}, expected{1, nil, "error: there is no node and no RebootPolicy workers"}},
		"no such policy":            {"policy/w1", []client.Object{node("w1", "one")}, expected{1, nil, "error: there is no node and no RebootPolicy w1"}},
		"a NodeReboot by its name":  {"a", []client.Object{node("w1", "two"), reboot("a", succeeds)}, expected{0, []string{"node w1 is proved"}, ""}},
		"not one of a node's name":  {"w1", []client.Object{node("w1", "two"), reboot("w1", on("w2")), reboot("a", succeeds)}, expected{0, []string{"node w1 is proved"}, ""}},
		"nor of a policy's":         {"workers", []client.Object{policy(), reboot("workers", func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = "" })}, expected{0, []string{"RebootPolicy workers is proved"}, ""}},
		"a node that is gone":       {"w1", []client.Object{reboot("a", succeeds)}, expected{0, []string{"node w1 is proved"}, ""}},
		"a time that is negative":   {"w1 --timeout=-1s", []client.Object{node("w1", "")}, expected{2, nil, "error: --timeout is negative; 0s waits without a limit"}},
		"a time without a limit":    {"w1 --timeout=0s", []client.Object{node("w1", "two"), reboot("a", succeeds)}, expected{0, []string{"node w1 is proved"}, ""}},
		"the first that is unknown": {"w9 w1", []client.Object{node("w1", "two")}, expected{1, nil, "error: there is no node and no RebootPolicy w9"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waits(t, test.line, test.objects, nil, test.want)
		})
	}
}

func TestWhatMayNotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line   string
		refuse string
		err    error
		want   expected
	}{
		"nodes":              {"w1", "Node", forbidden(), expected{0, []string{"node w1 is proved"}, ""}},
		"nodes, away":        {"w1", "Node", errors.New("away"), expected{1, nil, "error: read Nodes: away\n"}},
		"policies":           {"w1", "RebootPolicy", forbidden(), expected{1, nil, "error: you may not read RebootPolicies;"}},
		"policies, named":    {"policy/w1", "RebootPolicy", errors.New("away"), expected{1, nil, "error: read RebootPolicies: away\n"}},
		"NodeReboots":        {"w9", "NodeReboots", forbidden(), expected{1, nil, "error: you may not read NodeReboots;"}},
		"one of them":        {"nodereboot/a", "NodeReboot", forbidden(), expected{1, nil, "error: you may not read NodeReboots;"}},
		"nodes, which it is": {"nodereboot/a", "Node", errors.New("away"), expected{1, nil, "error: read Nodes: away\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terminal := plugintest.New(t, 0, node("w1", "two"), reboot("a", succeeds))
			terminal.Connect = func() (client.WithWatch, error) { return refusing(terminal.Client, test.refuse, test.err), nil }
			code, out, errOut := terminal.Run(plugin.Run, "wait", test.line, "--timeout=1m")
			if code != test.want.code || !strings.Contains(errOut, test.want.errOut) ||
				!strings.Contains(out, strings.Join(test.want.out, "")) {
				t.Errorf("it ended with %d: %s%s", code, out, errOut)
			}
		})
	}
	terminal := plugintest.New(t, 0)
	terminal.Connect = func() (client.WithWatch, error) { return nil, errors.New("no cluster") }
	if code, out, errOut := terminal.Run(plugin.Run, "wait", "w1"); code != app.ExitFailed || out+errOut != "error: no cluster\n" {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func forbidden() error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "", errors.New("no"))
}

// refusing is an API server that answers with an error instead of one kind of objects or lists.
func refusing(inner client.WithWatch, kind string, err error) client.WithWatch {
	return interceptor.NewClient(inner, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			is := ""
			switch o.(type) {
			case *corev1.Node:
				is = "Node"
			case *v1alpha1.RebootPolicy:
				is = "RebootPolicy"
			case *v1alpha1.NodeReboot:
				is = "NodeReboot"
			}
			if is == kind {
				return err
			}
			return c.Get(ctx, key, o, options...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, is := list.(*v1alpha1.NodeRebootList); is && kind == "NodeReboots" {
				return err
			}
			return c.List(ctx, list, options...)
		},
	})
}

func TestOnlyNewsAreWritten(t *testing.T) {
	t.Parallel()
	message := func(text string) func(*v1alpha1.NodeReboot) {
		return func(r *v1alpha1.NodeReboot) { r.Status.Message = text }
	}
	fresh := func(r *v1alpha1.NodeReboot) { r.Status = v1alpha1.NodeRebootStatus{} }
	silent := func(r *v1alpha1.NodeReboot) { r.Status.Reason, r.Status.Message = "", "" }
	terminal := plugintest.New(t, 0, node("w1", "one"), reboot("a", fresh),
		reboot("b", message("B.")), reboot("c", message("A.")), reboot("d", draining))
	terminal.Connect = func() (client.WithWatch, error) {
		return changing(t, terminal.Client, []step{
			becomes(reboot("b", message("It counts down."))), becomes(reboot("a", silent)), becomes(reboot("c", draining)),
			becomes(reboot("a", succeeds)), becomes(reboot("b", succeeds)), becomes(reboot("c", succeeds)), becomes(reboot("d", succeeds)),
		}), nil
	}
	code, out, errOut := terminal.Run(plugin.Run, "wait", "w1", "--timeout=1m")
	want := []string{
		"w1  Draining: 3 pods left.", "w1  Pending, WindowClosed: A.", "w1  Pending, WindowClosed: B.", "w1  waits for the manager to see it",
		"w1  Pending", "w1  Draining: 3 pods left.", "w1  Succeeded, Proved: It is over.", "w1  Succeeded, Proved: It is over.",
		"w1  Succeeded, Proved: It is over.", "w1  Succeeded, Proved: It is over.", "node w1 is proved (Proved): It is over.",
	}
	if got := strings.ReplaceAll(out, "12:00:00  ", ""); code != app.ExitOK || got != strings.Join(want, "\n")+"\n" {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func TestEachTroubleIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		terminal := plugintest.New(t, 0, node("w1", "one"), reboot("a"))
		tries, others := 0, make(chan struct{})
		terminal.Connect = func() (client.WithWatch, error) {
			return interceptor.NewClient(terminal.Client, interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					if _, is := list.(*v1alpha1.NodeRebootList); is {
						<-others
						if tries++; tries == 1 || tries == 2 {
							return errors.New("connection refused")
						}
					}
					return c.List(ctx, list, options...)
				},
				Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
					if _, is := list.(*v1alpha1.NodeRebootList); !is {
						close(others) // The policies were read.
						return c.Watch(ctx, list, options...)
					}
					switch tries++; tries {
					case 4, 5:
						return nil, errors.New("no route")
					case 6:
						w, err := c.Watch(ctx, list, options...)
						becomes(reboot("a", succeeds))(t, c)
						return w, err
					}
					return c.Watch(ctx, list, options...)
				},
			}), nil
		}
		code, out, errOut := terminal.Run(plugin.Run, "wait", "w1")
		const want = "The API server does not answer (connection refused); trying again.\n" +
			"The API server does not answer (no route); trying again.\n"
		if code != app.ExitOK || errOut != want || !strings.Contains(out, "is proved") {
			t.Errorf("it ended with %d after %d: %s%s", code, tries, out, errOut)
		}
	})
}

// An API server that no longer knows the place in the history is read again: what is gone then was deleted.
func TestWhatIsGoneWhenItIsReadAgainIsNoticed(t *testing.T) {
	t.Parallel()
	madeAgain := func(t *testing.T, c client.Client) {
		deleted(reboot("a"))(t, c)
		created(reboot("a", on("w2"), uid("another")))(t, c)
	}
	for _, test := range []struct {
		line     string
		change   step
		policies bool
		want     string
	}{
		{"w1", deleted(reboot("a")), false, "NodeReboot a of node w1 is cancelled: it was deleted"},
		{"w1", madeAgain, false, "NodeReboot a of node w1 is cancelled: it was deleted"},
		{"policy/workers", deleted(policy()), true, "RebootPolicy workers: it was deleted"},
	} {
		synctest.Test(t, func(t *testing.T) {
			terminal := plugintest.New(t, 0, policy(), node("w1", "one"), reboot("a"))
			var missed atomic.Bool
			terminal.Connect = func() (client.WithWatch, error) {
				return interceptor.NewClient(terminal.Client, interceptor.Funcs{
					Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
						_, is := list.(*v1alpha1.RebootPolicyList)
						if is == test.policies && missed.CompareAndSwap(false, true) {
							test.change(t, c)
							return nil, apierrors.NewResourceExpired("too old")
						}
						return c.Watch(ctx, list, options...)
					},
				}), nil
			}
			code, out, errOut := terminal.Run(plugin.Run, "wait", test.line, "--timeout=1m")
			if code != app.ExitNo || !strings.Contains(errOut, test.want) {
				t.Errorf("%s ended with %d: %s%s", test.line, code, out, errOut)
			}
		})
	}
}

func TestGoalsAreCompleted(t *testing.T) {
	t.Parallel()
	if _, out, errOut := plugintest.New(t, 0).Run(plugin.Run, "__complete", "wait", "--for="); !strings.HasPrefix(out, "proved\nidle\n") {
		t.Errorf("it offers %s%s", out, errOut)
	}
}
