package scale

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	apps = "apps"
	// writers is how many objects are written at once.
	writers = 16
	// nodeImages and podText make objects as large as those of clouds: 20 KB a Node, 4.4 KB a pod.
	nodeImages = 50
	podText    = 3400
	oldBoot    = "0a1b2c3d-0000-4000-8000-%012x"
)

func nodeName(i int) string { return fmt.Sprintf("pool1-12345678-vmss%06d", i) }

func helperName(i int) string { return fmt.Sprintf("reboot-operator-helper-%05d", i) }

func bootOf(i, boot int) string { return fmt.Sprintf(oldBoot, i*100+boot) }

// each calls write for all numbers below n, many at once.
func each(ctx context.Context, n int, write func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range n {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return write(ctx, i)
		})
	}
	return group.Wait()
}

// fill makes the cluster.
func (r *run) fill(ctx context.Context) error {
	for _, namespace := range []string{apps, r.cluster.Namespace()} {
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}
		for _, made := range []client.Object{object, account} {
			if err := r.client.Create(ctx, made); err != nil && !apierrors.IsAlreadyExists(err) {
				return fmt.Errorf("create %s: %w", made.GetName(), err)
			}
		}
	}
	steps := []struct {
		n    int
		make func(ctx context.Context, i int) error
	}{
		{r.options.Nodes, r.addNode},
		{r.options.Nodes, r.addHelper},
		{r.options.Pods, r.addPod},
		{r.options.Pods / 50, r.addDeployment},
		{r.options.Pods / 100, r.addBudget},
		{r.options.Nodes * (r.options.Succeeded + r.options.Failed), r.addFinished},
	}
	for _, step := range steps {
		if err := each(ctx, step.n, step.make); err != nil {
			return fmt.Errorf("fill the cluster: %w", err)
		}
	}
	return r.client.Create(ctx, r.policy())
}

// policy lets 10 nodes go at once, in any order.
func (r *run) policy() *v1alpha1.RebootPolicy {
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
	policy.Spec.Nodes = v1alpha1.NodesAll
	policy.Spec.Mode = v1alpha1.ModePaused
	policy.Spec.Gates.Capacity = r.options.Capacity
	policy.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(slots))
	policy.Spec.Rollout.Zones.Strategy = v1alpha1.ZonesAnyOrder
	return policy
}

// addNode makes a Node as a cloud has it.
func (r *run) addNode(ctx context.Context, i int) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i), Labels: map[string]string{
		corev1.LabelHostname: nodeName(i), corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3), corev1.LabelTopologyRegion: "region",
		corev1.LabelInstanceTypeStable: "Standard_D8s_v5",
	}, Annotations: map[string]string{}}}
	for l := range 18 {
		node.Labels[fmt.Sprintf("kubernetes.azure.com/a-label-of-the-cloud-%d", l)] = fmt.Sprintf("value-of-the-label-%d", l)
	}
	resources := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"),
		corev1.ResourcePods: resource.MustParse("110"),
	}
	node.Status = corev1.NodeStatus{Capacity: resources, Allocatable: resources, NodeInfo: corev1.NodeSystemInfo{
		BootID: bootOf(i, 99), KernelVersion: "5.15.0-1073-azure", OSImage: "Ubuntu 22.04.5 LTS", KubeletVersion: "v1.36.3",
	}}
	node.Status.Conditions = conditions()
	for image := range nodeImages {
		node.Status.Images = append(node.Status.Images, corev1.ContainerImage{SizeBytes: 1 << 20, Names: []string{
			fmt.Sprintf("registry.example.com/an/image/%d@sha256:%064x", image, image),
			fmt.Sprintf("registry.example.com/an/image/%d:v1.2.3", image),
		}})
	}
	if err := r.client.Create(ctx, node); err != nil { // with its status: a kubelet registers itself like that
		return err
	}
	r.uids[i] = string(node.UID)
	// The API server taints every new Node as not ready, and the node controller, which does not run here, removes that from those that are.
	// Nodes that take no pods are no place for what the first node of a zone displaces, so the others of the zone would wait for it.
	node.Spec.Taints = nil
	return r.client.Update(ctx, node)
}

