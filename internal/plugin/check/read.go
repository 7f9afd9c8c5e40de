package check

import (
	"context"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/config/crd"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
	"github.com/reboot-operator/reboot-operator/internal/version"
)

// Read reads the facts by which an installation is judged. The facts include what cannot be read.
func Read(ctx context.Context, a *app.App, c client.Client) (*Facts, error) {
	f := &Facts{Now: a.Clock.Now(), Zone: a.Zone, Plugin: version.Get(), Installed: install.Read(ctx, c, ptr.Deref(a.Config.Namespace, ""))}
	f.Kubernetes, f.KubernetesError = serverVersion(a)
	f.Fleet, f.FleetError = app.ReadFleet(ctx, c)
	f.Missing, f.RightsError = missingRights(ctx, c, f.Installed.Namespace)
	f.AdmissionPolicies, f.AdmissionBindings, f.AdmissionError = readAdmission(ctx, c)
	err := c.Get(ctx, client.ObjectKey{Name: evictionRole}, &rbacv1.ClusterRoleBinding{})
	f.EvictionRole, f.EvictionError = err == nil, client.IgnoreNotFound(err)
	f.Kinds, err = readKinds(ctx, c)
	return f, err
}

// evictionRole is the ClusterRoleBinding that config/components/before-1.36 installs.
const evictionRole = "reboot-operator-helper-drain"

func serverVersion(a *app.App) (string, error) {
	discovery, err := a.Config.ToDiscoveryClient()
	if err != nil {
		return "", err
	}
	info, err := discovery.ServerVersion()
	if err != nil {
		return "", err
	}
	return info.GitVersion, nil
}

func readAdmission(ctx context.Context, c client.Reader) (policies, bindings map[string]bool, err error) {
	var (
		policyList  admissionregistrationv1.ValidatingAdmissionPolicyList
		bindingList admissionregistrationv1.ValidatingAdmissionPolicyBindingList
	)
	if err := c.List(ctx, &policyList); err != nil {
		return nil, nil, err
	}
	if err := c.List(ctx, &bindingList); err != nil {
		return nil, nil, err
	}
	policies, bindings = map[string]bool{}, map[string]bool{}
	for i := range policyList.Items {
		policies[policyList.Items[i].Name] = true
	}
	for i := range bindingList.Items {
		bindings[bindingList.Items[i].Spec.PolicyName] = true
	}
	return policies, bindings, nil
}

// readKinds compares the kinds of the cluster with those of this plugin.
func readKinds(ctx context.Context, c client.Reader) (map[string]Kind, error) {
	definitions, err := crd.Definitions()
	if err != nil {
		return nil, err
	}
	kinds := make(map[string]Kind, len(definitions))
	for _, own := range definitions {
		kinds[own.Spec.Names.Kind] = readKind(ctx, c, own)
	}
	return kinds, nil
}

func readKind(ctx context.Context, c client.Reader, own *apiextensionsv1.CustomResourceDefinition) Kind {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	if err := c.Get(ctx, client.ObjectKey{Name: own.Name}, found); apierrors.IsNotFound(err) {
		return Kind{}
	} else if err != nil {
		return Kind{Err: err}
	}
	var theirs apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, &theirs); err != nil {
		return Kind{Err: err}
	}
	return Kind{Found: true, Fresh: len(theirs.Spec.Versions) == len(own.Spec.Versions) &&
		equality.Semantic.DeepEqual(theirs.Spec.Versions[0].Schema, own.Spec.Versions[0].Schema)}
}
