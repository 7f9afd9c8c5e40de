package lint

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// readCluster reads what policies are compared with.
func readCluster(ctx context.Context, c client.Client) (*cluster, error) {
	fleet, err := app.ReadFleet(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("%w; to lint without the cluster, add --offline", err)
	}
	k := &cluster{Fleet: fleet, pods: map[string][]corev1.Pod{}}
	k.gates = func(ctx context.Context, gate *v1alpha1.ObjectGate) string { return missingObject(ctx, c, gate) }
	var budgets policyv1.PodDisruptionBudgetList
	if err := c.List(ctx, &budgets); err != nil {
		return nil, app.ReadError("PodDisruptionBudgets", err)
	}
	k.budgets = budgets.Items
	for i := range k.budgets {
		budget := &k.budgets[i]
		if !impossible(budget) {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil {
			continue // The API server does not know its pods either.
		}
		var pods corev1.PodList
		if err := c.List(ctx, &pods, client.InNamespace(budget.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
			return nil, app.ReadError("pods of namespace "+budget.Namespace, err)
		}
		k.pods[budget.Namespace+"/"+budget.Name] = pods.Items
	}
	return k, nil
}

// missingObject says what is wrong with the objects of a gate; empty if nothing is known to be.
func missingObject(ctx context.Context, c client.Client, gate *v1alpha1.ObjectGate) string {
	version, err := schema.ParseGroupVersion(gate.APIVersion)
	if err != nil {
		return ""
	}
	kind := version.WithKind(gate.Kind)
	mapping, err := c.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	switch {
	case meta.IsNoMatchError(err):
		return fmt.Sprintf("the cluster has no kind %s of %s: correct apiVersion and kind, or install it", gate.Kind, gate.APIVersion)
	case err != nil:
		return ""
	case mapping.Scope.Name() == meta.RESTScopeNameRoot && gate.Namespace != "":
		return fmt.Sprintf("objects of kind %s have no namespace: remove namespace", gate.Kind)
	case gate.ObjectName == "" || gate.Expect == v1alpha1.ExpectNone || mapping.Scope.Name() != meta.RESTScopeNameRoot && gate.Namespace == "":
		return ""
	}
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	if err := c.Get(ctx, client.ObjectKey{Namespace: gate.Namespace, Name: gate.ObjectName}, object); apierrors.IsNotFound(err) {
		name := gate.ObjectName
		if gate.Namespace != "" {
			name = gate.Namespace + "/" + name
		}
		return fmt.Sprintf("there is no %s %s, and nothing starts while it is missing: correct objectName and namespace, or create it",
			gate.Kind, name)
	}
	return ""
}
