package status_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/internal/plugin/policyfile"
)

const applied = `apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata: {name: workers}
spec:
  nodes: All
  rollout: {maxUnavailable: 1}
  schedule:
    windows:
    - weekly: {days: [Mon, Tue], start: "22:00"}
      durationSeconds: 7200
`

// whole is a node that needs a reboot, with a helper that is Ready.
func whole(name string, helper bool) []client.Object {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{corev1.LabelTopologyZone: "a"},
	}}
	n.Status.NodeInfo.BootID = "boot-of-" + name
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	r := fleet.Reboot("workers", "a", name, fleet.Waits(v1alpha1.ReasonWindowClosed, "The window is closed.", 10*time.Hour))
	r.Name, r.Generation, r.Spec.BootID = v1alpha1.SentinelRebootName(name, "boot-of-"+name), 1, "boot-of-"+name
	r.Status.Report = &v1alpha1.HelperReport{
		BootID: "boot-of-" + name, Sentinel: v1alpha1.SentinelRequired, Protocol: v1alpha1.ProtocolLevel,
		Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
	}
	if !helper {
		return []client.Object{n, r}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "reboot-operator-system", Name: "helper-" + name,
		Labels:          map[string]string{v1alpha1.ComponentLabel: "helper", "app.kubernetes.io/name": "reboot-operator"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "helper", UID: "h", Controller: ptr.To(true)}},
	}}
	pod.Spec.NodeName = name
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return []client.Object{n, r, pod}
}

func ahead(t *testing.T) *plugintest.Terminal {
	t.Helper()
	found, err := policyfile.Read(strings.NewReader(applied), "policy.yaml")
	if err != nil || found[0].Object == nil {
		t.Fatalf("%v %v", err, found)
	}
	policy := found[0].Object
	policy.UID, policy.Generation, policy.CreationTimestamp = "uid", 1, metav1.Time{Time: fleet.Now.Add(-time.Hour)}
	policy.Status = fleet.Policy("workers").Status
	objects := []client.Object{policy}
	for i := range 3 {
		objects = append(objects, whole(fmt.Sprintf("worker-%d", i+1), true)...)
	}
	return plugintest.New(t, 100, append(objects, whole("worker-4", false)...)...)
}

func TestTheForecastSaysWhenNodesHaveTheirTurn(t *testing.T) {
	t.Parallel()
	code, out, errOut := ahead(t).Run(plugin.Run, "status")
	if code != app.ExitOK {
		t.Fatalf("it ended with %d: %s", code, errOut)
	}
	for _, line := range []string{
		`NODE +.*WAITS FOR +.*UNTIL.* +.*QUEUE.* +.*EXPECTED`, `worker-\d  WindowClosed  22:00  1/\d    22:00`,
		`worker-\d  WindowClosed  22:00  3/\d    22:\d\d`,
		`worker-4  WindowClosed  22:00\n`, `Finish: +about Mon Mar 02 22:\d\d UTC \(in 10h\); of 1 node it cannot be said`,
	} {
		if !regexp.MustCompile(line).MatchString(out) {
			t.Errorf("there is no %s in\n%s", line, out)
		}
	}
}

func TestWithoutTheForecastNothingIsGuessed(t *testing.T) {
	t.Parallel()
	_, out, _ := ahead(t).Run(plugin.Run, "status", "--forecast=false")
	if strings.Contains(out, "QUEUE") || strings.Contains(out, "Finish") || !strings.Contains(out, "worker-4") {
		t.Errorf("the status:\n%s", out)
	}
}
