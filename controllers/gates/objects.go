package gates

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

// mostObjects is how many objects one gate may look at.
const mostObjects = 500

// AggregationLabel on a ClusterRole gives the manager what it allows, so that gates can look at more kinds.
const AggregationLabel = "reboot-operator.io/aggregate-to-manager"

// objectGate is objects of the cluster of which an expression is true while nothing is in the way.
type objectGate struct{ *v1alpha1.ObjectGate }

func objectGates(policy *v1alpha1.RebootPolicy) []gate {
	return gatesOf(policy.Spec.Gates.Objects, newObjectGate)
}

// recoveryGates are asked after a reboot.
func recoveryGates(policy *v1alpha1.RebootPolicy) []gate {
	return gatesOf(policy.Spec.Recovery.Objects, newObjectGate)
}

func newObjectGate(g *v1alpha1.ObjectGate) gate { return objectGate{g} }

func (g objectGate) name() string { return g.Name }

func (g objectGate) check() (field string, err error) {
	if _, err := schema.ParseGroupVersion(g.APIVersion); err != nil {
		return "apiVersion", err
	}
	if _, err := selectors.Labels(g.Selector); err != nil {
		return "selector", err
	}
	_, err = compile(g.Expression)
	return "expression", err
}

func (g objectGate) onError() v1alpha1.Requirement { return g.OnError }

func (g objectGate) timeout() time.Duration { return timeoutOf(g.TimeoutSeconds) }

func (g objectGate) ask(ctx context.Context, a *Asker, _ model.GateQuery) (reply, error) {
	return found(g.obstacle(ctx, a))
}

// obstacle says which objects do not satisfy the expression.
func (g objectGate) obstacle(ctx context.Context, a *Asker) (string, error) {
	check, err := compile(g.Expression)
	if err != nil {
		return "", err
	}
	objects, err := g.list(ctx, a.options.Live)
	if err != nil {
		return "", err
	}
	if len(objects) == 0 {
		return "", fmt.Errorf("there is no %s", g.wanted())
	}
	var wrong []string
	for i := range objects {
		holds, err := check.holds(ctx, objects[i].Object)
		if err != nil {
			return "", fmt.Errorf("the expression fails for %s %s: %w", g.Kind, nameOf(&objects[i]), err)
		}
		if !holds {
			wrong = append(wrong, nameOf(&objects[i]))
		}
	}
	if len(wrong) == 0 {
		return "", nil
	}
	slices.Sort(wrong)
	const shown = 200
	return sentence(fmt.Sprintf("Gate %s: not true of %s %s: %s", g.Name, g.Kind, enumerate(wrong), shortened(g.Expression, shown))), nil
}

// list reads the objects of a gate from the API server.
func (g objectGate) list(ctx context.Context, live client.Reader) ([]unstructured.Unstructured, error) {
	version, err := schema.ParseGroupVersion(g.APIVersion)
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(version.WithKind(g.Kind + "List"))
	options := []client.ListOption{client.Limit(mostObjects), client.InNamespace(g.Namespace)}
	if g.ObjectName != "" {
		options = append(options, client.MatchingFields{metav1.ObjectNameField: g.ObjectName})
	}
	if g.Selector != nil {
		selector, err := selectors.Labels(g.Selector)
		if err != nil {
			return nil, err
		}
		options = append(options, client.MatchingLabelsSelector{Selector: selector})
	}
	err = live.List(ctx, list, options...)
	var status apierrors.APIStatus
	switch {
	case meta.IsNoMatchError(err):
		return nil, fmt.Errorf("the cluster has no kind %s of %s", g.Kind, g.APIVersion)
	case apierrors.IsForbidden(err) && errors.As(err, &status):
		return nil, fmt.Errorf("the manager may not list %s: give it that right by a ClusterRole with the label %s: \"true\" and the verb list",
			g.resourceOf(status), AggregationLabel)
	case err != nil:
		return nil, fmt.Errorf("list %s: %w", g.Kind, err)
	case list.GetContinue() != "":
		return nil, fmt.Errorf("more than %d objects are of kind %s: select fewer by namespace, selector or objectName", mostObjects, g.Kind)
	}
	return list.Items, nil
}

// resourceOf names what the API server refused, as a rule of a role names it.
func (g objectGate) resourceOf(status apierrors.APIStatus) string {
	details := status.Status().Details
	if details == nil || details.Kind == "" {
		return "objects of kind " + g.Kind
	}
	if details.Group == "" {
		return details.Kind
	}
	return details.Kind + "." + details.Group
}

// wanted describes which objects a gate looks for.
func (g objectGate) wanted() string {
	text := g.Kind
	if g.ObjectName != "" {
		text += " " + g.ObjectName
	}
	if selector, err := selectors.Labels(g.Selector); g.Selector != nil && err == nil {
		text += " with the labels " + selector.String()
	}
	if g.Namespace != "" {
		text += " in namespace " + g.Namespace
	}
	return text
}

func nameOf(object *unstructured.Unstructured) string {
	return strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}
