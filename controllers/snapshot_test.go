package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// fakePods is a podWatcher that knows what it is given.
type fakePods struct {
	pods map[string][]*corev1.Pod
	err  error
	kept sets.Set[string]
}

func (p *fakePods) watch(context.Context, []string) error { return p.err }

func (p *fakePods) nameKeys(sets.Set[string]) {}

func (p *fakePods) keep(nodes sets.Set[string]) { p.kept = nodes }

func (p *fakePods) ahead([]string) {}

func (p *fakePods) list(node string) ([]*corev1.Pod, bool) {
	pods, known := p.pods[node]
	return pods, known
}

func newPod(name string, options ...option[*corev1.Pod]) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}}
	for _, o := range options {
		o(pod)
	}
	return pod
}

func ownedBy(kind, name string) option[*corev1.Pod] {
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, Controller: ptr.To(true)}}
	}
}

func labeled(key, value string) option[*corev1.Pod] {
	return func(p *corev1.Pod) {
		if p.Labels == nil {
			p.Labels = map[string]string{}
		}
		p.Labels[key] = value
	}
}

func ready(status corev1.ConditionStatus, since time.Time) option[*corev1.Pod] {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(since),
		})
	}
}

// running containers with these IDs.
func running(ids ...string) []corev1.ContainerStatus {
	var statuses []corev1.ContainerStatus
	for _, id := range ids {
		statuses = append(statuses, corev1.ContainerStatus{
			ContainerID: "containerd://" + id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	return statuses
}

func newBudget(name string, selector *metav1.LabelSelector) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: selector},
	}
}

