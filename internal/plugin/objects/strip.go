package objects

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
	"github.com/reboot-operator/reboot-operator/internal/podlabels"
)

// lastApplied is where kubectl keeps the whole of what it applied last.
const lastApplied = corev1.LastAppliedConfigAnnotation

// stripUser drops what nobody needs of an object that people write.
func stripUser(object client.Object) {
	object.SetManagedFields(nil)
	if annotations := object.GetAnnotations(); annotations[lastApplied] != "" {
		annotations = maps.Clone(annotations)
		delete(annotations, lastApplied)
		object.SetAnnotations(annotations)
	}
}

// stripPolicy drops where notifications go: no plan depends on it.
func stripPolicy(policy *v1alpha1.RebootPolicy) *v1alpha1.RebootPolicy {
	stripUser(policy)
	policy.Spec.Notifications = nil
	return policy
}

func stripReboot(reboot *v1alpha1.NodeReboot) *v1alpha1.NodeReboot {
	stripUser(reboot)
	return reboot
}

// stripSlots keeps the grants.
func stripSlots(slots *corev1.ConfigMap) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: slots.Namespace, Name: slots.Name, UID: slots.UID, ResourceVersion: slots.ResourceVersion},
		Data:       slots.Data,
	}
}

// podStripper keeps what a plan for a cluster reads of a pod; nothing of one that is on no node.
func podStripper(c *Cluster) func(*corev1.Pod) *corev1.Pod {
	named := c.podKeys()
	return func(pod *corev1.Pod) *corev1.Pod {
		switch {
		case pod.Namespace == c.Namespace && isOwn(pod):
			return projection.StripOwnPod(pod, named)
		case pod.Spec.NodeName == "":
			return nil
		}
		return projection.StripPod(pod, named)
	}
}

// podKeys are the labels and annotations of pods that a plan with the policies of the cluster looks at.
func (c *Cluster) podKeys() sets.Set[string] {
	named := sets.New(appsv1.DefaultDeploymentUniqueLabelKey)
	for _, policy := range c.Policies {
		named.Insert(policies.PodKeys(policy)...)
	}
	return named
}

// savedPod is a pod as it goes into a file. Annotations can have anything in them, also secrets: only those stay that a policy looks at.
func (c *Cluster) savedPod() func(client.Object) client.Object {
	named := c.podKeys()
	return func(object client.Object) client.Object {
		if pod, is := object.(*corev1.Pod); is {
			object = podlabels.OnlyNamed(pod, named)
		}
		return typed(object, corev1.SchemeGroupVersion.WithKind("Pod"))
	}
}

// Missing says in sentences what other policies look at that a file does not have.
func (c *Cluster) Missing(others []*v1alpha1.RebootPolicy) []string {
	var said []string
	for _, policy := range others {
		moment := model.NewMoment(c.Taken)
		parsed := policies.Parse(policy, &moment)
		_, drained := parsed.Drained.Keys()
		_, awaited := parsed.WaitFor.Keys()
		for _, key := range sets.List(sets.New(slices.Concat(drained, awaited)...)) {
			if slices.ContainsFunc(c.Pods, func(pod *corev1.Pod) bool { return podlabels.AnnotationIsCut(pod, key) }) {
				said = append(said, fmt.Sprintf("No pod is assumed to have the annotation %s, which RebootPolicy %s uses: the file has only "+
					"annotations that a policy of the cluster used when the file was saved.", key, policy.Name))
			}
		}
	}
	return said
}

func isOwn(pod *corev1.Pod) bool {
	component := pod.Labels[v1alpha1.ComponentLabel]
	return component == projection.HelperComponent || component == v1alpha1.ManagerComponent
}

// stripPods strips pods once it is known where the operator runs.
func stripPods(c *Cluster) []*corev1.Pod {
	strip := podStripper(c)
	var kept []*corev1.Pod
	for _, pod := range c.Pods {
		if stripped := strip(pod); stripped != nil {
			kept = append(kept, stripped)
		}
	}
	return kept
}