// conditions of a Node: those of the kubelet, and those that a cloud adds.
func conditions() []corev1.NodeCondition {
	var all []corev1.NodeCondition
	types := []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure}
	now := metav1.Now()
	for c := range 8 {
		types = append(types, corev1.NodeConditionType(fmt.Sprintf("FrequentRestartsOf%d", c)))
	}
	for c, conditionType := range types {
		status := corev1.ConditionFalse
		if c == 0 {
			status = corev1.ConditionTrue
		}
		all = append(all, corev1.NodeCondition{
			Type: conditionType, Status: status, Reason: "AsItShouldBe", Message: strings.Repeat("m", 60),
			LastTransitionTime: now, LastHeartbeatTime: now,
		})
	}
	return all
}

// addHelper makes the pod of a helper that is Ready.
func (r *run) addHelper(ctx context.Context, i int) error {
	pod := r.pod(r.cluster.Namespace(), helperName(i), i)
	pod.Labels = map[string]string{v1alpha1.ComponentLabel: "helper", "app.kubernetes.io/name": "reboot-operator"}
	if err := r.client.Create(ctx, pod); err != nil {
		return err
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	pod.Status.ContainerStatuses = containers("c")
	return r.client.Status().Update(ctx, pod)
}

// containers of a helper that run, with IDs of one character.
func containers(id string) []corev1.ContainerStatus {
	var statuses []corev1.ContainerStatus
	for _, name := range []string{"helper", "rebooter"} {
		statuses = append(statuses, corev1.ContainerStatus{
			Name: name, Ready: true, Image: "registry.example.com/reboot-operator:v1", ContainerID: "containerd://" + strings.Repeat(id, 64),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		})
	}
	return statuses
}

func (r *run) pod(namespace, name string, node int) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Annotations: map[string]string{"example.com/text": strings.Repeat("x", podText)},
			Labels: map[string]string{"app": fmt.Sprintf("app-%d", node%100)},
		},
		Spec: corev1.PodSpec{
			NodeName: nodeName(node), AutomountServiceAccountToken: ptr.To(false),
			Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/app:v1"}},
		},
	}
}

func (r *run) addPod(ctx context.Context, i int) error {
	return r.client.Create(ctx, r.pod(apps, fmt.Sprintf("app-%06d", i), i%r.options.Nodes))
}

func (r *run) addDeployment(ctx context.Context, i int) error {
	labels := map[string]string{"app": fmt.Sprintf("deployed-%d", i)}
	return r.client.Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: labels["app"]},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: r.pod(apps, "x", 0).Spec},
		},
	})
}

func (r *run) addBudget(ctx context.Context, i int) error {
	return r.client.Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: fmt.Sprintf("budget-%d", i)},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt32(1)),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("deployed-%d", i)}},
		},
	})
}

// addFinished makes a NodeReboot that is finished. Those that failed are the older ones.
func (r *run) addFinished(ctx context.Context, i int) error {
	history := r.options.Succeeded + r.options.Failed
	node, number := i/history, i%history
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("old-%d-%s", number, nodeName(node))}}
	reboot.Spec = v1alpha1.NodeRebootSpec{NodeName: nodeName(node), Trigger: v1alpha1.TriggerManual, Reason: "A kernel was installed."}
	if err := r.client.Create(ctx, reboot); err != nil {
		return err
	}
	reboot.Status = finishedStatus(node, number, r.uids[node])
	finish(&reboot.Status, node, number < r.options.Succeeded, reboot.Generation)
	return r.client.Status().Update(ctx, reboot)
}

