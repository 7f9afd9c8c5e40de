package testbed

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

func TestAnAppBecomesObjects(t *testing.T) {
	app := App{
		Name: "web", Replicas: 4, ReadyAfter: 24 * time.Second, TerminateAfter: 45 * time.Second, AntiAffinity: true, SpreadZones: true,
		MinAvailable: new(3),
	}.withDefaults()
	objects := app.objects()
	if len(objects) != 2 {
		t.Fatalf("%d objects, want a budget and a Deployment", len(objects))
	}
	budget, ok := objects[0].(*policyv1.PodDisruptionBudget)
	if !ok || budget.Spec.MinAvailable.IntValue() != 3 || budget.Spec.MaxUnavailable != nil {
		t.Errorf("the first object is %+v", objects[0])
	}
	deployment, ok := objects[1].(*appsv1.Deployment)
	if !ok || *deployment.Spec.Replicas != 4 || deployment.Namespace != "default" {
		t.Fatalf("the second object is %+v", objects[1])
	}
	template := deployment.Spec.Template
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta}
	pod.DeletionGracePeriodSeconds = template.Spec.TerminationGracePeriodSeconds
	times, err := timesOf(pod)
	if want := (podTimes{readyAfter: 24 * time.Second, terminateAfter: 45 * time.Second}); err != nil || times != want {
		t.Errorf("the pods take %+v, %v, want %+v", times, err, want)
	}
	if template.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].TopologyKey != corev1.LabelHostname {
		t.Error("two replicas may share a node")
	}
	if template.Spec.TopologySpreadConstraints[0].TopologyKey != corev1.LabelTopologyZone {
		t.Error("the replicas are not spread over zones")
	}
}

func TestAStatefulSetStartsItsPodsAtOnce(t *testing.T) {
	objects := App{Name: "db", Kind: StatefulSet, Replicas: 3, MaxUnavailable: new(0)}.withDefaults().objects()
	budget, ok := objects[0].(*policyv1.PodDisruptionBudget)
	if !ok || budget.Spec.MaxUnavailable.IntValue() != 0 || budget.Spec.MinAvailable != nil {
		t.Errorf("the first object is %+v", objects[0])
	}
	set, ok := objects[1].(*appsv1.StatefulSet)
	if !ok || set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement || set.Spec.Template.Spec.Affinity != nil {
		t.Errorf("the second object is %+v", objects[1])
	}
}

func TestAnAppWithoutABudgetHasNone(t *testing.T) {
	if objects := (App{Name: "web"}).withDefaults().objects(); len(objects) != 1 {
		t.Errorf("%d objects, want a Deployment alone", len(objects))
	}
}
