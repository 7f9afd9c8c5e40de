package kured_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

func node(name string, cordoned bool, change func(*corev1.Node)) corev1.Node {
	n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}, Labels: map[string]string{}}}
	n.Spec.Unschedulable = cordoned
	if change != nil {
		change(&n)
	}
	return n
}

func TestWhatKuredLeftIsFoundWithTheCommandsForIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	const (
		lock    = `{"nodeID":"a","metadata":{"unschedulable":false},"created":"2026-03-02T10:30:00Z","TTL":0}`
		expired = `{"nodeID":"a","metadata":{},"created":"2026-03-02T10:30:00Z","TTL":60000000000}`
		before  = `{"nodeID":"a","metadata":{"unschedulable":true},"created":"2026-03-02T10:30:00Z","TTL":0}`
		several = `{"maxOwners":2,"locks":[{"nodeID":"a","metadata":{},"created":"2026-03-02T11:00:00Z","TTL":0},` +
			`{"nodeID":"gone","created":"2026-03-02T11:00:00Z","TTL":0}]}`
		release = "kubectl -n kube-system annotate daemonset kured weave.works/kured-node-lock-"
	)
	for name, test := range map[string]struct {
		held  string
		gone  bool
		nodes []corev1.Node
		want  []string
		not   []string
	}{
		"nothing": {nodes: []corev1.Node{node("a", false, nil)}, not: []string{"#"}},
		"a lock, and its node cordoned": {held: lock, nodes: []corev1.Node{node("a", true, nil)}, want: []string{"Node a has held " +
			"kured's lock for 1h30m0s", "# " + release, "cordoned by kured, which holds the lock", "# kubectl uncordon a"}},
		"a lock that expired": {held: expired, nodes: []corev1.Node{node("a", true, nil)}, want: []string{"held kured's lock " +
			"until it expired", release}},
		"a node that was cordoned before": {held: before, nodes: []corev1.Node{node("a", true, nil)}, want: []string{"was before kured " +
			"came to it"}, not: []string{"kubectl uncordon"}},
		"locks of several, one of no node": {held: several, nodes: []corev1.Node{node("a", false, nil)}, want: []string{"Node a has held " +
			"kured's lock for 1h0m0s", "held by gone, which is not a node", "\n" + release}},
		"a lock without a holder":      {held: `{"maxOwners":2,"foo":[]}`, want: []string{"has no holder"}},
		"no lock, as several leave it": {held: `{"maxOwners":2,"locks":[]}`, not: []string{"#"}},
		"no DaemonSet, and a lock of before": {held: lock, gone: true, nodes: []corev1.Node{node("a", true, nil)}, want: []string{"which " +
			"held the lock", "\nkubectl uncordon a"}, not: []string{release}},
		"no DaemonSet, and cordoned by nobody knows whom": {gone: true, nodes: []corev1.Node{node("a", true, nil)}, want: []string{"nothing " +
			"says by whom"}},
		"cordoned by nobody knows whom": {nodes: []corev1.Node{node("a", true, nil)}, want: []string{"nothing says by whom", "# kubectl " +
			"uncordon a"}},
		"a reboot that never ended": {
			nodes: []corev1.Node{node("a", true, func(n *corev1.Node) { n.Annotations["weave.works/kured-reboot-in-progress"] = "x" })},
			want:  []string{"its reboot never ended", "\nkubectl uncordon a", "kubectl annotate node a weave.works/kured-reboot-in-progress-"},
		},
		"its taint and labels": {
			nodes: []corev1.Node{node("a", false, func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: "weave.works/kured-node-reboot", Effect: corev1.TaintEffectPreferNoSchedule}, {Key: "other"}}
				n.Labels["maintenance"] = "yes"
				n.Annotations["weave.works/kured-most-recent-reboot-needed"] = "x"
			})},
			want: []string{
				"\nkubectl taint node a weave.works/kured-node-reboot-", "# kubectl label node a maintenance-",
				"\nkubectl annotate node a weave.works/kured-most-recent-reboot-needed-",
			},
			not: []string{"other", "uncordon"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marks := kured.Marks{
				Namespace: "kube-system", Name: "kured", Lock: "weave.works/kured-node-lock", Held: test.held, Gone: test.gone,
				Taint: "weave.works/kured-node-reboot", Labels: []string{"maintenance"},
			}
			steps, err := marks.Handover(test.nodes, now)
			if err != nil {
				t.Fatal(err)
			}
			var script strings.Builder
			for _, step := range steps {
				script.WriteString(step.String())
			}
			for _, text := range test.want {
				if !strings.Contains(script.String(), text) {
					t.Errorf("there is no %q in\n%s", text, script.String())
				}
			}
			for _, text := range test.not {
				if strings.Contains(script.String(), text) {
					t.Errorf("there is %q in\n%s", text, script.String())
				}
			}
		})
	}
}

func TestAnAnnotationThatIsNoLockIsAnError(t *testing.T) {
	t.Parallel()
	marks := kured.Marks{Namespace: "kube-system", Name: "kured", Lock: "l", Held: "mine"}
	if _, err := marks.Handover(nil, time.Time{}); err == nil || !strings.Contains(err.Error(), "is not a lock of kured") {
		t.Errorf("it says %v", err)
	}
}
