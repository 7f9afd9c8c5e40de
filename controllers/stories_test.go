package controllers

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

var _ = Describe("The operator", func() {
	It("taints a node at once although its policy is paused, and does nothing else", func(ctx context.Context) {
		startOperator(Options{PublishMaintenance: true}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModePaused)
		createNode(ctx, "n1")
		foreign := corev1.Taint{Key: "example.com/theirs", Value: "v", Effect: corev1.TaintEffectPreferNoSchedule}
		patchNode(ctx, "n1", func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, foreign) })
		createReboot(ctx, "r1", "n1")

		Eventually(nodeOf(ctx, "n1")).Should(HaveField("Spec.Taints", ContainElement(ours)))
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Reason", v1alpha1.ReasonPaused), HaveField("Status.TaintedTime", Not(BeNil())),
		))
		Expect(nodeOf(ctx, "n1")()).To(SatisfyAll(
			HaveField("Spec.Unschedulable", false), HaveField("Spec.Taints", ContainElement(foreign)),
		))
		Expect(slots(ctx)()).To(BeEmpty())

		By("taking the taint away with the need, and no other")
		Expect(k8s.Delete(ctx, rebootNamed(ctx, "r1")())).To(Succeed())
		Eventually(nodeOf(ctx, "n1")).Should(HaveField("Spec.Taints", Not(ContainElement(ours))))
		Expect(nodeOf(ctx, "n1")()).To(HaveField("Spec.Taints", ContainElement(foreign)))
	})

	It("takes a node through a reboot, waits for its workloads, and is silent afterwards", func(ctx context.Context) {
		seen := startOperator(Options{PublishMaintenance: true}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		createNode(ctx, "n1")
		helper := createHelper(ctx, "n1")
		becameReady(ctx, helper, time.Now().Add(-time.Hour))
		web := createDeployment(ctx, "web", 1)
		pod := createPod(ctx, "web-5d4-x", "n1", ownedBy("ReplicaSet", "web-5d4"), labeled(appsv1.DefaultDeploymentUniqueLabelKey, "5d4"))
		agent := createPod(ctx, "agent-x", "n1", ownedBy("DaemonSet", "agent"))
		createReboot(ctx, "r1", "n1")

		By("granting a slot, cordoning the node and ordering the drain")
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
		reboot := rebootNamed(ctx, "r1")()
		Expect(reboot.Finalizers).To(ContainElement(v1alpha1.Finalizer))
		Expect(reboot.Status.Workloads).To(ContainElements(
			v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: testNamespace, Name: "web", Ready: 1, Pods: 1},
			HaveField("Name", "agent"),
		))
		Expect(slots(ctx)()).To(HaveKeyWithValue("n1", plan.Slot{Reboot: "r1", UID: string(reboot.UID), Attempt: 1}))
		Eventually(nodeOf(ctx, "n1")).Should(SatisfyAll(
			HaveField("Spec.Unschedulable", true),
			HaveField("Annotations", HaveKeyWithValue(v1alpha1.CordonAnnotation, string(reboot.UID))),
			WithTransform(maintenanceOf, ConsistOf(plan.MaintenancePlanned, plan.DrainInProgress)),
		))

		By("ordering the reboot when the helper has drained the node")
		Expect(k8s.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
		setReady(ctx, web, 0)
		report(ctx, "r1", v1alpha1.HelperReport{
			Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired,
			Sequence: reboot.Status.Order.Sequence, State: v1alpha1.OrderDone,
		})
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionReboot)))
		Expect(rebootNamed(ctx, "r1")()).To(HaveField("Status.Report.State", v1alpha1.OrderDone))

		By("waiting for the pods of the node, and then for its workloads")
		patchStatus(ctx, agent, func() { agent.Status.Conditions[0].Status = corev1.ConditionFalse })
		patchNodeStatus(ctx, "n1", func(n *corev1.Node) { n.Status.NodeInfo.BootID = "boot-2" })
		report(ctx, "r1", v1alpha1.HelperReport{
			Protocol: v1alpha1.ProtocolLevel, BootID: "boot-2", BootTime: ptr.To(metav1.NowMicro()), Sentinel: v1alpha1.SentinelNotRequired,
		})
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Reason", v1alpha1.ReasonPodStatusStale))
		becameReady(ctx, helper, time.Now())
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Reason", v1alpha1.ReasonDaemonSetsNotReady))
		atRest(seen)
		becameReady(ctx, agent, time.Now())
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Reason", v1alpha1.ReasonWorkloadsNotReady))
		Expect(slots(ctx)()).To(HaveKey("n1"))
		atRest(seen)
		Eventually(seen.podWatches.Load).Should(Equal(int32(1)))
		setReady(ctx, web, 1)

		By("proving the reboot and putting the node back")
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Phase", v1alpha1.PhaseSucceeded), HaveField("Finalizers", BeEmpty()),
		))
		Eventually(nodeOf(ctx, "n1")).Should(SatisfyAll(
			HaveField("Spec.Unschedulable", false),
			HaveField("Annotations", Not(HaveKey(v1alpha1.CordonAnnotation))),
			HaveField("Spec.Taints", Not(ContainElement(ours))),
			WithTransform(maintenanceOf, BeEmpty()),
		))
		Eventually(slots(ctx)).Should(BeEmpty())
		Eventually(eventReasons(ctx)).Should(ContainElements("Node/Draining", "Node/Proved"))

		By("being silent")
		atRest(seen)
		requests, passes := seen.count(), seen.passes()
		for range 3 {
			patchNodeStatus(ctx, "n1", func(n *corev1.Node) { n.Status.Conditions[0].LastHeartbeatTime = metav1.Now() })
			setReady(ctx, web, 0)
			setReady(ctx, web, 1)
		}
		Consistently(func() []string { return seen.since(requests) }).WithTimeout(2 * time.Second).Should(BeEmpty())
		Expect(seen.passes()).To(Equal(passes))
		Eventually(seen.podWatches.Load).Should(BeZero())
		Expect(seen.watched()).To(Equal([]string{
			"/api/v1/namespaces/operator/pods",
			"/api/v1/nodes",
			"/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
			"/apis/apps/v1/deployments",
			"/apis/apps/v1/namespaces/operator/daemonsets",
			"/apis/apps/v1/statefulsets",
			"/apis/policy/v1/poddisruptionbudgets",
			"/apis/reboot-operator.io/v1alpha1/nodereboots",
			"/apis/reboot-operator.io/v1alpha1/rebootpolicies",
			"/apis/storage.k8s.io/v1/volumeattachments",
		}), "neither all pods nor ConfigMaps are cached")
	})

	It("uncordons a node whose NodeReboot is deleted while it drains", func(ctx context.Context) {
		startOperator(Options{PublishMaintenance: true}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		createNode(ctx, "n1")
		createHelper(ctx, "n1")
		createReboot(ctx, "r1", "n1")
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
		Eventually(nodeOf(ctx, "n1")).Should(WithTransform(maintenanceOf, Not(BeEmpty())))

		Expect(k8s.Delete(ctx, rebootNamed(ctx, "r1")())).To(Succeed())
		Eventually(func() error {
			return k8s.Get(ctx, types.NamespacedName{Name: "r1"}, &v1alpha1.NodeReboot{})
		}).Should(WithTransform(client.IgnoreNotFound, Succeed()))
		Eventually(nodeOf(ctx, "n1")).Should(SatisfyAll(
			HaveField("Spec.Unschedulable", false),
			HaveField("Annotations", Not(HaveKey(v1alpha1.CordonAnnotation))),
			HaveField("Spec.Taints", Not(ContainElement(ours))),
			WithTransform(maintenanceOf, BeEmpty()),
		))
		Eventually(slots(ctx)).Should(BeEmpty())
	})

	It("goes on where a manager before it was stopped", func(ctx context.Context) {
		createPolicy(ctx, v1alpha1.ModeEnforce)
		createNode(ctx, "n1")
		createHelper(ctx, "n1")
		createReboot(ctx, "r1", "n1")
		uid := string(rebootNamed(ctx, "r1")().UID)
		data, err := projection.EncodeSlots(map[string]plan.Slot{
			"n1": {Reboot: "r1", UID: uid, Attempt: 1}, "n2": {Reboot: "gone", UID: "gone", Attempt: 1},
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(k8s.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: v1alpha1.SlotsName}, Data: data,
		})).To(Succeed())

		startOperator(Options{PublishMaintenance: true}, ClientOptions())
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)), HaveField("Status.Attempt.Number", int32(1)),
		))
		Eventually(slots(ctx)).Should(SatisfyAll(HaveKey("n1"), Not(HaveKey("n2"))))
	})

	It("reads its own writes, however late the watch is", func(ctx context.Context) {
		createReboot(ctx, "r1", "n1")
		DeferCleanup(clearCluster)
		off := ClientOptions()
		off.Cache = nil
		Expect(missedWrites(ctx, ClientOptions(), 30*time.Millisecond)).To(BeZero())
		Expect(missedWrites(ctx, off, time.Hour)).To(Equal(10), "a watch that shows no writes")
	})
})