// finishedStatus is what the operator leaves.
func finishedStatus(node, number int, uid string) v1alpha1.NodeRebootStatus {
	at := func(minutes int) *metav1.MicroTime {
		t := metav1.NewMicroTime(time.Now().UTC().Add(time.Duration(minutes-10_000*(number+1)) * time.Minute).Truncate(time.Microsecond))
		return &t
	}
	s := v1alpha1.NodeRebootStatus{
		PolicyName: "all", Zone: fmt.Sprintf("zone-%d", node%3), NodeUID: uid, LastSequence: 2,
		RequiredSince: at(0), TaintedTime: at(0), TaintLeadSeconds: ptr.To[int64](60), CompletionTime: at(9),
		Before: &v1alpha1.BootInfo{BootID: bootOf(node, number), KernelVersion: "5.15.0-1072-azure", SeenTime: at(0)},
		After:  &v1alpha1.BootInfo{BootID: bootOf(node, number+1), KernelVersion: "5.15.0-1073-azure", SeenTime: at(5)},
		Attempt: &v1alpha1.Attempt{
			Number: 1, PolicyName: "all", Zone: fmt.Sprintf("zone-%d", node%3), Cordon: v1alpha1.CordonOperator, GrantedTime: *at(1),
			CordonedTime: at(1), DrainOrderedTime: at(1), DrainedTime: at(2), Drain: v1alpha1.DrainComplete, RebootOrderedTime: at(2),
			BackTime: at(5), UncordonedTime: at(6), RecoveredTime: at(8), EndedTime: at(9), Result: v1alpha1.ReasonProved,
		},
		Report: &v1alpha1.HelperReport{
			Version: "v0.9.0", Protocol: v1alpha1.ProtocolLevel, BootID: bootOf(node, number+1), Sentinel: v1alpha1.SentinelNotRequired,
			Sequence: 2, State: v1alpha1.OrderDone, HostOS: "Ubuntu 22.04.5 LTS", Methods: []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind}},
		},
	}
	for w := range 12 {
		s.Workloads = append(s.Workloads, v1alpha1.WorkloadRef{
			Kind: v1alpha1.WorkloadDeployment, Namespace: apps, Name: fmt.Sprintf("deployed-%d", w),
		})
	}
	return s
}

// finish fills in what is derived.
func finish(s *v1alpha1.NodeRebootStatus, node int, succeeded bool, generation int64) {
	s.ObservedGeneration = generation
	condition := func(conditionType string, status metav1.ConditionStatus, message string) metav1.Condition {
		return metav1.Condition{
			Type: conditionType, Status: status, Reason: s.Reason, Message: message,
			ObservedGeneration: generation, LastTransitionTime: metav1.Now(),
		}
	}
	if succeeded {
		s.Outcome, s.OutcomeReason = v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved
		s.OutcomeMessage = fmt.Sprintf("Node %s runs another boot, is Ready, and its workloads are as ready as before.", nodeName(node))
	} else {
		s.Outcome, s.OutcomeReason = v1alpha1.OutcomeFailed, v1alpha1.ReasonNodeNotFound
		s.OutcomeMessage = fmt.Sprintf("There was no Node %s: delete this NodeReboot and create one with the name of a Node.", nodeName(node))
	}
	s.Phase, s.Reason, s.Message, s.Summary = v1alpha1.Phase(s.Outcome), s.OutcomeReason, s.OutcomeMessage, string(s.Outcome)
	if succeeded {
		rebooted := fmt.Sprintf("The node runs boot %s; before it was %s.", s.After.BootID, s.Before.BootID)
		s.Conditions = []metav1.Condition{
			condition(v1alpha1.ConditionReady, metav1.ConditionTrue, s.Message),
			condition(v1alpha1.ConditionRebooted, metav1.ConditionTrue, rebooted),
		}
		return
	}
	s.Summary = s.Reason
	s.Conditions = []metav1.Condition{
		condition(v1alpha1.ConditionReady, metav1.ConditionFalse, s.Message),
		condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, s.Message),
	}
}
