package controllers

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

func TestNodeChangesAskForAPassOnlyIfAPlanCanSeeThem(t *testing.T) {
	for name, test := range map[string]struct {
		change option[*corev1.Node]
		want   bool
	}{
		"nothing": {func(*corev1.Node) {}, false},
		"heartbeat": {func(n *corev1.Node) {
			n.ResourceVersion = "2"
			n.Status.Conditions[0].LastHeartbeatTime = metav1.NewTime(testNow)
		}, false},
		"images": {func(n *corev1.Node) { n.Status.Images = []corev1.ContainerImage{{SizeBytes: 1}} }, false},
		"another condition": {func(n *corev1.Node) {
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: "DiskPressure"})
		}, false},
		"another annotation":            {func(n *corev1.Node) { n.Annotations = map[string]string{"other": "x"} }, false},
		"capacity":                      {func(n *corev1.Node) { n.Status.Capacity = corev1.ResourceList{} }, false},
		"label":                         {func(n *corev1.Node) { n.Labels = map[string]string{"a": "b"} }, true},
		"our annotation":                {func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha1.CordonAnnotation: "u"} }, true},
		"our record":                    {func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha1.MarksAnnotation: "{}"} }, true},
		"label that skips it":           {func(n *corev1.Node) { n.Labels = map[string]string{v1alpha1.SkipLabel: ""} }, true},
		"taint":                         {func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "k"}} }, true},
		"cordon":                        {func(n *corev1.Node) { n.Spec.Unschedulable = true }, true},
		"not Ready":                     {func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, true},
		"boot ID":                       {func(n *corev1.Node) { n.Status.NodeInfo.BootID = "boot-2" }, true},
		"kernel":                        {func(n *corev1.Node) { n.Status.NodeInfo.KernelVersion = "6.2" }, true},
		"operating system":              {func(n *corev1.Node) { n.Status.NodeInfo.OSImage = "Fedora Linux 41" }, true},
		"being deleted":                 {func(n *corev1.Node) { n.DeletionTimestamp = ptr.To(metav1.NewTime(testNow)) }, true},
		"another node of the same name": {func(n *corev1.Node) { n.UID = "other" }, true},
		"maintenance condition": {func(n *corev1.Node) {
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: plan.Drained, Status: corev1.ConditionTrue})
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			after := newNode("a", test.change)
			if got := nodeChanged(newNode("a"), after); got != test.want {
				t.Errorf("as it is: %t, want %t", got, test.want)
			}
			if got := nodeChanged(projection.StripNode(newNode("a")), projection.StripNode(after)); got != test.want {
				t.Errorf("as it is cached: %t, want %t", got, test.want)
			}
		})
	}
}

func TestNodeRebootChangesAskForAPassIfAPlanReadsThem(t *testing.T) {
	for name, test := range map[string]struct {
		change option[*v1alpha1.NodeReboot]
		want   bool
	}{
		"nothing":        {func(*v1alpha1.NodeReboot) {}, false},
		"a version":      {func(r *v1alpha1.NodeReboot) { r.ResourceVersion = "2" }, false},
		"a label":        {func(r *v1alpha1.NodeReboot) { r.Labels = map[string]string{"a": "b"} }, true},
		"an annotation":  {func(r *v1alpha1.NodeReboot) { r.Annotations = map[string]string{"a": "b"} }, true},
		"managed fields": {func(r *v1alpha1.NodeReboot) { r.ManagedFields = []metav1.ManagedFieldsEntry{{}} }, false},
		"spec":           {func(r *v1alpha1.NodeReboot) { r.Generation = 2 }, true},
		"finalizers":     {func(r *v1alpha1.NodeReboot) { r.Finalizers = []string{v1alpha1.Finalizer} }, true},
		"being deleted":  {func(r *v1alpha1.NodeReboot) { r.DeletionTimestamp = ptr.To(metav1.NewTime(testNow)) }, true},
		"report":         {func(r *v1alpha1.NodeReboot) { r.Status.Report = &v1alpha1.HelperReport{BootID: "b"} }, true},
		"own status":     {func(r *v1alpha1.NodeReboot) { r.Status.CompletionTime = at(0) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nodeRebootChanged(newReboot("r", "a"), newReboot("r", "a", test.change)); got != test.want {
				t.Errorf("%t, want %t", got, test.want)
			}
		})
	}
}