// missedWrites writes a status and reads a snapshot at once, ten times, and counts the snapshots that do not show the write. Watches are
// late by so much once they have shown all that there is.
func missedWrites(ctx context.Context, options client.Options, late time.Duration) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg := rest.CopyConfig(apiServer)
	var delay atomic.Int64
	cfg.Wrap(lateWatches(ctx, &delay))
	c, err := cluster.New(cfg, func(o *cluster.Options) {
		o.Scheme, o.Cache, o.Client = scheme, CacheOptions(testNamespace), options
	})
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer GinkgoRecover()
		Expect(c.Start(ctx)).To(Succeed())
	}()
	Expect(c.GetCache().WaitForCacheSync(ctx)).To(BeTrue())
	r := &reader{
		slotsKnown: &slotsMemory{},
		cache:      c.GetClient(), live: c.GetAPIReader(), gates: noGates{}, maintenances: fakeMaintenances{}, observed: newObserved(testClock),
		interest: &interest{}, namespace: testNamespace,
	}
	_, err = r.read(ctx) // It opens all watches.
	Expect(err).NotTo(HaveOccurred())
	delay.Store(int64(late))
	missed := 0
	for i := range 10 {
		reboot := rebootNamed(ctx, "r1")()
		before := reboot.DeepCopy()
		reboot.Status.Message = strconv.Itoa(i) + options.FieldOwner + time.Now().String()
		Expect(c.GetClient().Status().Patch(ctx, reboot, client.MergeFrom(before))).To(Succeed())
		s, err := r.read(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Reboots).To(HaveLen(1))
		if s.Reboots[0].Status.Message != reboot.Status.Message {
			missed++
		}
	}
	return missed
}

