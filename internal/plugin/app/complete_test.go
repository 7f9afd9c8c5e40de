package app_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func TestNamesOfObjectsAreCompleted(t *testing.T) {
	t.Parallel()
	a := plugintest.New(t, 0,
		&corev1.Node{ObjectMeta: named("worker-2")}, &corev1.Node{ObjectMeta: named("worker-1")}, &corev1.Node{ObjectMeta: named("other")},
		&v1alpha1.RebootPolicy{ObjectMeta: named("workers")}, &v1alpha1.RebootPolicy{ObjectMeta: named("worker-1")},
		&v1alpha1.NodeReboot{ObjectMeta: named("worker-1-7")})
	both := a.Complete(app.NodeKind, app.PolicyKind)
	for name, test := range map[string]struct {
		complete cobra.CompletionFunc
		args     []string
		start    string
		want     []cobra.Completion
	}{
		"nodes":         {a.Complete(app.NodeKind), nil, "", []cobra.Completion{"other", "worker-1", "worker-2"}},
		"a start":       {a.Complete(app.NodeKind), nil, "w", []cobra.Completion{"worker-1", "worker-2"}},
		"not twice":     {a.Complete(app.NodeKind), []string{"worker-1"}, "w", []cobra.Completion{"worker-2"}},
		"several kinds": {both, nil, "w", []cobra.Completion{"worker-1", "worker-2", "workers"}},
		"NodeReboots":   {a.Complete(app.RebootKind), nil, "", []cobra.Completion{"worker-1-7"}},
		"after a kind":  {both, nil, "node/w", []cobra.Completion{"node/worker-1", "node/worker-2"}},
		"as kubectl writes": {both, nil, "rebootpolicies.reboot-operator.io/w", []cobra.Completion{
			"rebootpolicies.reboot-operator.io/worker-1", "rebootpolicies.reboot-operator.io/workers",
		}},
		"not twice after a kind":   {both, []string{"worker-1"}, "node/w", []cobra.Completion{"node/worker-2"}},
		"the same of another kind": {both, []string{"node/worker-1"}, "policy/w", []cobra.Completion{"policy/worker-1", "policy/workers"}},
		"a kind it does not take":  {both, nil, "nodereboot/w", nil},
		"no kind":                  {both, nil, "pod/w", nil},
		"names alone":              {a.CompleteNames(app.PolicyKind), []string{"workers"}, "w", []cobra.Completion{"worker-1"}},
		"names alone have no kind": {a.CompleteNames(app.PolicyKind), nil, "policy/w", nil},
	} {
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		got, directive := test.complete(cmd, test.args, test.start)
		if diff := cmp.Diff(test.want, got); diff != "" || directive != cobra.ShellCompDirectiveNoFileComp {
			t.Errorf("%s: %d %s", name, directive, diff)
		}
	}
}

func TestKindsAreCompletedWhereNoNameBeginsSo(t *testing.T) {
	t.Parallel()
	a := plugintest.New(t, 0, &corev1.Node{ObjectMeta: named("worker-1")})
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	for start, want := range map[string][]cobra.Completion{
		"no": {"node/", "nodereboot/"}, "nodei": nil, "nodere": {"nodereboot/"}, "p": nil,
	} {
		got, directive := a.Complete(app.NodeKind, app.RebootKind)(cmd, nil, start)
		if diff := cmp.Diff(want, got); diff != "" || directive != cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace {
			t.Errorf("%s: %d %s", start, directive, diff)
		}
	}
}

func TestNothingIsCompletedWithoutACluster(t *testing.T) {
	t.Parallel()
	a := plugintest.New(t, 0)
	a.Connect = func() (client.WithWatch, error) { return nil, errors.New("no cluster") }
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	if got, _ := a.Complete(app.NodeKind)(cmd, nil, ""); len(got) != 0 {
		t.Errorf("it offers %v", got)
	}
}
