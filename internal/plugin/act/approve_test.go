package act_test

import (
	"testing"
	"testing/synctest"

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
			"  The manager has not looked at it yet. To see what it says: kubectl reboots why w2\n"
		const failed = "error: NodeReboot w1-a of node w1: the expired approval is withdrawn, but the manager has not seen that yet; " +
			"approve it again in a moment: kubectl reboots approve nodereboot/w1-a\n"
		if code != app.ExitFailed || out != approved || errOut != failed {
			t.Errorf("it ended with %d: %s%s", code, out, errOut)
		}
	})
}
