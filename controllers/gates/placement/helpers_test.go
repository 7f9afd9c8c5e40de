package placement

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// aNode is Ready and has 4 CPUs, 8Gi of memory and room for 10 pods.
func aNode(name string, change ...func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}}}
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"),
		corev1.ResourcePods: resource.MustParse("10"),
	}
	node.Status.Conditions = []corev1.NodeCondition{
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue}, {Type: corev1.NodeReady, Status: corev1.ConditionTrue},
	}
	for _, c := range change {
		c(node)
	}
	return node
}

func offers(name corev1.ResourceName, amount string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Status.Allocatable[name] = resource.MustParse(amount) }
}

func labeled(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels[key] = value }
}

func inZoneOf(zone string) func(*corev1.Node) { return labeled(corev1.LabelTopologyZone, zone) }

func tainted(effect corev1.TaintEffect) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: "db", Effect: effect}} }
}

func cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }

func notReady(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionUnknown }

// aPod belongs to a ReplicaSet, and requests 2 CPUs and 1Gi of memory.
func aPod(name, node string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name, Labels: map[string]string{"app": name}}}
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", Controller: ptr.To(true)}}
	pod.Spec.NodeName, pod.Status.Phase = node, corev1.PodRunning
	pod.Spec.Containers = []corev1.Container{{Name: "c", Resources: requests("2", "1Gi")}}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func requests(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}
}

func asks(cpu, memory string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Resources = requests(cpu, memory) }
}

func app(name string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Labels["app"] = name } }

// spec changes a pod's spec by what is written in YAML.
func spec(text string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if err := yaml.UnmarshalStrict([]byte(text), &p.Spec); err != nil {
			panic(err)
		}
	}
}

func clusterOf(t testing.TB, objects ...runtime.Object) *Cluster {
	t.Helper()
	c := NewCluster()
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.Node:
			c.SetNode(NewNode(o))
		case *corev1.Pod:
			c.SetPod(NewPod(o, nil))
		case *corev1.Namespace:
			c.SetNamespace(NewNamespace(o))
		case *corev1.PersistentVolumeClaim:
			c.SetClaim(NewClaim(o))
		case *corev1.PersistentVolume:
			c.SetVolume(NewVolume(o))
		case *storagev1.CSINode:
			c.SetLimits(NewLimits(o))
		default:
			t.Fatalf("unknown object %T", object)
		}
	}
	return c
}

// lack of node a, if it leaves besides others.
func lack(t testing.TB, objects []runtime.Object, leaving ...string) string {
	t.Helper()
	return clusterOf(t, objects...).Room(leaving).Lack("a", selectors.AllPods())
}