// lateWatches delays what watches tell, until the context ends.
func lateWatches(ctx context.Context, delay *atomic.Int64) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil && r.URL.Query().Get("watch") != "" {
				response.Body = lateBody{response.Body, ctx, delay}
			}
			return response, err
		})
	}
}

type lateBody struct {
	io.ReadCloser
	ctx   context.Context
	delay *atomic.Int64
}

func (b lateBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	select {
	case <-time.After(time.Duration(b.delay.Load())):
	case <-b.ctx.Done():
	}
	return n, err
}

var ours = corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectPreferNoSchedule}

func createPolicy(ctx context.Context, mode v1alpha1.Mode, change ...func(*v1alpha1.RebootPolicySpec)) {
	policy := &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec:       v1alpha1.RebootPolicySpec{Mode: mode, Nodes: v1alpha1.NodesAll},
	}
	for _, c := range change {
		c(&policy.Spec)
	}
	Expect(k8s.Create(ctx, policy)).To(Succeed())
}

// createNode makes a Node that is Ready and runs boot-1.
func createNode(ctx context.Context, name string) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"example.com/theirs": "stays"}}}
	Expect(k8s.Create(ctx, node)).To(Succeed())
	patchNode(ctx, name, func(n *corev1.Node) { n.Spec.Taints = nil })
	patchNodeStatus(ctx, name, func(n *corev1.Node) {
		n.Status.NodeInfo.BootID = "boot-1"
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
}

func createHelper(ctx context.Context, node string) *corev1.Pod {
	return createPod(ctx, "helper-"+node, node, labeled(componentLabel, helperComponent))
}

// createPod makes a pod that is Ready on a node.
func createPod(ctx context.Context, name, node string, options ...option[*corev1.Pod]) *corev1.Pod {
	pod := newPod(name, options...)
	pod.Namespace = testNamespace
	for i := range pod.OwnerReferences {
		pod.OwnerReferences[i].UID = types.UID("uid-" + pod.OwnerReferences[i].Name)
	}
	pod.Spec.NodeName = node
	pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "image"}}
	Expect(k8s.Create(ctx, pod)).To(Succeed())
	becameReady(ctx, pod, time.Now())
	return pod
}

// becameReady is what a kubelet writes when a pod's container has started and is ready, once more if it has been before.
func becameReady(ctx context.Context, pod *corev1.Pod, at time.Time) {
	patchStatus(ctx, pod, func() {
		restarts := int32(len(pod.Status.ContainerStatuses))
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(at)},
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "main", Image: "image", ImageID: "image", ContainerID: "test://" + uuid.NewString(), Ready: true,
			RestartCount: restarts, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}},
		}}
	})
}

