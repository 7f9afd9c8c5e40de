package controllers

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// facts has a row for each field of a snapshot that a change in the cluster can change.
func facts() []fact {
	return slices.Concat(nodeFacts(), nearNodeFacts(), podFacts(), managerFacts(), workloadFacts())
}

// managerFacts are about the manager's own pods.
func managerFacts() []fact {
	pod := func(change option[*corev1.Pod]) *corev1.Pod {
		manager := newPod("m", func(p *corev1.Pod) {
			p.Namespace, p.Labels = testNamespace, map[string]string{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
		})
		change(manager)
		return manager
	}
	same := func(*corev1.Pod) {}
	return []fact{
		{path: "ManagerPods.Node", after: pod(same)},
		{path: "ManagerPods.Node", before: pod(same)},
		{path: "ManagerPods.Node", before: pod(same), after: pod(func(p *corev1.Pod) { p.Spec.NodeName = "a" })},
		{path: "ManagerPods.Node", before: pod(same), after: pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })},
		{path: "ManagerPods.Node", before: pod(same), after: pod(func(p *corev1.Pod) {
			p.DeletionTimestamp, p.Finalizers = ptr.To(metav1.NewTime(testNow)), []string{"example.com/f"}
		})},
		{path: "ManagerPods.Ready", before: pod(same), after: pod(ready(corev1.ConditionTrue, testNow))},
		{path: "ManagerPods.Spec", before: pod(same), after: pod(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"a": "b"} })},
	}
}

// nodeFacts are about policies, NodeReboots and Nodes.
func nodeFacts() []fact {
	policy, spec := newPolicy("p"), newPolicy("p")
	spec.Generation = 2
	changed := func(path string, change option[*corev1.Node]) fact {
		return fact{path: path, with: []client.Object{namesDeadlock()}, before: newNode("a", deadlock), after: newNode("a", deadlock, change)}
	}
	return []fact{
		{path: "Policies", before: policy, after: spec},
		{path: "Policies", after: policy},
		{path: "Reboots", before: newReboot("r", "a"), after: newReboot("r", "a", able)},
		{path: "Reboots", before: newReboot("r", "a")},
		{path: "Nodes.Name", after: newNode("a")},
		{path: "Nodes.Name", before: newNode("a")},
		changed("Nodes.UID", func(n *corev1.Node) { n.UID = "other" }),
		changed("Nodes.Labels", func(n *corev1.Node) { n.Labels = map[string]string{"a": "b"} }),
		changed("Nodes.Taints", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "k"}} }),
		changed("Nodes.Unschedulable", func(n *corev1.Node) { n.Spec.Unschedulable = true }),
		changed("Nodes.CordonedFor", annotated(v1alpha1.CordonAnnotation)),
		changed("Nodes.Deleting", func(n *corev1.Node) {
			n.DeletionTimestamp, n.Finalizers = ptr.To(metav1.NewTime(testNow)), []string{"example.com/f"}
		}),
		changed("Nodes.Annotations", annotated(v1alpha1.MarksAnnotation)),
		changed("Nodes.Annotations", annotated(v1alpha1.ScaleDownDisabledAnnotation)),
		changed("Nodes.Annotations", annotated(v1alpha1.DoNotDisruptAnnotation)),
		changed("Nodes.Ready", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }),
		changed("Nodes.BootID", func(n *corev1.Node) { n.Status.NodeInfo.BootID = "boot-2" }),
		changed("Nodes.KernelVersion", func(n *corev1.Node) { n.Status.NodeInfo.KernelVersion = "6.2" }),
		changed("Nodes.Conditions.Type", func(n *corev1.Node) { n.Status.Conditions = n.Status.Conditions[:1] }),
		changed("Nodes.Conditions.Status", func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionFalse }),
		changed("Nodes.Conditions.Since", func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionFalse }),
		// A status that has changed twice since it was seen: NotReady was missed.
		changed("Nodes.Conditions.Since", func(n *corev1.Node) { n.Status.Conditions[0].LastTransitionTime = metav1.NewTime(testNow) }),
		changed("Nodes.Conditions.Transition", func(n *corev1.Node) { n.Status.Conditions[0].LastTransitionTime = metav1.NewTime(testNow) }),
		changed("Nodes.Conditions.Transition", func(n *corev1.Node) { n.Status.Conditions[1].LastTransitionTime = metav1.NewTime(testNow) }),
		changed("Nodes.Maintenance", underMaintenance(plan.MaintenancePlanned, plan.MaintenanceReason)),
		changed("Nodes.OtherMaintenance.Object", underMaintenance(plan.DrainInProgress, "AnotherTool")),
	}
}

