package act_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

func urgent(r *v1alpha1.NodeReboot) { r.Spec.Urgency = v1alpha1.UrgencyImmediate }

// reboots are all that the cluster has, by name, with their urgency.
func reboots(t *testing.T, c client.Client) map[string]v1alpha1.Urgency {
	t.Helper()
	var list v1alpha1.NodeRebootList
	if err := c.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]v1alpha1.Urgency{}
	for i := range list.Items {
		all[list.Items[i].Name] = list.Items[i].Spec.Urgency
	}
	return all
}

func TestARetryOfManyLeavesAloneWhatNobodyNeeds(t *testing.T) {
	t.Parallel()
	condition := func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = v1alpha1.TriggerNodeCondition }
	waiting := func(r *v1alpha1.NodeReboot) { backingOff(r); r.Status.Reason = v1alpha1.ReasonWindowClosed }
	gaveUp := ended(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, -60*24*21)
	objects := []client.Object{
		node("w1"), node("w2"), node("w3"), node("w4"), node("w5"), policy("workers"),
		reboot("sentinel", "w1", sentinel, gaveUp), reboot("condition", "w2", condition, gaveUp), reboot("person", "w3", gaveUp),
		reboot("backing-off", "w4", backingOff), reboot("waits", "w5", waiting, given("carol")),
	}
	for _, choice := range []string{"--all", "--policy workers", "-l pool=blue"} {
		terminal := cluster(t, objects...)
		code, out, errOut := run(terminal, "retry "+choice)
		left := reboots(t, terminal.Client)
		_, person := left["person"]
		_, waits := left["waits"]
		if code != app.ExitOK || strings.Count(out, "is deleted.") != 3 || len(left) != 3 || !person || !waits {
			t.Errorf("%s ended with %d and left %v: %s%s", choice, code, left, out, errOut)
		}
	}
	terminal := cluster(t, objects...)
	if _, out, errOut := run(terminal, "retry w3 nodereboot/waits"); strings.Count(out, "is deleted.") != 2 {
		t.Errorf("of those that are named it says %s%s", out, errOut)
	}
}

func TestWhatWasImmediateIsSoAgainOnlyIfThatIsWritten(t *testing.T) {
	t.Parallel()
	const lost = "  The deleted NodeReboot was Immediate; the new one is not. To ask for an Immediate one: " +
		"kubectl reboots now w1 --immediate --reason ...\n"
	const kept = "  It is Immediate: it waits for no window and no freeze.\n"
	for name, test := range map[string]struct {
		flags string
		kind  []func(*v1alpha1.NodeReboot)
		want  string
		is    v1alpha1.Urgency
	}{
		"without the flag":         {"", []func(*v1alpha1.NodeReboot){urgent}, lost, v1alpha1.UrgencyNormal},
		"with the flag":            {" --immediate", []func(*v1alpha1.NodeReboot){urgent}, kept, v1alpha1.UrgencyImmediate},
		"what was normal stays so": {" --immediate", nil, "", v1alpha1.UrgencyNormal},
		"a helper's":               {" --immediate", []func(*v1alpha1.NodeReboot){urgent, sentinel}, lost, ""},
	} {
		terminal := cluster(t, node("w1"), reboot("w1-a", "w1", append(test.kind, backingOff)...))
		_, out, errOut := run(terminal, "retry w1"+test.flags)
		left := reboots(t, terminal.Client)
		if !strings.Contains(out, test.want) || test.want == "" && strings.Contains(out, "Immediate") || left["w1-now-95ed3cae"] != test.is {
			t.Errorf("%s: it left %v and says %s%s", name, left, out, errOut)
		}
	}
}