func createDeployment(ctx context.Context, name string, ready int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(ready),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "image"}}},
			},
		},
	}
	Expect(k8s.Create(ctx, deployment)).To(Succeed())
	DeferCleanup(func() { Expect(k8s.Delete(context.Background(), deployment)).To(Succeed()) })
	setReady(ctx, deployment, ready)
	return deployment
}

func setReady(ctx context.Context, deployment *appsv1.Deployment, ready int32) {
	patchStatus(ctx, deployment, func() {
		deployment.Status.ObservedGeneration = deployment.Generation
		deployment.Status.Replicas = *deployment.Spec.Replicas
		deployment.Status.ReadyReplicas = ready
	})
}

// createReboot makes a NodeReboot, and says at once what its helper says about the host.
func createReboot(ctx context.Context, name, node string) {
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.NodeRebootSpec{NodeName: node}}
	Expect(k8s.Create(ctx, reboot)).To(Succeed())
	report(ctx, name, v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired, Methods: byLogind,
	})
}

// report writes a helper's report as a helper does.
func report(ctx context.Context, name string, report v1alpha1.HelperReport) {
	encoded, err := json.Marshal(report)
	Expect(err).NotTo(HaveOccurred())
	fields := map[string]any{}
	Expect(json.Unmarshal(encoded, &fields)).To(Succeed())
	object := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"report": fields}}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodeReboot"))
	object.SetName(name)
	Expect(k8s.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(object),
		client.FieldOwner(v1alpha1.HelperFieldManager), client.ForceOwnership)).To(Succeed())
}

func patchStatus(ctx context.Context, object client.Object, change func()) {
	before, ok := object.DeepCopyObject().(client.Object)
	Expect(ok).To(BeTrue())
	change()
	Expect(k8s.Status().Patch(ctx, object, client.MergeFrom(before))).To(Succeed())
}

func patchNode(ctx context.Context, name string, change func(*corev1.Node)) {
	node := nodeOf(ctx, name)()
	before := node.DeepCopy()
	change(node)
	Expect(k8s.Patch(ctx, node, client.MergeFrom(before))).To(Succeed())
}

func patchNodeStatus(ctx context.Context, name string, change func(*corev1.Node)) {
	node := nodeOf(ctx, name)()
	patchStatus(ctx, node, func() { change(node) })
}

func nodeOf(ctx context.Context, name string) func() *corev1.Node {
	return func() *corev1.Node {
		node := &corev1.Node{}
		Expect(k8s.Get(ctx, types.NamespacedName{Name: name}, node)).To(Succeed())
		return node
	}
}

func rebootNamed(ctx context.Context, name string) func() *v1alpha1.NodeReboot {
	return func() *v1alpha1.NodeReboot {
		reboot := &v1alpha1.NodeReboot{}
		Expect(k8s.Get(ctx, types.NamespacedName{Name: name}, reboot)).To(Succeed())
		return reboot
	}
}

// slots are the grants in the slots object.
func slots(ctx context.Context) func() map[string]plan.Slot {
	return func() map[string]plan.Slot {
		object := &corev1.ConfigMap{}
		Expect(client.IgnoreNotFound(
			k8s.Get(ctx, types.NamespacedName{Namespace: testNamespace, Name: v1alpha1.SlotsName}, object))).To(Succeed())
		return projection.DecodeSlots(object.Data)
	}
}

// maintenanceOf are the maintenance conditions that a node has.
func maintenanceOf(node *corev1.Node) []corev1.NodeConditionType {
	var types []corev1.NodeConditionType
	for _, t := range plan.MaintenanceConditions {
		if projection.ConditionStatus(node, t) != "" {
			types = append(types, t)
		}
	}
	return types
}

func eventReasons(ctx context.Context) func() []string {
	return func() []string {
		var list eventsv1.EventList
		Expect(k8s.List(ctx, &list)).To(Succeed())
		var reasons []string
		for i := range list.Items {
			reasons = append(reasons, list.Items[i].Regarding.Kind+"/"+list.Items[i].Reason)
		}
		return reasons
	}
}

// atRest waits until an operator has finished what it still had to do, so that what happens next is because of what the test does next.
func atRest(seen *traffic) {
	last := seen.passes() + 1 // so that the first look is never the last
	Eventually(func() bool {
		before := last
		last = seen.passes()
		return before == last
	}).WithPolling(time.Second).Should(BeTrue())
}