func deadlock(n *corev1.Node) {
	n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: "KernelDeadlock", Status: corev1.ConditionTrue})
}

// namesDeadlock is a policy that names the condition.
func namesDeadlock() *v1alpha1.RebootPolicy {
	policy := newPolicy("names")
	policy.Spec.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{{Type: "KernelDeadlock"}}}
	return policy
}

func annotated(key string) option[*corev1.Node] {
	return func(n *corev1.Node) { n.Annotations = map[string]string{key: "x"} }
}

func underMaintenance(condition corev1.NodeConditionType, reason string) option[*corev1.Node] {
	return func(n *corev1.Node) {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: condition, Status: corev1.ConditionTrue, Reason: reason})
	}
}

// nearNodeFacts are what other objects say about nodes.
func nearNodeFacts() []fact {
	a := []client.Object{newNode("a")}
	free := func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") }
	shorter := func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To[int32](60) }
	endless := func(l *coordinationv1.Lease) { l.Spec.RenewTime = nil }
	helper := func(status corev1.ConditionStatus, options ...option[*corev1.Pod]) *corev1.Pod {
		pod := newPod("h", append(options, labeled(componentLabel, helperComponent), ready(status, testNow))...)
		pod.Namespace, pod.Spec.NodeName = testNamespace, "a"
		return pod
	}
	crashing := func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "helper", State: waitingState("CreateContainerError", "")}}
	}
	drained := newReboot("r", "a")
	drained.Status.Attempt = &v1alpha1.Attempt{Number: 1, DrainOrderedTime: at(0)}
	detaching := newPolicy("detaching")
	detaching.Spec.Drain.VolumeDetachSeconds = ptr.To[int32](60)
	fedora := newNode("a")
	fedora.Status.NodeInfo.OSImage = "Fedora Linux 41 (Server Edition)"
	attachment := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "v"}}
	attachment.Spec.NodeName = "a"
	return []fact{
		{path: "Nodes.OtherMaintenance.Object", with: a, before: lease(), after: lease(free)},
		{path: "Nodes.OtherMaintenance.Object", with: a, before: lease(free), after: lease()},
		{path: "Nodes.OtherMaintenance.Object", with: a, after: lease()},
		{path: "Nodes.OtherMaintenance.Object", with: a, before: nodeMaintenance("b"), after: nodeMaintenance("a")},
		{path: "Nodes.OtherMaintenance.Object", with: a, before: nodeMaintenance("a")},
		{path: "Nodes.OtherMaintenance.Until", with: a, before: lease(), after: lease(shorter)},
		{path: "Nodes.OtherMaintenance.Until", with: a, before: lease(), after: lease(endless)},
		{path: "Nodes.HelperReady", with: a, before: helper(corev1.ConditionFalse), after: helper(corev1.ConditionTrue)},
		{path: "Nodes.HelperReady", with: a, before: helper(corev1.ConditionTrue)},
		{path: "Nodes.HelperProblem", with: a, before: helper(corev1.ConditionFalse), after: helper(corev1.ConditionFalse, crashing)},
		{path: "Nodes.HelperNotMeant", with: a, before: newHelperSet("s", onlyLinux)},
		{path: "Nodes.HelperNotMeant", with: a, before: newHelperSet("s", onlyLinux), after: newHelperSet("s", func(*corev1.PodSpec) {})},
		{path: "Nodes.NoDetector", with: []client.Object{fedora}, after: newHelperSet("s", defaultSentinels)},
		{path: "Nodes.NoDetector", with: []client.Object{newHelperSet("s", defaultSentinels)}, before: newNode("a"), after: fedora},
		{
			path: "Nodes.NoDetector", with: []client.Object{fedora},
			before: newHelperSet("s", defaultSentinels), after: newHelperSet("s", looksForKernels),
		},
		{path: "Nodes.HelperSince", with: a, before: helper(corev1.ConditionTrue), after: helper(corev1.ConditionFalse)},
		{path: "Nodes.Volumes", with: []client.Object{newNode("a"), drained, detaching}, before: attachment},
		{path: "Nodes.Volumes", with: []client.Object{newNode("a"), drained, detaching}, after: attachment},
	}
}