func TestPodsBelongToTheirControllersAndToEveryBudgetThatCoversThem(t *testing.T) {
	w := newWorld(t,
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}},
		newBudget("web", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}),
		newBudget("not-db", &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"db"},
		}}}),
		newBudget("none", nil),
	)
	key := func(kind v1alpha1.WorkloadKind, name string) model.WorkloadKey {
		return model.WorkloadKey{Kind: kind, Namespace: "apps", Name: name}
	}
	const hash = appsv1.DefaultDeploymentUniqueLabelKey
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want []model.WorkloadKey
	}{
		"of a Deployment, by way of its ReplicaSet": {
			newPod("web-5d4-x", ownedBy("ReplicaSet", "web-5d4"), labeled(hash, "5d4"), labeled("app", "web")),
			[]model.WorkloadKey{
				key(v1alpha1.WorkloadDeployment, "web"), key(v1alpha1.WorkloadPodDisruptionBudget, "not-db"),
				key(v1alpha1.WorkloadPodDisruptionBudget, "web"),
			},
		},
		"of a ReplicaSet that looks as if it had a Deployment": {
			newPod("gone-5d4-x", ownedBy("ReplicaSet", "gone-5d4"), labeled(hash, "5d4"), labeled("app", "db")), nil,
		},
		"of a ReplicaSet alone": {newPod("rs-x", ownedBy("ReplicaSet", "web"), labeled("app", "db")), nil},
		"of a StatefulSet": {
			newPod("db-0", ownedBy("StatefulSet", "db"), labeled("app", "db")),
			[]model.WorkloadKey{key(v1alpha1.WorkloadStatefulSet, "db")},
		},
		"of a DaemonSet": {
			newPod("ds-x", ownedBy("DaemonSet", "ds"), labeled("app", "db")),
			[]model.WorkloadKey{key(v1alpha1.WorkloadDaemonSet, "ds")},
		},
		"of nothing": {newPod("bare", labeled("app", "db")), nil},
		"of another kind's type": {newPod("other", labeled("app", "db"), func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "example.com/v1", Kind: "StatefulSet", Name: "db", Controller: ptr.To(true)}}
		}), nil},
		"without labels": {newPod("plain"), []model.WorkloadKey{key(v1alpha1.WorkloadPodDisruptionBudget, "not-db")}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := projectPods(t.Context(), w, &projection.KnownBudgets{}).Project([]*corev1.Pod{projection.StripPod(test.pod, nil)})
			if err != nil {
				t.Fatal(err)
			}
			byName := cmpopts.SortSlices(func(a, b model.WorkloadKey) bool { return string(a.Kind)+a.Name < string(b.Kind)+b.Name })
			if diff := cmp.Diff(test.want, got[0].Workloads, byName); diff != "" {
				t.Errorf("workloads (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsTellReadinessAndWhichContainersRun(t *testing.T) {
	w := newWorld(t)
	ended := corev1.ContainerStatus{ContainerID: "containerd://e"}
	ended.State.Terminated = &corev1.ContainerStateTerminated{}
	for name, test := range map[string]struct {
		pod  *corev1.Pod
		want model.Pod
	}{
		"ready": {
			newPod("p", ready(corev1.ConditionTrue, testNow), func(p *corev1.Pod) { p.Status.ContainerStatuses = running("c", "a", "b") }),
			model.Pod{Ready: true, Containers: []string{"a", "b", "c"}},
		},
		"not ready": {
			newPod("p", ready(corev1.ConditionFalse, testNow), func(p *corev1.Pod) { p.Status.ContainerStatuses = running("c") }),
			model.Pod{Containers: []string{"c"}},
		},
		"a container is not running": {
			newPod("p", func(p *corev1.Pod) {
				p.Status.ContainerStatuses = append(running("c"), ended, corev1.ContainerStatus{})
			}),
			model.Pod{Containers: []string{"c"}},
		},
		"sidecars": {
			newPod("p", func(p *corev1.Pod) {
				p.Status.ContainerStatuses, p.Status.InitContainerStatuses = running("b"), append(running("a"), ended)
			}),
			model.Pod{Containers: []string{"a", "b"}},
		},
		"long IDs are cut": {
			newPod("p", func(p *corev1.Pod) { p.Status.ContainerStatuses = running("4f1c9a7be0d25513f9", "0123456789ab") }),
			model.Pod{Containers: []string{"0123456789ab", "4f1c9a7be0d2"}},
		},
		"an ID without its runtime": {
			newPod("p", func(p *corev1.Pod) {
				p.Status.ContainerStatuses = running("x")
				p.Status.ContainerStatuses[0].ContainerID = "y"
			}),
			model.Pod{Containers: []string{"y"}},
		},
		"labels": {newPod("p", labeled("a", "b")), model.Pod{Labels: map[string]string{"a": "b"}}},
		"a static pod's": {newPod("p", func(p *corev1.Pod) {
			p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x", "other": "y"}
		}), model.Pod{
			Mirror: true, Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "", "other": "y"},
		}},
		"controlled": {newPod("p", func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "j", Controller: ptr.To(true)}}
		}), model.Pod{Controlled: true}},
		"with an emptyDir": {newPod("p", func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{
				{VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}},
				{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			}
		}), model.Pod{EmptyDir: true}},
		"finished": {newPod("p", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), model.Pod{Finished: true}},
		"failed":   {newPod("p", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }), model.Pod{Finished: true}},
		"a static pod that failed, as a graceful shutdown leaves it": {newPod("p", func(p *corev1.Pod) {
			p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
			p.Status.Phase = corev1.PodFailed
		}), model.Pod{Mirror: true}},
		"with annotations": {
			newPod("p", func(p *corev1.Pod) {
				p.Annotations = map[string]string{"a": "b", "large": strings.Repeat("x", v1alpha1.MaxAnnotationValue+1)}
			}), model.Pod{Annotations: map[string]string{"a": "b"}},
		},
		"terminating": {
			newPod("p", func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.NewTime(testNow)) }), model.Pod{Terminating: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := projectPods(t.Context(), w, &projection.KnownBudgets{}).Project([]*corev1.Pod{projection.StripPod(test.pod, nil)})
			if err != nil {
				t.Fatal(err)
			}
			test.want.Namespace, test.want.Name = "apps", "p"
			if test.want.Mirror && test.want.Annotations == nil {
				test.want.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: ""}
			}
			if diff := cmp.Diff(test.want, got[0]); diff != "" {
				t.Errorf("pod (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadSeesAHelperOnlyWhileItsPodIsReadyAndNotTerminating(t *testing.T) {
	helper := func(name, node string, options ...option[*corev1.Pod]) *corev1.Pod {
		pod := newPod(name, append(options, labeled(componentLabel, helperComponent))...)
		pod.Namespace, pod.Spec.NodeName = testNamespace, node
		return pod
	}
	elsewhere := helper("elsewhere", "foreign", ready(corev1.ConditionTrue, testNow))
	elsewhere.Namespace = "elsewhere"
	other := helper("other", "other", ready(corev1.ConditionTrue, testNow))
	other.Labels[componentLabel] = "manager"
	w := newWorld(t, newNode("ready"), newNode("unready"), newNode("going"), newNode("none"), newNode("foreign"), newNode("other"),
		helper("h1", "ready", ready(corev1.ConditionTrue, testNow)),
		helper("h2", "unready", ready(corev1.ConditionFalse, testNow)),
		helper("h3", "going", ready(corev1.ConditionTrue, testNow), func(p *corev1.Pod) {
			p.DeletionTimestamp, p.Finalizers = ptr.To(metav1.NewTime(testNow)), []string{"example.com/f"}
		}),
		elsewhere, other)
	got := map[string]bool{}
	for _, node := range w.read(t).Nodes {
		got[node.Name] = node.HelperReady
	}
	want := map[string]bool{"ready": true, "unready": false, "going": false, "none": false, "foreign": false, "other": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("helpers (-want +got):\n%s", diff)
	}
}

func TestReadProjectsNodes(t *testing.T) {
	w := newWorld(t, newNode("a", func(n *corev1.Node) {
		n.Labels = map[string]string{"zone": "z"}
		n.Annotations = map[string]string{v1alpha1.CordonAnnotation: "u", v1alpha1.MarksAnnotation: "{}", "other": "x"}
		n.Spec.Taints = []corev1.Taint{{Key: "k"}}
		n.Spec.Unschedulable = true
		n.Status.NodeInfo.KernelVersion = "6.1"
		n.Status.Conditions = append(n.Status.Conditions,
			corev1.NodeCondition{Type: plan.Drained, Status: corev1.ConditionTrue, Reason: plan.MaintenanceReason},
			corev1.NodeCondition{Type: plan.MaintenanceInProgress, Status: corev1.ConditionTrue, Reason: "AnotherTool"},
			corev1.NodeCondition{Type: plan.DrainInProgress, Status: corev1.ConditionFalse})
	}))
	want := []*model.Node{{
		HelperProblem: "there is no helper pod, because there is no DaemonSet of helpers in namespace " + testNamespace, HelperSince: testNow,
		HelperImpossible: true,
		Conditions:       []model.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Since: testNow}},
		Name:             "a", UID: "uid-a", Labels: map[string]string{"zone": "z"}, Taints: []corev1.Taint{{Key: "k"}}, Unschedulable: true,
		CordonedFor: "u", Annotations: map[string]string{v1alpha1.CordonAnnotation: "u", v1alpha1.MarksAnnotation: "{}", "other": "x"},
		Ready: true, BootID: "boot-1", KernelVersion: "6.1",
		Maintenance:      map[corev1.NodeConditionType]bool{plan.Drained: true},
		OtherMaintenance: []model.OtherMaintenance{{Object: "condition MaintenanceInProgress of the node was set by another tool"}},
	}}
	if diff := cmp.Diff(want, w.read(t).Nodes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
}

