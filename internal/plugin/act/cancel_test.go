package act_test

import (
	"context"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func isStalled(r *v1alpha1.NodeReboot) {
	orderedToReboot(r)
	r.Status.Attempt.StalledTime, r.Status.Reason = micro(-1), v1alpha1.ReasonNodeNotBack
}

const leftAlone = "Not cancelled, because they did not come back or recover in time and still hold their slots: w2. " +
	"Each one that you name is given up: kubectl reboots cancel node/w2\n"

func TestOnlyANodeThatIsNamedIsGivenUp(t *testing.T) {
	t.Parallel()
	objects := []client.Object{node("w1"), node("w2"), policy("workers"), reboot("w1-a", "w1"), reboot("w2-a", "w2", isStalled)}
	for _, choice := range []string{"--all", "--policy workers", "-l pool=blue"} {
		terminal := cluster(t, objects...)
		_, out, errOut := run(terminal, "cancel "+choice)
		left := reboots(t, terminal.Client)
		if _, there := left["w2-a"]; !there || len(left) != 1 || !strings.HasSuffix(out, leftAlone) {
			t.Errorf("%s left %v: %s%s", choice, left, out, errOut)
		}
	}
	_, out, errOut := run(cluster(t, objects...), "cancel --all -o name")
	if out != "nodereboot.reboot-operator.io/w1-a\n" || errOut != leftAlone {
		t.Errorf("for a program it says %s%s", out, errOut)
	}
	if _, out, _ := run(cluster(t, objects[1], objects[4]), "cancel --all"); out != "Nothing to cancel.\n"+leftAlone {
		t.Errorf("of that alone it says %s", out)
	}
	for _, name := range []string{"w2", "nodereboot/w2-a"} {
		terminal := cluster(t, objects...)
		_, out, errOut := run(terminal, "cancel "+name)
		if left := reboots(t, terminal.Client); len(left) != 1 || !strings.Contains(out, "The node is given up") {
			t.Errorf("cancel %s left %v: %s%s", name, left, out, errOut)
		}
	}
}

func TestANodeThatStallsMeanwhileIsNotGivenUp(t *testing.T) {
	t.Parallel()
	terminal := cluster(t, node("w2"), reboot("w2-a", "w2", orderedToReboot))
	raced := false
	intercept(terminal, interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			if !raced {
				raced = true
				now := &v1alpha1.NodeReboot{}
				if err := c.Get(ctx, client.ObjectKeyFromObject(o), now); err != nil {
					return err
				}
				isStalled(now)
				if err := c.Status().Update(ctx, now); err != nil {
					return err
				}
			}
			return c.Delete(ctx, o, options...)
		},
	})
	code, out, errOut := run(terminal, "cancel --all")
	if left := reboots(t, terminal.Client); code != app.ExitOK || len(left) != 1 || !strings.HasSuffix(out, leftAlone) {
		t.Errorf("it ended with %d and left %v: %s%s", code, left, out, errOut)
	}
}