// podFacts are about pods on nodes that are looked at.
func podFacts() []fact {
	a := []client.Object{newNode("a"), newBudget("web", &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}})}
	pod := func(options ...option[*corev1.Pod]) *corev1.Pod {
		p := newPod("p", options...)
		p.Spec.NodeName = "a"
		return p
	}
	changed := func(path string, change option[*corev1.Pod]) fact {
		return fact{path: path, with: a, before: pod(), after: pod(change)}
	}
	return []fact{
		{path: "Pods.Namespace", with: a, after: pod()},
		{path: "Pods.Name", with: a, before: pod()},
		changed("Pods.Labels", labeled("a", "b")),
		changed("Pods.Annotations", func(p *corev1.Pod) { metav1.SetMetaDataAnnotation(&p.ObjectMeta, "example.com/a", "b") }),
		changed("Pods.Workloads.Namespace", labeled("app", "web")),
		changed("Pods.Workloads.Name", labeled("app", "web")),
		changed("Pods.Controlled", ownedBy("StatefulSet", "db")),
		changed("Pods.Mirror", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }),
		changed("Pods.Priority", func(p *corev1.Pod) { p.Spec.Priority = ptr.To[int32](1000) }),
		changed("Pods.EmptyDir", func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}),
		changed("Pods.Finished", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		changed("Pods.Terminating", func(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.NewTime(testNow)) }),
		changed("Pods.Ready", ready(corev1.ConditionTrue, testNow)),
		changed("Pods.Containers", func(p *corev1.Pod) { p.Status.ContainerStatuses = running("c") }),
	}
}

// workloadFacts are about workloads that have pods on such nodes.
func workloadFacts() []fact {
	const hash = appsv1.DefaultDeploymentUniqueLabelKey
	pod := newPod("p", ownedBy("ReplicaSet", "web-5d4"), labeled(hash, "5d4"))
	member := newPod("m", ownedBy("StatefulSet", "db"))
	pod.Spec.NodeName, member.Spec.NodeName = "a", "a"
	with := []client.Object{newNode("a"), pod, member}
	meta := metav1.ObjectMeta{Namespace: "apps", Name: "web"}
	deployment := func(change func(*appsv1.Deployment)) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: meta}
		change(d)
		return d
	}
	set := func(change func(*appsv1.StatefulSet)) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "db"}}
		change(s)
		return s
	}
	budget := func(change func(*policyv1.PodDisruptionBudget)) *policyv1.PodDisruptionBudget {
		b := newBudget("web", &metav1.LabelSelector{})
		change(b)
		return b
	}
	deployments := func(path string, change func(*appsv1.Deployment)) fact {
		return fact{path: path, with: with, before: deployment(func(*appsv1.Deployment) {}), after: deployment(change)}
	}
	sets := func(path string, change func(*appsv1.StatefulSet)) fact {
		return fact{path: path, with: with, before: set(func(*appsv1.StatefulSet) {}), after: set(change)}
	}
	budgets := func(path string, change func(*policyv1.PodDisruptionBudget)) fact {
		return fact{path: path, with: with, before: budget(func(*policyv1.PodDisruptionBudget) {}), after: budget(change)}
	}
	return []fact{
		deployments("Workloads.Ready", func(d *appsv1.Deployment) { d.Status.ReadyReplicas = 1 }),
		deployments("Workloads.Desired", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](3) }),
		deployments("Workloads.Stale", func(d *appsv1.Deployment) { d.Generation = 2 }),
		{path: "Workloads.Ready", with: with, before: deployment(func(*appsv1.Deployment) {})},
		sets("Workloads.Ready", func(s *appsv1.StatefulSet) { s.Status.ReadyReplicas = 1 }),
		sets("Workloads.Desired", func(s *appsv1.StatefulSet) { s.Spec.Replicas = ptr.To[int32](3) }),
		sets("Workloads.Stale", func(s *appsv1.StatefulSet) { s.Generation = 2 }),
		budgets("Workloads.Ready", func(b *policyv1.PodDisruptionBudget) { b.Status.CurrentHealthy = 1 }),
		budgets("Workloads.Desired", func(b *policyv1.PodDisruptionBudget) { b.Status.ExpectedPods = 1 }),
		budgets("Workloads.DisruptionsAllowed", func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptionsAllowed = 1 }),
		budgets("Workloads.Expected", func(b *policyv1.PodDisruptionBudget) { b.Status.ExpectedPods = 1 }),
		budgets("Workloads.DisruptionsAtRest", func(b *policyv1.PodDisruptionBudget) { b.Status.ExpectedPods, b.Status.DesiredHealthy = 2, 1 }),
		budgets("Workloads.Stale", func(b *policyv1.PodDisruptionBudget) { b.Generation = 2 }),
	}
}