// liveReads counts reads of the API server.
func liveReads(w *world, reads *[]string) client.Reader {
	base, _ := w.Client.(client.WithWatch)
	return interceptor.NewClient(base, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			*reads = append(*reads, key.Name)
			return c.Get(ctx, key, o, opts...)
		},
	})
}

// Whatever is granted is written on the version of the slots object that was read or written last. So it is read when that is not known.
func TestSlotsAreReadOnceAndAgainAfterAWriteThatFailed(t *testing.T) {
	complete := func(r *v1alpha1.NodeReboot) { r.Status.CompletionTime = at(0) }
	slots := func(data map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName}, Data: data}
	}
	held := map[string]string{"a": `{"nodeReboot":"r","uid":"uid-r","attempt":1}`}
	for name, objects := range map[string][]client.Object{
		"nothing at all":                         nil,
		"all complete":                           {newReboot("r", "a", complete), slots(nil)},
		"all complete and a slot is left":        {newReboot("r", "a", complete), slots(held)},
		"one is not complete":                    {newReboot("r", "a"), newReboot("s", "b", complete)},
		"one is not complete and slots are held": {newReboot("r", "a"), slots(held)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, objects...)
			var reads []string
			r := newReader(w, nil)
			r.live = liveReads(w, &reads)
			read := func(live bool) {
				t.Helper()
				s, err := r.read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if s.SlotsLive != live {
					t.Errorf("the plan takes the slots as live: %t, want %t", s.SlotsLive, live)
				}
			}
			read(true)
			read(false)
			r.slotsKnown.note(nil, errors.New("conflict"))
			read(true)
			if diff := cmp.Diff([]string{v1alpha1.SlotsName, v1alpha1.SlotsName}, reads); diff != "" {
				t.Errorf("live reads (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadResolvesSlotsOfUnknownNodeRebootsLive(t *testing.T) {
	w := newWorld(t, newReboot("known", "a"), newReboot("unseen", "b"), newReboot("again", "c"), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName},
		Data: map[string]string{
			"a": `{"nodeReboot":"known","uid":"uid-known","attempt":1}`,
			"b": `{"nodeReboot":"unseen","uid":"uid-unseen","attempt":2}`,
			"c": `{"nodeReboot":"again","uid":"uid-of-before","attempt":1}`,
			"d": `{"nodeReboot":"deleted","uid":"uid-deleted","attempt":1}`,
			"e": `no slot`,
			"f": `{"nodeReboot":"a/b","uid":"uid-known","attempt":1}`,
			"g": `{"nodeReboot":"..","uid":"uid-known","attempt":1}`,
			"h": `{"nodeReboot":"known","uid":"uid-known","attempt":0}`,
			"i": `{"nodeReboot":"known","uid":"uid-known","attempt":2147483647}`,
			"j": `null`,
			"k": `{"nodeReboot":{},"uid":"uid-known"}`,
		},
	})
	base, _ := w.Client.(client.WithWatch)
	// The cache has not seen one of them yet.
	cache := interceptor.NewClient(base, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			err := c.List(ctx, list, opts...)
			if reboots, ok := list.(*v1alpha1.NodeRebootList); ok {
				for i := range reboots.Items {
					if reboots.Items[i].Name == "unseen" {
						reboots.Items = append(reboots.Items[:i], reboots.Items[i+1:]...)
						break
					}
				}
			}
			return err
		},
	})
	r := newReader(cache, nil)
	r.live = w
	s, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]plan.Slot{
		"a": {Reboot: "known", UID: "uid-known", Attempt: 1},
		"b": {Reboot: "unseen", UID: "uid-unseen", Attempt: 2},
		"c": {Reboot: "again", UID: "uid-of-before", Attempt: 1, Gone: true},
		"d": {Reboot: "deleted", UID: "uid-deleted", Attempt: 1, Gone: true},
		"e": {Gone: true},
		"f": {Reboot: "a/b", UID: "uid-known", Attempt: 1, Gone: true},
		"g": {Reboot: "..", UID: "uid-known", Attempt: 1, Gone: true},
		"h": {Gone: true},
		"i": {Gone: true},
		"j": {Gone: true},
		"k": {Gone: true},
	}
	if diff := cmp.Diff(want, s.Slots); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
}

