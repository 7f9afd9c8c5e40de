package why_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/internal/plugin/why"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

// waiting is a node with wide letters in its labels that waits for a window.
func waiting() []client.Object {
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "linux"}}
	p.Spec.Nodes = v1alpha1.NodesAll
	r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "worker-7-3"}}
	r.Spec.NodeName = "worker-7"
	r.Status.Phase, r.Status.Reason, r.Status.PolicyName = v1alpha1.PhasePending, v1alpha1.ReasonWindowClosed, "linux"
	r.Status.Message = "The window of RebootPolicy linux is closed; it opens next at 2026-03-02 22:00 +00:00 (in 10h, as of 12:00)."
	r.Status.UntilTime = &metav1.MicroTime{Time: plugintest.Now.Add(10 * 3600e9)}
	renewed := metav1.NewMicroTime(plugintest.Now)
	return []client.Object{
		p, r, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-7"}}, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-8"}},
		&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "reboot-operator-system", Name: "reboot-operator"},
			Spec:       coordinationv1.LeaseSpec{RenewTime: &renewed},
		},
	}
}

func TestAnAnswerFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{80, 120} {
		terminal := plugintest.New(t, columns, waiting()...)
		code, out, errOut := terminal.Run(plugin.Run, "why", "--no-color", "worker-7", "worker-8")
		if code != app.ExitOK || errOut != "" {
			t.Errorf("it ended with %d: %s", code, errOut)
		}
		for line := range strings.SplitSeq(out, "\n") {
			if len(line) > columns && !strings.HasPrefix(line, "  kubectl ") {
				t.Errorf("%d columns: %s", len(line), line)
			}
		}
		golden.Compare(t, filepath.Join("testdata", map[int]string{80: "why80.golden", 120: "why120.golden"}[columns]), out)
	}
}

func TestAnAnswerForProgramsHasTheSameFacts(t *testing.T) {
	t.Parallel()
	code, out, _ := plugintest.New(t, 0, waiting()...).Run(plugin.Run, "why", "worker-7", "-o", "json")
	var answers []why.Answer
	if err := json.Unmarshal([]byte(out), &answers); err != nil || code != app.ExitOK || len(answers) != 1 {
		t.Fatalf("%d %v: %s", code, err, out)
	}
	if a := answers[0]; a.Reason != v1alpha1.ReasonWindowClosed || a.Policy != "linux" || a.Until == nil || len(a.Type) == 0 || !a.Found {
		t.Errorf("%+v", a)
	}
	if !strings.Contains(out, "\n    \"reason\": \"WindowClosed\"") {
		t.Errorf("it is hard to read: %s", out)
	}
	if _, out, _ = plugintest.New(t, 0, waiting()...).Run(plugin.Run, "why", "a<b", "-o", "json"); !strings.Contains(out, "no Node a<b") {
		t.Errorf("%s", out)
	}
	if _, out, _ = plugintest.New(t, 0, waiting()...).Run(plugin.Run, "why", "worker-7", "-o", "yaml"); !strings.Contains(out,
		"reason: WindowClosed") {
		t.Errorf("%s", out)
	}
}

func TestWhatCannotBeAnsweredEndsWithACode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no such node":    {[]string{"why", "worker-77", "worker-7"}, app.ExitFailed, "Did you mean worker-7"},
		"a name like two": {[]string{"why", "worker-77"}, app.ExitFailed, "Did you mean worker-7 or worker-8?"},
		"no name at all":  {[]string{"why", ""}, app.ExitFailed, "There is no Node ."},
		"no name of one":  {[]string{"why", "node/a/b"}, app.ExitFailed, "There is no Node a/b."},
		"an empty name":   {[]string{"why", "nodereboot/"}, app.ExitFailed, "There is no NodeReboot ."},
		"no name":         {[]string{"why"}, app.ExitUsage, "requires at least 1 arg"},
		"an unknown form": {[]string{"why", "worker-7", "-o", "xml"}, app.ExitUsage, "write -o json or -o yaml"},
	} {
		code, _, errOut := plugintest.New(t, 0, waiting()...).Run(plugin.Run, test.args...)
		if code != test.code || !strings.Contains(errOut, test.says) {
			t.Errorf("%s: it ended with %d: %s", name, code, errOut)
		}
	}
}

func TestAClusterThatCannotBeReadSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"not installed":          &meta.NoKindMatchError{},
		"reboot-operator-viewer": apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("nodereboots").GroupResource(), "", errors.New("no")),
		"read ":                  errors.New("the connection is refused"),
	} {
		terminal := plugintest.New(t, 0)
		broken := interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return err },
		})
		terminal.Connect = func() (client.WithWatch, error) { return broken, nil }
		code, _, errOut := terminal.Run(plugin.Run, "why", "worker-7")
		if code != app.ExitFailed || !strings.Contains(errOut, want) {
			t.Errorf("it ended with %d: %s", code, errOut)
		}
	}
}

