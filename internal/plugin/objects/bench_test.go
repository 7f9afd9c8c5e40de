package objects

import (
	"bytes"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// BenchmarkSnapshot writes and loads a cluster with 15,000 nodes and ten pods on each.
func BenchmarkSnapshot(b *testing.B) {
	cluster := &Cluster{Namespace: "ops", Taken: now}
	for i := range 15_000 {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("worker-%05d", i)}}
		node.UID = types.UID("uid-of-" + node.Name)
		node.Labels = map[string]string{"topology.kubernetes.io/zone": fmt.Sprintf("zone-%d", i%3), corev1.LabelHostname: node.Name}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		cluster.Nodes = append(cluster.Nodes, projection.StripNode(node))
		for j := range 10 {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("apps-%d", j), Name: fmt.Sprintf("web-%05d-%d", i, j)}}
			pod.Labels = map[string]string{"app": "web", appsv1.DefaultDeploymentUniqueLabelKey: "5d89bdfb9b"}
			pod.OwnerReferences = []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d89bdfb9b", Controller: ptr.To(true),
			}}
			pod.Spec.NodeName = node.Name
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			cluster.Pods = append(cluster.Pods, projection.StripPod(pod, nil))
		}
	}
	var size int
	for b.Loop() {
		var out bytes.Buffer
		if err := cluster.Write(&out); err != nil {
			b.Fatal(err)
		}
		size = out.Len()
		loaded, err := Load(&out, "cluster.yaml")
		if err != nil || len(loaded.Pods) != len(cluster.Pods) {
			b.Fatalf("%d pods: %v", len(loaded.Pods), err)
		}
		if s := loaded.Snapshot(now); len(s.Pods) != len(cluster.Nodes) {
			b.Fatalf("pods of %d nodes", len(s.Pods))
		}
	}
	b.ReportMetric(float64(size)/1e6, "MB")
}
