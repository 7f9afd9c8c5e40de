package install

import (
	"slices"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestEverySelectorSelectsThePodsOfOneTemplate(t *testing.T) {
	all := rendered(t)
	selectors := map[string]labels.Selector{
		"the Deployment": selector(t, all.Manager.Spec.Selector),
		"the DaemonSet":  selector(t, all.Helper.Spec.Selector),
	}
	for _, service := range all.Services {
		selectors["Service "+service.Name] = labels.SelectorFromSet(service.Spec.Selector)
	}
	for _, budget := range all.Budgets {
		selectors["PodDisruptionBudget "+budget.Name] = selector(t, budget.Spec.Selector)
	}
	for _, policy := range all.Policies {
		selectors["NetworkPolicy "+policy.Name] = selector(t, &policy.Spec.PodSelector)
	}
	for _, constraint := range all.Manager.Spec.Template.Spec.TopologySpreadConstraints {
		selectors["the spread over "+constraint.TopologyKey] = selector(t, constraint.LabelSelector)
	}
	for name, selector := range selectors {
		matched := 0
		for _, template := range all.templates() {
			if selector.Matches(labels.Set(template.Labels)) {
				matched++
			}
		}
		if matched != 1 {
			t.Errorf("%s selects %d of the pod templates, want 1", name, matched)
		}
	}
}

func TestEveryPodIsHeldByANetworkPolicyForBothDirectionsAndItsPortsAreOpen(t *testing.T) {
	all := rendered(t)
	for name, template := range all.templates() {
		open := map[string]bool{}
		directions := 0
		for _, policy := range all.Policies {
			if !selector(t, &policy.Spec.PodSelector).Matches(labels.Set(template.Labels)) {
				continue
			}
			directions += len(policy.Spec.PolicyTypes)
			for _, rule := range policy.Spec.Ingress {
				for _, port := range rule.Ports {
					open[port.Port.String()] = true
				}
			}
		}
		if directions != 2 {
			t.Errorf("%s is held in %d directions, want 2", name, directions)
		}
		for _, container := range template.Spec.Containers {
			for _, port := range container.Ports {
				if !open[port.Name] {
					t.Errorf("port %s of %s is closed", port.Name, name)
				}
			}
		}
	}
}

func TestTheManagerIsNeverGone(t *testing.T) {
	manager := rendered(t).Manager.Spec
	if *manager.Replicas != 2 {
		t.Errorf("%d replicas, want 2", *manager.Replicas)
	}
	if none := intstr.FromInt32(0); manager.Strategy.RollingUpdate == nil || *manager.Strategy.RollingUpdate.MaxUnavailable != none {
		t.Error("an update may take a manager away before the next is there")
	}
}

func TestEveryPodRunsOnLinux(t *testing.T) {
	all := rendered(t)
	for name, template := range all.templates() {
		if template.Spec.NodeSelector[corev1.LabelOSStable] != "linux" {
			t.Errorf("%s may be placed on a node with another operating system, which cannot run its image", name)
		}
	}
}

func TestEveryContainerIsConfinedBoundedAndProbed(t *testing.T) {
	all := rendered(t)
	for name, template := range all.templates() {
		for _, container := range template.Spec.Containers {
			context := container.SecurityContext
			switch {
			case context == nil || !*context.ReadOnlyRootFilesystem || *context.AllowPrivilegeEscalation:
				t.Errorf("%s of %s may write to its image or gain privileges", container.Name, name)
			case !slices.Equal(context.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(context.Capabilities.Add) > 0:
				t.Errorf("%s of %s keeps capabilities", container.Name, name)
			case container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero():
				t.Errorf("%s of %s has no limit of memory or asks for no CPU", container.Name, name)
			case container.LivenessProbe == nil || container.ReadinessProbe == nil && container.StartupProbe == nil:
				t.Errorf("%s of %s is not probed", container.Name, name)
			}
		}
		if template.Spec.PriorityClassName == "" || template.Spec.HostPID || template.Spec.HostNetwork || template.Spec.HostIPC {
			t.Errorf("%s has no priority or shares namespaces of its host", name)
		}
	}
}

func TestEveryAdmissionPolicyIsBoundAndRefusesWhatItCannotDecide(t *testing.T) {
	all := rendered(t)
	bound := map[string]bool{}
	for i := range all.Bindings {
		binding := all.Bindings[i].Spec
		deny := slices.Equal(binding.ValidationActions, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny})
		bound[binding.PolicyName] = deny && binding.MatchResources == nil
	}
	for i := range all.Admission {
		policy := &all.Admission[i]
		if *policy.Spec.FailurePolicy != admissionregistrationv1.Fail {
			t.Errorf("%s lets through what it cannot decide", policy.Name)
		}
		if !bound[policy.Name] {
			t.Errorf("%s is bound to nothing, to less than everything, or denies nothing", policy.Name)
		}
	}
	if len(all.Admission) != 4 || len(all.Bindings) != 4 {
		t.Errorf("%d policies and %d bindings, want 4", len(all.Admission), len(all.Bindings))
	}
}

func selector(t *testing.T, from *metav1.LabelSelector) labels.Selector {
	t.Helper()
	parsed, err := metav1.LabelSelectorAsSelector(from)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestTheLogThatKubectlShowsOfADaemonSetPodIsTheHelpers(t *testing.T) {
	template := rendered(t).Helper.Spec.Template
	shown := template.Annotations["kubectl.kubernetes.io/default-container"]
	if shown != "helper" || !slices.ContainsFunc(template.Spec.Containers, func(c corev1.Container) bool { return c.Name == shown }) {
		t.Errorf("kubectl shows the container %q", shown)
	}
}