func TestOnlyWhatIsAskedForIsRead(t *testing.T) {
	t.Parallel()
	other := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "of-worker-8"}}
	other.Spec.NodeName = "worker-8"
	for asked, want := range map[string]string{
		"worker-7":              "worker-7-3",
		"node/worker-7":         "worker-7-3",
		"worker-7-3":            "worker-7-3",
		"nodereboot/worker-7-3": "worker-7-3",
		"rebootpolicy/linux":    "",
	} {
		terminal := plugintest.New(t, 0, append(waiting(), other)...)
		watched := interceptor.NewClient(terminal.Client, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				err := c.List(ctx, list, options...)
				switch l := list.(type) {
				case *corev1.NodeList:
					t.Errorf("%s: all nodes are read", asked)
				case *v1alpha1.NodeRebootList:
					for i := range l.Items {
						if l.Items[i].Spec.NodeName != "worker-7" {
							t.Errorf("%s: NodeReboot %s is read", asked, l.Items[i].Name)
						}
					}
				}
				return err
			},
		})
		terminal.Connect = func() (client.WithWatch, error) { return watched, nil }
		code, out, errOut := terminal.Run(plugin.Run, "why", asked, "-o", "json")
		var answers []why.Answer
		if err := json.Unmarshal([]byte(out), &answers); err != nil || code != app.ExitOK {
			t.Fatalf("%s: %d %v: %s", asked, code, err, errOut)
		}
		if got := answers[0].NodeReboot; got != want {
			t.Errorf("%s is explained by NodeReboot %q, want %q", asked, got, want)
		}
	}
}

var errBroken = errors.New("the disk is full")

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		asked, get, list, says string
		connect                error
	}{
		"the cluster":                        {"worker-7", "", "", "the disk is full", errBroken},
		"policies":                           {"worker-7", "", "RebootPolicyList", "read RebootPolicies: the disk is full", nil},
		"a node":                             {"worker-7", "Node", "", "read Nodes: the disk is full", nil},
		"the NodeReboots of a node":          {"worker-7", "", "NodeRebootList", "read NodeReboots: the disk is full", nil},
		"a NodeReboot":                       {"nodereboot/worker-7-3", "NodeReboot", "", "read NodeReboots: the disk is full", nil},
		"a NodeReboot instead of a node":     {"worker-7-3", "NodeReboot", "", "read NodeReboots: the disk is full", nil},
		"other nodes of a similar name":      {"worker-9", "", "NodeList", "read Nodes: the disk is full", nil},
		"nothing, as the node has a reboot":  {"worker-7", "NodeReboot", "", "", nil},
		"nothing, as the node is there":      {"worker-8", "NodeReboot", "NodeList", "", nil},
		"nothing, as the policy is there":    {"rebootpolicy/linux", "Node", "NodeList", "", nil},
		"no NodeReboot instead of node/NAME": {"node/db", "NodeReboot", "", "There is no Node db.", nil},
		"nothing of an unknown kind":         {"pod/x", "Node", "", "is not a kind that can be explained", nil},
		"nothing without a node":             {"gone", "NodeReboot", "", "NodeReboot gone-1 ", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "gone-1"}}
			gone.Spec.NodeName = "gone"
			terminal := plugintest.New(t, 300, append(waiting(), gone)...)
			fail := func(c client.WithWatch, object runtime.Object, kind string) error {
				if gvk, err := c.GroupVersionKindFor(object); err != nil || gvk.Kind == kind {
					return errors.Join(err, errBroken)
				}
				return nil
			}
			broken := interceptor.NewClient(terminal.Client, interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
					return cmp.Or(fail(c, o, test.get), c.Get(ctx, key, o, options...))
				},
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					return cmp.Or(fail(c, list, test.list), c.List(ctx, list, options...))
				},
			})
			terminal.Connect = func() (client.WithWatch, error) { return broken, test.connect }
			code, out, errOut := terminal.Run(plugin.Run, "why", "--no-color", test.asked)
			if !strings.Contains(out+errOut, test.says) || (code == app.ExitOK) != (errOut == "") || test.says == "" && errOut != "" {
				t.Errorf("it ended with %d and says %s%s, want %q", code, out, errOut, test.says)
			}
		})
	}
}

func TestNamesThatNoObjectCanHaveAreNotAskedFor(t *testing.T) {
	t.Parallel()
	for _, asked := range []string{"", "node/", "nodereboot/", "node/a/b", "nodereboot/a/b"} {
		terminal := plugintest.New(t, 0, waiting()...)
		watched := interceptor.NewClient(terminal.Client, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
				if key.Name == "" || strings.Contains(key.Name, "/") {
					t.Errorf("%q: %q is read", asked, key.Name)
				}
				return c.Get(ctx, key, o, options...)
			},
		})
		terminal.Connect = func() (client.WithWatch, error) { return watched, nil }
		if code, _, _ := terminal.Run(plugin.Run, "why", asked); code != app.ExitFailed {
			t.Errorf("%q ended with %d", asked, code)
		}
	}
}

// full is a disk that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errBroken }

func TestAnAnswerThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	for _, output := range []string{"", "json", "yaml"} {
		terminal := plugintest.New(t, 0, waiting()...)
		terminal.App.Out = full{}
		if code, _, errOut := terminal.Run(plugin.Run, "why", "worker-7", "-o", output); code != app.ExitFailed ||
			!strings.Contains(errOut, errBroken.Error()) {
			t.Errorf("-o %s ended with %d: %s", output, code, errOut)
		}
	}
}