func TestSlotsAreReadBackAsTheyWereWritten(t *testing.T) {
	slots := map[string]plan.Slot{"a": {Reboot: "r", UID: "u", Attempt: 2}, "b.example.com": {Reboot: "s", UID: "v", Attempt: 1}}
	data, err := projection.EncodeSlots(slots)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slots, projection.DecodeSlots(data)); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
}

func openReboot(workloads ...v1alpha1.WorkloadRef) *v1alpha1.NodeReboot {
	return newReboot("r", "a", func(r *v1alpha1.NodeReboot) {
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(0)}
		r.Status.Workloads = workloads
	})
}

func TestFillReadsPodsAndTheWorkloadsOfPodsAndOfOpenAttempts(t *testing.T) {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "db", Generation: 2}}
	set.Spec.Replicas, set.Status.ReadyReplicas, set.Status.ObservedGeneration = ptr.To[int32](3), 2, 1
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 2}}
	deployment.Status.ReadyReplicas, deployment.Status.ObservedGeneration = 1, 2
	budget := newBudget("db", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}})
	budget.Status.CurrentHealthy, budget.Status.ExpectedPods = 2, 3
	idle := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "idle"}}
	w := newWorld(t, newNode("a"), set, deployment, budget, idle, openReboot(
		v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"},
		v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "deleted"},
		v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "apps", Name: "ds"},
	))
	pods := &fakePods{pods: map[string][]*corev1.Pod{
		"a": {newPod("db-0", ownedBy("StatefulSet", "db"), labeled("app", "db"))}, "empty": {},
	}}
	interest := &interest{}
	r := newReader(w, pods)
	r.interest = interest
	s, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if interest.hasStatefulSet(set) || !interest.hasDeployment(deployment) || interest.hasDeployment(idle) {
		t.Error("after read only workloads of open attempts are of interest")
	}
	if err := r.fill(t.Context(), s, []string{"a", "empty", "unknown"}); err != nil {
		t.Fatal(err)
	}
	if !interest.hasStatefulSet(set) || !interest.hasBudget(budget) || !interest.hasDeployment(deployment) || interest.hasDeployment(idle) {
		t.Error("after fill the workloads of pods are of interest, too")
	}
	if s.Pods["a"] == nil || s.Pods["empty"] == nil || s.Pods["unknown"] != nil {
		t.Errorf("pods %v; want those of a, none of empty, and nothing about unknown", s.Pods)
	}
	want := map[model.WorkloadKey]model.Workload{
		{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}:         {Ready: 1, Desired: 1},
		{Kind: v1alpha1.WorkloadStatefulSet, Namespace: "apps", Name: "db"}:         {Ready: 2, Desired: 3, Stale: true},
		{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "db"}: {Ready: 2, Desired: 3, Expected: 3, DisruptionsAtRest: 3},
	}
	if diff := cmp.Diff(want, s.Workloads); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
}

