// Package install checks what config/default renders to, without a cluster.
package install

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// installation is the part of config/default that is checked here.
type installation struct {
	Namespace corev1.Namespace
	Manager   appsv1.Deployment
	Helper    appsv1.DaemonSet
	Services  []corev1.Service
	Budgets   []policyv1.PodDisruptionBudget
	Policies  []networkingv1.NetworkPolicy
	Admission []admissionregistrationv1.ValidatingAdmissionPolicy
	Bindings  []admissionregistrationv1.ValidatingAdmissionPolicyBinding
}

// rendered is config/default as kubectl apply -k renders it.
func rendered(t *testing.T) installation {
	t.Helper()
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionUnspecified // as the kustomization says
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), "../../config/default")
	if err != nil {
		t.Fatalf("render config/default: %v", err)
	}
	var all installation
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatalf("write %s: %v", resource.CurId(), err)
		}
		switch resource.GetKind() {
		case "Namespace":
			decode(t, text, &all.Namespace)
		case "Deployment":
			decode(t, text, &all.Manager)
		case "DaemonSet":
			decode(t, text, &all.Helper)
		case "Service":
			all.Services = append(all.Services, decoded[corev1.Service](t, text))
		case "PodDisruptionBudget":
			all.Budgets = append(all.Budgets, decoded[policyv1.PodDisruptionBudget](t, text))
		case "NetworkPolicy":
			all.Policies = append(all.Policies, decoded[networkingv1.NetworkPolicy](t, text))
		case "ValidatingAdmissionPolicy":
			all.Admission = append(all.Admission, decoded[admissionregistrationv1.ValidatingAdmissionPolicy](t, text))
		case "ValidatingAdmissionPolicyBinding":
			all.Bindings = append(all.Bindings, decoded[admissionregistrationv1.ValidatingAdmissionPolicyBinding](t, text))
		}
	}
	return all
}

// templates are the pods of the installation, by the name of what makes them.
func (i *installation) templates() map[string]corev1.PodTemplateSpec {
	return map[string]corev1.PodTemplateSpec{i.Manager.Name: i.Manager.Spec.Template, i.Helper.Name: i.Helper.Spec.Template}
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("read %s: %v", text, err)
	}
}

func decoded[T any](t *testing.T, text []byte) T {
	t.Helper()
	var object T
	decode(t, text, &object)
	return object
}
