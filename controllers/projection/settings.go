package projection

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// The options of the manager that a plan depends on.
const (
	optionMaxUnavailable  = "max-unavailable"
	optionQuorumLabels    = "quorum-node-labels"
	optionLeaseNamespaces = "maintenance-lease-namespaces"
)

// PlanArguments are those of a command line of the manager that a plan depends on, each written as one argument.
func PlanArguments(args []string) []string {
	var kept []string
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !strings.HasPrefix(args[i], "-") || !slices.Contains([]string{optionMaxUnavailable, optionQuorumLabels, optionLeaseNamespaces}, name) {
			continue
		}
		if !has {
			if i++; i == len(args) {
				break
			}
			value = args[i]
		}
		kept = append(kept, "--"+name+"="+value)
	}
	return kept
}

// SetArguments takes over what a command line of the manager says. The manager does not start with what it cannot read.
func (s *Settings) SetArguments(args []string) {
	for _, arg := range PlanArguments(args) {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		switch name {
		case optionMaxUnavailable:
			s.ClusterMaxUnavailable = nil
			if value != "" {
				limit := intstr.Parse(value)
				s.ClusterMaxUnavailable = &limit
			}
		case optionQuorumLabels:
			s.QuorumLabels = namesIn(value)
		case optionLeaseNamespaces:
			s.LeaseNamespaces = namesIn(value)
		}
	}
}

func namesIn(value string) []string {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// managerContainer is the name of the container of the manager.
const managerContainer = "manager"

// ManagerArguments are the command line of the manager that a Deployment runs, as far as a plan depends on it.
func ManagerArguments(deployment *appsv1.Deployment) []string {
	containers := deployment.Spec.Template.Spec.Containers
	for i := range containers {
		if containers[i].Name == managerContainer {
			return PlanArguments(slices.Concat(containers[i].Command, containers[i].Args))
		}
	}
	return nil
}

// IsManagerDeployment says that a Deployment runs the manager.
func IsManagerDeployment(deployment *appsv1.Deployment) bool {
	return deployment.Labels[v1alpha1.ComponentLabel] == v1alpha1.ManagerComponent && deployment.Labels[nameLabel] == product
}

// nameLabel and product mark all objects of an installation.
const (
	nameLabel = "app.kubernetes.io/name"
	product   = "reboot-operator"
)

// StripManagerDeployment keeps what says where the manager runs, and its arguments that a plan depends on.
func StripManagerDeployment(deployment *appsv1.Deployment) *appsv1.Deployment {
	stripped := StripDeployment(deployment)
	stripped.Labels = map[string]string{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent, nameLabel: product}
	stripped.Spec.Template.Spec.Containers = []corev1.Container{{Name: managerContainer, Args: ManagerArguments(deployment)}}
	return stripped
}

// StripOwnPod keeps of a pod of the operator what both a plan for its node and StripOwn keep.
func StripOwnPod(pod *corev1.Pod, named sets.Set[string]) *corev1.Pod {
	stripped, own := StripPod(pod, named), StripOwn(pod)
	metav1.SetMetaDataLabel(&stripped.ObjectMeta, v1alpha1.ComponentLabel, pod.Labels[v1alpha1.ComponentLabel])
	stripped.Spec.NodeSelector, stripped.Spec.Tolerations = own.Spec.NodeSelector, own.Spec.Tolerations
	stripped.Spec.Affinity = own.Spec.Affinity
	stripped.Status.Reason, stripped.Status.Message = own.Status.Reason, own.Status.Message
	if len(own.Status.ContainerStatuses) > 0 {
		stripped.Status.ContainerStatuses = own.Status.ContainerStatuses
	}
	return stripped
}

// StripOwn keeps of a pod of the operator what says where it runs, and why it is not Ready.
func StripOwn(pod *corev1.Pod) *corev1.Pod {
	if IsManager(pod) {
		return StripManager(pod)
	}
	return StripHelper(pod)
}
