package act_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func TestACommandThatCannotConnectSaysWhy(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"now w1 --reason x", "cancel w1", "approve w1", "deny w1", "pause workers", "resume workers", "skip w1", "unskip w1", "retry w1",
	} {
		terminal := cluster(t)
		terminal.Connect = func() (client.WithWatch, error) { return nil, errors.New("no cluster") }
		if code, out, errOut := run(terminal, line); code != app.ExitFailed || out+errOut != "error: no cluster\n" {
			t.Errorf("%s ended with %d: %s%s", line, code, out, errOut)
		}
	}
}

func TestACommandThatMayNotReadSaysWhat(t *testing.T) {
	t.Parallel()
	for kind, lines := range map[string][]string{
		"NodeReboots": {
			"now w1 --reason x", "cancel w1", "approve w1", "deny --all", "pause workers", "resume --all", "skip w1", "unskip w1", "retry w1",
		},
		"Nodes":          {"now --all --reason x", "cancel -l pool=blue", "approve -l pool=blue", "skip --all", "retry -l pool=blue"},
		"RebootPolicies": {"skip --policy workers", "pause --all", "now --policy workers --reason x"},
		"the node":       {"now w1 --reason x", "skip w1"},
		"the RebootPolicy": {
			"pause workers", "resume workers",
		},
	} {
		for _, line := range lines {
			terminal := cluster(t, node("w1"), policy("workers", requires), reboot("w1-a", "w1"))
			refuse(terminal, kind)
			code, out, errOut := run(terminal, line)
			if code != app.ExitFailed || out != "" || !strings.Contains(errOut, "you may not read "+kind+";") || strings.Count(errOut, "\n") != 1 {
				t.Errorf("%s without %s ended with %d: %s%s", line, kind, code, out, errOut)
			}
		}
	}
}

// refuse has an API server that refuses reading.
func refuse(terminal *plugintest.Terminal, what string) {
	intercept(terminal, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			kind := map[string]string{
				"*v1alpha1.NodeRebootList": "NodeReboots", "*v1.NodeList": "Nodes", "*v1alpha1.RebootPolicyList": "RebootPolicies",
			}[fmt.Sprintf("%T", list)]
			if kind == what {
				return forbidden(what)
			}
			return c.List(ctx, list, options...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			switch o.(type) {
			case *corev1.Node:
				if what == "the node" {
					return forbidden(what)
				}
			case *v1alpha1.RebootPolicy:
				if what == "the RebootPolicy" {
					return forbidden(what)
				}
			}
			return c.Get(ctx, key, o, options...)
		},
	})
}

func TestThePoliciesOfAChoiceHaveToBeReadable(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"cancel --policy workers", "now --policy workers --reason x"} {
		terminal := cluster(t, node("w1"), policy("workers"), reboot("w1-a", "w1"))
		refuse(terminal, "the RebootPolicy")
		code, out, errOut := run(terminal, line)
		if code != app.ExitFailed || !strings.HasPrefix(errOut, "error: you may not read RebootPolicies;") {
			t.Errorf("%s ended with %d: %s%s", line, code, out, errOut)
		}
	}
	_, out, errOut := run(cluster(t, node("w1")), "now --policy none --reason x")
	if !strings.Contains(errOut, "there is no RebootPolicy none") {
		t.Errorf("it says %s%s", out, errOut)
	}
}