// The helper reports every few seconds which pods a drain has still to move. No plan depends on that.
func TestADrainAsksForAPassOnlyIfAPlanReadsItsProgress(t *testing.T) {
	reports := func(drain *v1alpha1.DrainProgress) option[*v1alpha1.NodeReboot] {
		return func(r *v1alpha1.NodeReboot) { r.Status.Report = &v1alpha1.HelperReport{BootID: "b", Drain: drain} }
	}
	none := func(*v1alpha1.NodeReboot) {}
	moves := func(pods int32) *v1alpha1.DrainProgress {
		return &v1alpha1.DrainProgress{Activity: v1alpha1.DrainProgressing, Remaining: pods}
	}
	refused := func(pod string) *v1alpha1.DrainProgress {
		progress := moves(3)
		progress.Refused = []v1alpha1.RefusedPod{{Name: pod}}
		return progress
	}
	stuck := func(pods int32) *v1alpha1.DrainProgress {
		return &v1alpha1.DrainProgress{Activity: v1alpha1.DrainStuck, Remaining: pods}
	}
	for name, test := range map[string]struct {
		before, after option[*v1alpha1.NodeReboot]
		want          bool
	}{
		"fewer pods":                {reports(moves(3)), reports(moves(2)), false},
		"the first progress":        {reports(nil), reports(moves(3)), false},
		"an eviction is refused":    {reports(moves(3)), reports(refused("web")), true},
		"another one is refused":    {reports(refused("web")), reports(refused("db")), true},
		"none is refused anymore":   {reports(refused("web")), reports(moves(3)), true},
		"it is stuck":               {reports(moves(3)), reports(stuck(3)), true},
		"what a stuck one has left": {reports(stuck(3)), reports(stuck(2)), true},
		"no progress anymore":       {reports(moves(3)), reports(nil), true},
		"no report anymore":         {reports(moves(3)), none, true},
		"the first report":          {none, reports(moves(3)), true},
		"the sentinel, too": {reports(moves(3)), func(r *v1alpha1.NodeReboot) {
			reports(moves(2))(r)
			r.Status.Report.Sentinel = v1alpha1.SentinelRequired
		}, true},
		"the status, too": {reports(moves(3)), func(r *v1alpha1.NodeReboot) {
			reports(moves(2))(r)
			r.Status.Reason = "Another"
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := nodeRebootChanged(newReboot("r", "a", test.before), newReboot("r", "a", test.after)); got != test.want {
				t.Errorf("%t, want %t", got, test.want)
			}
		})
	}
}

func TestPolicyChangesAskForAPassUnlessTheyAreOfTheStatus(t *testing.T) {
	status, spec, deleted := newPolicy("p"), newPolicy("p"), newPolicy("p")
	status.Status.Nodes = 3
	spec.Generation = 2
	deleted.DeletionTimestamp = ptr.To(metav1.NewTime(testNow))
	if policyChanged(newPolicy("p"), status) || !policyChanged(newPolicy("p"), spec) || !policyChanged(newPolicy("p"), deleted) {
		t.Error("want no pass for the status, and one for the spec and the deletion")
	}
}

func TestHelperChangesAskForAPassIfTheyAreOfReadinessOrOfWhyNot(t *testing.T) {
	before := newPod("h", ready(corev1.ConditionTrue, testNow))
	other := newPod("h", ready(corev1.ConditionTrue, testNow))
	other.Status.PodIP = "10.0.0.1"
	unready := newPod("h", ready(corev1.ConditionFalse, testNow))
	bound := newPod("h", ready(corev1.ConditionTrue, testNow))
	bound.Spec.NodeName = "a"
	crashing := unready.DeepCopy()
	crashing.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "helper", State: waitingState("CreateContainerError", "")}}
	if helperChanged(before, other) || !helperChanged(before, unready) || !helperChanged(before, bound) || !helperChanged(unready, crashing) {
		t.Error("want no pass for an address, and one for readiness, for why not, and for the node")
	}
}

func TestWorkloadChangesAskForAPassIfTheyAreOfReadiness(t *testing.T) {
	deployment := func(ready, updated int32) *appsv1.Deployment {
		d := &appsv1.Deployment{}
		d.Status.ReadyReplicas, d.Status.UpdatedReplicas = ready, updated
		return d
	}
	set := func(ready, updated int32) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{}
		s.Status.ReadyReplicas, s.Status.UpdatedReplicas = ready, updated
		return s
	}
	budget := func(healthy, allowed int32) *policyv1.PodDisruptionBudget {
		b := &policyv1.PodDisruptionBudget{}
		b.Status.CurrentHealthy, b.Status.DisruptionsAllowed = healthy, allowed
		return b
	}
	if !deploymentChanged(deployment(1, 1), deployment(2, 1)) || deploymentChanged(deployment(1, 1), deployment(1, 2)) {
		t.Error("Deployment: want a pass for ready replicas alone")
	}
	if !statefulSetChanged(set(1, 1), set(2, 1)) || statefulSetChanged(set(1, 1), set(1, 2)) {
		t.Error("StatefulSet: want a pass for ready replicas alone")
	}
	if !budgetChanged(budget(1, 1), budget(2, 1)) || !budgetChanged(budget(1, 1), budget(1, 2)) || budgetChanged(budget(1, 1), budget(1, 1)) {
		t.Error("PodDisruptionBudget: want a pass for healthy pods and for disruptions that it allows")
	}
}

func TestNothingIsOfInterestBeforeTheFirstPassAndOnlyTheNamedKindAfterIt(t *testing.T) {
	i := &interest{}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	if i.hasDeployment(d) {
		t.Error("something is of interest before the first pass")
	}
	i.set(sets.New(model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}))
	if !i.hasDeployment(d) || i.hasStatefulSet(s) {
		t.Error("want the Deployment and not the StatefulSet of the same name")
	}
}
