package act_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// The NodeReboot of node master may be called like the node master-2.
func TestANameIsNeverTakenForThatOfAnotherNode(t *testing.T) {
	t.Parallel()
	const (
		both = "error: master-2: it is the name of a node, and of a NodeReboot of node master; write node/master-2 or nodereboot/master-2\n"
		ofA  = "NodeReboot master-2 of node master is "
		ofB  = "NodeReboot master-2-7 of node master-2 is "
	)
	nodes := []client.Object{node("master"), node("master-2"), policy("workers", requires)}
	idle := slices.Concat(nodes, []client.Object{reboot("master-2", "master")})
	busy := slices.Concat(idle, []client.Object{reboot("master-2-7", "master-2")})
	gone := []client.Object{policy("workers", requires), reboot("master-2", "master")}
	own := slices.Concat(nodes, []client.Object{reboot("master-2", "master-2")})
	for name, test := range map[string]struct {
		objects []client.Object
		arg     string
		code    int
		want    string
	}{
		"a bare name, the node has none":            {idle, "master-2", app.ExitFailed, both},
		"a bare name, the node has one":             {busy, "master-2", app.ExitFailed, both},
		"a bare name of a NodeReboot alone":         {gone, "master-2", app.ExitOK, ofA},
		"a bare name of a node and its own":         {own, "master-2", app.ExitOK, "NodeReboot master-2 of node master-2 is "},
		"the node, which has none":                  {idle, "node/master-2", app.ExitOK, "Node master-2 has no reboot that"},
		"the node, which has one":                   {busy, "nodes/master-2", app.ExitOK, ofB},
		"the NodeReboot, the node has none":         {idle, "nodereboot/master-2", app.ExitOK, ofA},
		"the NodeReboot, the node has one":          {busy, "nodereboot.reboot-operator.io/master-2", app.ExitOK, ofA},
		"no such NodeReboot, but a node":            {nodes, "nodereboot/master-2", app.ExitFailed, "there is no NodeReboot of this name"},
		"no such node, but a NodeReboot":            {gone, "node/master-2", app.ExitFailed, "there is no node of this name"},
		"a node whose NodeReboot is called as such": {idle, "master", app.ExitOK, ofA},
	} {
		for _, verb := range []string{"approve", "cancel", "deny", "retry"} {
			code, out, errOut := run(cluster(t, test.objects...), verb+" "+test.arg)
			want := test.want
			if verb == "retry" && test.code == app.ExitOK {
				want = "has no failed reboot: nothing to try again."
			}
			if verb == "deny" {
				want = strings.TrimSuffix(want, "is ")
			}
			if code != test.code || !strings.Contains(out+errOut, want) {
				t.Errorf("%s, %s: it ended with %d: %s%s", verb, name, code, out, errOut)
			}
		}
	}
}

func TestWhoMayNotReadNodesWritesTheKindOfANodeReboot(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("master-2"), reboot("master-2", "master"))
	intercept(terminal, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if _, is := o.(*corev1.Node); is {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, key.Name, errors.New("no"))
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	const want = "error: master-2: it is the name of a NodeReboot of node master, and it could not be read whether it is also the name of a " +
		"node; write node/master-2 or nodereboot/master-2\n"
	if code, out, errOut := run(terminal, "cancel master-2"); code != app.ExitFailed || out+errOut != want {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
	for _, name := range []string{"w9", "node/w9"} {
		if code, out, errOut := run(terminal, "cancel "+name); code != app.ExitOK || !strings.HasPrefix(out, "Node w9 has no reboot") {
			t.Errorf("%s: it ended with %d: %s%s", name, code, out, errOut)
		}
	}
	if code, out, errOut := run(terminal, "cancel nodereboot/master-2"); code != app.ExitOK {
		t.Errorf("it ended with %d: %s%s", code, out, errOut)
	}
}

func TestOneObjectThatIsNamedInTwoWaysIsActedOnOnce(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("w1"), reboot("w1-a", "w1"))
	if _, out, errOut := run(terminal, "cancel w1 node/w1 nodes/w1 -o name"); out != "nodereboot.reboot-operator.io/w1-a\n" {
		t.Errorf("it says %s%s", out, errOut)
	}
}