func TestFillGoesOnWithTheNodesWhosePodsAreKnown(t *testing.T) {
	w := newWorld(t, newNode("a"), newNode("b"))
	unknown := errors.New("no pods of b")
	pods := &fakePods{pods: map[string][]*corev1.Pod{"a": {}}, err: unknown}
	r := newReader(w, pods)
	s, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.fill(t.Context(), s, []string{"a", "b"}); !errors.Is(err, unknown) {
		t.Errorf("error %v, want that about b", err)
	}
	if _, known := s.Pods["a"]; !known || len(s.Pods) != 1 {
		t.Errorf("pods %v, want those of a", s.Pods)
	}
	if !maps.Equal(s.PodsUnread, map[string]bool{"b": true}) {
		t.Errorf("the pods of %v cannot be read, want b", s.PodsUnread)
	}
}

// A pass may read pods many times. What it has read of workloads it does not read again, and what it could not is one error.
func TestFillReadsEachWorkloadOnce(t *testing.T) {
	down := apierrors.NewInternalError(errors.New("down"))
	w := newWorld(t, newNode("a"), newNode("b"), newNode("c"))
	base, _ := w.Client.(client.WithWatch)
	reads := 0
	pods := map[string][]*corev1.Pod{"c": {newPod("db-0", ownedBy("StatefulSet", "db"))}}
	for _, node := range []string{"a", "b"} {
		pods[node] = []*corev1.Pod{newPod("web-"+node, ownedBy("StatefulSet", "web"))}
	}
	r := newReader(interceptor.NewClient(base, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads++
			if key.Name == "web" {
				return down
			}
			return c.Get(ctx, key, o, opts...)
		},
	}), &fakePods{pods: pods})
	s, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reads = 0
	for _, node := range []string{"a", "b", "c"} {
		if err := r.fill(t.Context(), s, []string{node}); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := s.Pods["c"]; !known || len(s.Pods) != 1 {
		t.Errorf("pods of %v, want those of c: the workload of the others is not known", s.Pods)
	}
	if !maps.Equal(s.PodsUnread, map[string]bool{"a": true, "b": true}) {
		t.Errorf("the pods of %v cannot be read, want a and b", s.PodsUnread)
	}
	if reads != 2 || len(s.unread) != 1 {
		t.Errorf("%d reads, errors %v; want one read of each of 2 workloads, and one error", reads, s.unread)
	}
}

