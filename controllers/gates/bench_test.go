package gates

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// BenchmarkRoomInAFullCluster is about the most work that there is: no node may go, so all are looked at, and other pods wait already.
func BenchmarkRoomInAFullCluster(b *testing.B) {
	const nodes, perNode, waiting = 1000, 20, 50
	inv := newInventory(newPodKeys())
	pod := func(name string) *movingPod {
		moving, err := inv.classes.of(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}},
			amounts{corev1.ResourceCPU: 100, corev1.ResourceMemory: 1 << 10, corev1.ResourcePods: 1})
		if err != nil {
			b.Fatal(err)
		}
		return moving
	}
	for i := range nodes {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%05d", i)}}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		free := amounts{corev1.ResourceCPU: 10, corev1.ResourceMemory: 1 << 20, corev1.ResourcePods: 50}
		inv.nodes = append(inv.nodes, &roomyNode{Node: node, free: free})
		for j := range perNode {
			inv.pods[node.Name] = append(inv.pods[node.Name], pod(fmt.Sprintf("pod-%d-%d", i, j)))
		}
	}
	for i := range waiting {
		inv.pending = append(inv.pending, pod(fmt.Sprintf("waiting-%d", i)))
	}
	for b.Loop() {
		none := sets.New[string]()
		room := inv.room(none)
		for _, node := range inv.nodes {
			if inv.lack(room, node.Name, none, selectors.AllPods()) == "" {
				b.Fatal("there is room")
			}
		}
	}
}
