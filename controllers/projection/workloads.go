package projection

import (
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// replicas is 1 if it is not set, as the API server defaults it.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// DeploymentReadiness is how ready a Deployment is.
func DeploymentReadiness(d *appsv1.Deployment) model.Workload {
	return model.Workload{
		Ready:   d.Status.ReadyReplicas,
		Desired: replicas(d.Spec.Replicas),
		Stale:   d.Status.ObservedGeneration < d.Generation,
	}
}

// StatefulSetReadiness is how ready a StatefulSet is.
func StatefulSetReadiness(s *appsv1.StatefulSet) model.Workload {
	return model.Workload{
		Ready:   s.Status.ReadyReplicas,
		Desired: replicas(s.Spec.Replicas),
		Stale:   s.Status.ObservedGeneration < s.Generation,
	}
}

// BudgetReadiness is what a PodDisruptionBudget allows.
func BudgetReadiness(b *policyv1.PodDisruptionBudget) model.Workload {
	return model.Workload{
		Ready:              b.Status.CurrentHealthy,
		Desired:            b.Status.ExpectedPods,
		DisruptionsAllowed: b.Status.DisruptionsAllowed,
		DisruptionsAtRest:  max(0, b.Status.ExpectedPods-b.Status.DesiredHealthy),
		Expected:           b.Status.ExpectedPods,
		Stale:              b.Status.ObservedGeneration < b.Generation,
	}
}

// StripDeployment keeps how ready a Deployment is.
func StripDeployment(d *appsv1.Deployment) *appsv1.Deployment {
	stripped := &appsv1.Deployment{ObjectMeta: stripMeta(&d.ObjectMeta)}
	stripped.Spec.Replicas = d.Spec.Replicas
	stripped.Status.ObservedGeneration = d.Status.ObservedGeneration
	stripped.Status.ReadyReplicas = d.Status.ReadyReplicas
	return stripped
}

// StripStatefulSet keeps how ready a StatefulSet is.
func StripStatefulSet(s *appsv1.StatefulSet) *appsv1.StatefulSet {
	stripped := &appsv1.StatefulSet{ObjectMeta: stripMeta(&s.ObjectMeta)}
	stripped.Spec.Replicas = s.Spec.Replicas
	stripped.Status.ObservedGeneration = s.Status.ObservedGeneration
	stripped.Status.ReadyReplicas = s.Status.ReadyReplicas
	return stripped
}

// StripBudget keeps which pods a PodDisruptionBudget covers, and what it allows.
func StripBudget(b *policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	stripped := &policyv1.PodDisruptionBudget{ObjectMeta: stripMeta(&b.ObjectMeta)}
	stripped.Spec.Selector = b.Spec.Selector
	if b.Spec.Selector.Size() > maxSelector {
		// It counts as one of all pods of its namespace: more is waited for, and nothing is evicted that it keeps.
		stripped.Spec.Selector = &metav1.LabelSelector{}
	}
	stripped.Status.ObservedGeneration = b.Status.ObservedGeneration
	stripped.Status.CurrentHealthy = b.Status.CurrentHealthy
	stripped.Status.DesiredHealthy = b.Status.DesiredHealthy
	stripped.Status.ExpectedPods = b.Status.ExpectedPods
	stripped.Status.DisruptionsAllowed = b.Status.DisruptionsAllowed
	return stripped
}

// OpenWorkloads are the workloads that NodeReboots with an open attempt refer to.
func OpenWorkloads(reboots []*v1alpha1.NodeReboot) sets.Set[model.WorkloadKey] {
	keys := sets.New[model.WorkloadKey]()
	for _, reboot := range reboots {
		if reboot.Status.Attempt == nil || reboot.Status.Attempt.EndedTime != nil || reboot.Status.CompletionTime != nil {
			continue
		}
		for _, ref := range reboot.Status.Workloads {
			keys.Insert(model.WorkloadKey{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name})
		}
		keys.Insert(model.BudgetsOfDrain(reboot)...) // also those of pods that came later
	}
	return keys
}
