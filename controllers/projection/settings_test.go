package projection

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestThePlanningOptionsOfAManagerAreReadFromItsCommandLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		kept []string
		want Settings
	}{
		"none": {args: []string{"--leader-elect", "manager"}},
		"all": {
			args: []string{"/manager", "--leader-elect", "--max-unavailable=10%", "--quorum-node-labels=b/etcd, a/etcd,b/etcd", "--token=secret",
				"-maintenance-lease-namespaces", "medik8s-leases"},
			kept: []string{"--max-unavailable=10%", "--quorum-node-labels=b/etcd, a/etcd,b/etcd", "--maintenance-lease-namespaces=medik8s-leases"},
			want: Settings{
				ClusterMaxUnavailable: ptr.To(intstr.FromString("10%")), QuorumLabels: []string{"a/etcd", "b/etcd"},
				LeaseNamespaces: []string{"medik8s-leases"},
			},
		},
		"a number":          {args: []string{"--max-unavailable", "3"}, kept: []string{"--max-unavailable=3"}, want: Settings{ClusterMaxUnavailable: ptr.To(intstr.FromInt32(3))}},
		"no limit":          {args: []string{"--max-unavailable="}, kept: []string{"--max-unavailable="}},
		"a missing value":   {args: []string{"--max-unavailable"}},
		"the last counts":   {args: []string{"--max-unavailable=1", "--max-unavailable=2"}, kept: []string{"--max-unavailable=1", "--max-unavailable=2"}, want: Settings{ClusterMaxUnavailable: ptr.To(intstr.FromInt32(2))}},
		"an argument alone": {args: []string{"max-unavailable=7"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deployment := &appsv1.Deployment{}
			deployment.Spec.Template.Spec.Containers = []corev1.Container{
				{Name: "sidecar", Args: []string{"--max-unavailable=9"}},
				{Name: "manager", Args: test.args, Env: []corev1.EnvVar{{Name: "SECRET", Value: "x"}}},
			}
			stripped := StripManagerDeployment(StripManagerDeployment(deployment))
			if !IsManagerDeployment(stripped) || len(stripped.Spec.Template.Spec.Containers[0].Env) > 0 {
				t.Errorf("what is kept is %+v", stripped)
			}
			kept := ManagerArguments(stripped)
			if diff := cmp.Diff(test.kept, kept, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			var got Settings
			got.SetArguments(kept)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASnapshotHasThePodsOfAllNodesUnlessTheyAreNotKnown(t *testing.T) {
	t.Parallel()
	pod := func(name, node string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}, Spec: corev1.PodSpec{NodeName: node}}
	}
	objects := &Objects{
		Nodes: []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "b"}}, {ObjectMeta: metav1.ObjectMeta{Name: "a"}}},
		Pods:  []*corev1.Pod{pod("p", "a"), pod("unbound", ""), pod("of-a-node-that-is-gone", "c")},
		Slots: &corev1.ConfigMap{Data: map[string]string{"a": `{"nodeReboot":"r","uid":"u","attempt":1}`}},
	}
	s := Snapshot(objects, &Settings{Namespace: "here"}, time.Unix(1, 0))
	if len(s.Pods) != 2 || len(s.Pods["a"]) != 1 || s.Pods["b"] == nil {
		t.Errorf("pods are %v", s.Pods)
	}
	if s.Nodes[0].Name != "a" || objects.Nodes[0].Name != "b" {
		t.Error("nodes are not sorted, or the list was changed")
	}
	if s := Snapshot(objects, &Settings{PodsUnknown: true}, time.Unix(1, 0)); s.Pods != nil {
		t.Errorf("pods that are not known are %v", s.Pods)
	}
}

func TestASlotIsGoneUnlessTheNodeRebootThatHoldsItExists(t *testing.T) {
	t.Parallel()
	objects := &Objects{
		Slots: &corev1.ConfigMap{Data: map[string]string{
			"held": `{"nodeReboot":"r","uid":"u","attempt":1}`, "deleted": `{"nodeReboot":"other","uid":"u","attempt":1}`,
			"created-again": `{"nodeReboot":"r","uid":"earlier","attempt":1}`, "not-readable": `{"nodeReboot":"r"`,
		}},
		Reboots: []*v1alpha1.NodeReboot{{ObjectMeta: metav1.ObjectMeta{Name: "r", UID: "u"}}},
	}
	got := map[string]bool{}
	for node, slot := range Snapshot(objects, &Settings{}, time.Unix(1, 0)).Slots {
		got[node] = slot.Gone
	}
	want := map[string]bool{"held": false, "deleted": true, "created-again": true, "not-readable": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("slots that are gone (-want +got):\n%s", diff)
	}
}

func TestAConditionIsNotFromTheFuture(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for _, at := range []time.Duration{-time.Minute, time.Minute} {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, LastTransitionTime: metav1.NewTime(now.Add(at))}}
		got := Snapshot(&Objects{Nodes: []*corev1.Node{node}}, &Settings{}, now).Nodes[0].Conditions[0].Since
		if want := now.Add(min(at, 0)); !got.Equal(want) {
			t.Errorf("of %s: %s, want %s", at, got, want)
		}
	}
}