func TestOneNameThatNoObjectHasStopsNoOther(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, policy("workers"))
	code, out, errOut := run(terminal, "pause none workers -o name")
	if code != app.ExitFailed || out != "rebootpolicy.reboot-operator.io/workers\n" ||
		errOut != "error: RebootPolicy none: there is no RebootPolicy of this name\n" {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
	terminal = cluster(t, node("w1"), node("w3"), reboot("w1-a", "w1", sentinel, backingOff))
	code, out, errOut = run(terminal, "retry w2 w1 w3")
	const last = "Node w3 has no failed reboot: nothing to try again.\n"
	if code != app.ExitFailed || !strings.Contains(out, "is deleted") || !strings.HasSuffix(out, last) ||
		errOut != "error: w2: there is no node and no NodeReboot of this name\n" {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func TestAPolicyOfManyNodeRebootsIsReadOnce(t *testing.T) {
	t.Parallel()
	orphan := func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = "" }
	gone := func(r *v1alpha1.NodeReboot) { r.Status.PolicyName = "gone" }
	terminal := cluster(t, policy("workers", requires), reboot("w1-a", "w1"), reboot("w2-a", "w2"), reboot("w3-a", "w3", orphan),
		reboot("w4-a", "w4", gone), reboot("w5-a", "w5", gone))
	var read []string
	intercept(terminal, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if _, is := o.(*v1alpha1.RebootPolicy); is {
				read = append(read, key.Name)
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	_, out, errOut := run(terminal, "approve --all")
	slices.Sort(read)
	if diff := cmp.Diff([]string{"gone", "workers"}, read); diff != "" || strings.Count(out, "is approved by alice") != 5 {
		t.Errorf("it says %s%s %s", out, errOut, diff)
	}
}

func TestWhatIsChosenIsAnsweredInTheOrderOfNames(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("w1"), node("w2"), node("w3"), policy("a"), policy("b"), policy("c"),
		reboot("x", "w3"), reboot("y", "w1"), reboot("z", "w2"))
	intercept(terminal, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			err := c.List(ctx, list, options...)
			var items []runtime.Object
			_ = meta.EachListItem(list, func(o runtime.Object) error { items = append(items, o.DeepCopyObject()); return nil })
			slices.Reverse(items)
			return errors.Join(err, meta.SetList(list, items))
		},
	})
	const ofNodes = "nodereboot.reboot-operator.io/y\nnodereboot.reboot-operator.io/z\nnodereboot.reboot-operator.io/x\n"
	const policies = "rebootpolicy.reboot-operator.io/a\nrebootpolicy.reboot-operator.io/b\nrebootpolicy.reboot-operator.io/c\n"
	for line, want := range map[string]string{
		"skip --all": "node/w1\nnode/w2\nnode/w3\n", "pause --all": policies, "cancel --all": ofNodes,
	} {
		if _, out, errOut := run(terminal, line+" -o name"); out != want {
			t.Errorf("%s: it says %s%s", line, out, errOut)
		}
	}
}

func TestACommandLineIsCompleted(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, policy("workers"), policy("databases"))
	for line, want := range map[string]string{
		"cancel --dry-run=": "none\nclient\nserver\n", "approve --policy=": "databases\nworkers\n", "resume --mode=": "Enforce\nObserve\n",
	} {
		_, out, errOut := terminal.Run(plugin.Run, append([]string{"__complete"}, strings.Fields(line)...)...)
		if !strings.HasPrefix(out, want) {
			t.Errorf("%s: it offers %s%s", line, out, errOut)
		}
	}
}

func TestHelpSaysOfWhatTheLabelsChoose(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"pause": "Choose by the labels of policies,", "cancel": "Choose by the labels of nodes,", "skip": "Choose by the labels of nodes,",
	} {
		if _, out, _ := cluster(t).Run(plugin.Run, line, "--help"); !strings.Contains(out, want) {
			t.Errorf("%s: it says %s", line, out)
		}
	}
}

// nobody is a cluster that does not say who uses the plugin.
func nobody(t *testing.T, objects ...client.Object) *plugintest.Terminal {
	t.Helper()
	terminal := cluster(t, objects...)
	intercept(terminal, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if _, is := o.(*authenticationv1.SelfSubjectReview); is {
				return forbidden("selfsubjectreviews")
			}
			return c.Create(ctx, o, options...)
		},
	})
	return terminal
}

func TestTheWebhookFillsInAUserWhoIsNotKnown(t *testing.T) {
	t.Parallel()
	var written []string
	keep := func(terminal *plugintest.Terminal) *plugintest.Terminal {
		intercept(terminal, interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				data, err := p.Data(o)
				written = append(written, string(data))
				return errors.Join(err, c.Patch(ctx, o, p, options...))
			},
		})
		return terminal
	}
	waits := func(r *v1alpha1.NodeReboot) { r.Status.Reason = v1alpha1.ReasonAwaitingApproval }
	_, out, errOut := run(keep(nobody(t, policy("workers", requires), reboot("w1-a", "w1", waits))), "approve w1")
	if !strings.HasPrefix(out, "NodeReboot w1-a of node w1 is approved by you.\n") {
		t.Errorf("it says %s%s", out, errOut)
	}
	_, _, _ = run(keep(cluster(t, policy("workers", requires), reboot("w1-a", "w1", waits))), "approve w1")
	_, _, _ = run(keep(cluster(t, policy("workers", requires), reboot("w1-a", "w1", given("carol")))), "deny w1")
	const version = `"metadata":{"resourceVersion":"999"},`
	want := []string{
		`{` + version + `"spec":{"approval":"Given","approvedBy":null}}`, `{` + version + `"spec":{"approval":"Given","approvedBy":"alice"}}`,
		`{` + version + `"spec":{"approval":"NotGiven","approvedBy":null}}`,
	}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Error(diff)
	}
}