// What cannot be read is not known, and all the rest is.
func TestReadThatFailsForAPartIsAboutThatPart(t *testing.T) {
	down := apierrors.NewInternalError(errors.New("down"))
	for name, test := range map[string]struct {
		fails func(object any) bool
		check func(t *testing.T, s *snapshot)
	}{
		"Leases of other tools": {
			func(object any) bool { _, is := object.(*coordinationv1.LeaseList); return is },
			func(t *testing.T, s *snapshot) {
				if other := s.Nodes[0].OtherMaintenance; len(other) != 1 || !strings.Contains(other[0].Object, "cannot be read") {
					t.Errorf("maintenance by others: %+v", other)
				}
			},
		},
		"a workload": {
			func(object any) bool { _, is := object.(*appsv1.Deployment); return is },
			func(t *testing.T, s *snapshot) {
				if web := s.Workloads[model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}]; !web.Stale {
					t.Errorf("workload %+v", web)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newNode("a"), newReboot("ra", "a", func(r *v1alpha1.NodeReboot) {
				r.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(0)}
				r.Status.Workloads = []v1alpha1.WorkloadRef{{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web", Ready: 1}}
			}))
			base, _ := w.Client.(client.WithWatch)
			r := newReader(interceptor.NewClient(base, interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if test.fails(o) {
						return down
					}
					return c.Get(ctx, key, o, opts...)
				},
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
					if test.fails(list) {
						return down
					}
					return c.List(ctx, list, opts...)
				},
			}), noPods{})
			s, err := r.read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.unread) != 1 || len(s.Nodes) != 1 || len(s.Reboots) != 1 {
				t.Errorf("errors %v, %d nodes, %d NodeReboots", s.unread, len(s.Nodes), len(s.Reboots))
			}
			test.check(t, s)
		})
	}
}

// A plan without the policies, the nodes or the reboots under way would start more than it may.
func TestWithoutAnyOneKindThereIsNoSnapshot(t *testing.T) {
	down := errors.New("the cache has ended")
	kind := func(object any) string { return strings.TrimSuffix(fmt.Sprintf("%T", object), "List") }
	for _, fails := range []any{&v1alpha1.RebootPolicy{}, &v1alpha1.NodeReboot{}, &corev1.Node{}, &corev1.ConfigMap{}} {
		t.Run(kind(fails), func(t *testing.T) {
			w := newWorld(t, newPolicy("p"), newNode("a"), newReboot("ra", "a"))
			cluster, is := w.Client.(client.WithWatch)
			if !is {
				t.Fatal("the cluster cannot be watched")
			}
			w.Client = interceptor.NewClient(cluster, interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					if kind(list) == kind(fails) {
						return down
					}
					return c.List(ctx, list, options...)
				},
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
					if kind(object) == kind(fails) {
						return down
					}
					return c.Get(ctx, key, object, options...)
				},
			})
			if s, err := newReader(w, noPods{}).read(t.Context()); s != nil || !errors.Is(err, down) {
				t.Errorf("snapshot %v, error %v", s, err)
			}
		})
	}
}
