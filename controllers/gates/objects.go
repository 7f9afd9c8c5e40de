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
	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

const (
	// mostObjects is how many objects one gate may look at.
	mostObjects = 500

	// ServiceAccount in the operator's namespace whose rights objects are read with. It may read what an administrator gives it, and nothing
	// that the manager may read for its own work.
	ServiceAccount = "reboot-operator-gates"

	// AggregationLabel on a ClusterRole gives that ServiceAccount what it allows.
	AggregationLabel = "reboot-operator.io/aggregate-to-gates"
)

// objectGate is objects of the cluster of which an expression is true, or of none, while nothing is in the way.
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
	version, err := schema.ParseGroupVersion(g.APIVersion)
	if err != nil {
		return "apiVersion", err
	}
	if version.Group == "" && g.Kind == "Secret" {
		return "kind", errors.New("gates do not read Secrets")
	}
	if _, err := selectors.Labels(g.Selector); err != nil {
		return "selector", err
	}
	if g.Expression == "" {
		return "expression", g.checkNoExpression()
	}
	_, err = compile(g.Expression)
	return "expression", err
}

// checkNoExpression is for objects that were stored before admission looked.
func (g objectGate) checkNoExpression() error {
	if g.Expect == v1alpha1.ExpectNone {
		return nil
	}
	return errors.New("write one that is true for every object, or 'expect: None' if there must be no such object")
}

func (g objectGate) onError() v1alpha1.Requirement { return g.OnError }

func (g objectGate) timeout() time.Duration { return timeoutOf(g.TimeoutSeconds) }

func (g objectGate) ask(ctx context.Context, a *Asker, _ model.GateQuery) (reply, error) {
	return found(g.obstacle(ctx, a))
}

// obstacle says which objects are not as they have to be.
func (g objectGate) obstacle(ctx context.Context, a *Asker) (string, error) {
	objects, err := g.list(ctx, a.options.Objects)
	if err != nil {
		return "", err
	}
	if len(objects) == 0 && g.Expect != v1alpha1.ExpectNone {
		return "", say(nil, "there is no %s", g.wanted())
	}
	wrong, err := g.wrong(ctx, objects)
	if err != nil || len(wrong) == 0 {
		return "", err
	}
	slices.Sort(wrong)
	const shown = 200
	names, condition := enumerate(wrong), shorten.Marked(g.Expression, shown)
	switch {
	case g.Expression == "":
		return sentence(fmt.Sprintf("Gate %s: there is %s %s", g.Name, g.Kind, names)), nil
	case g.Expect == v1alpha1.ExpectNone:
		return sentence(fmt.Sprintf("Gate %s: the expression is true for %s %s: %s", g.Name, g.Kind, names, condition)), nil
	}
	return sentence(fmt.Sprintf("Gate %s: the expression is not true for %s %s: %s", g.Name, g.Kind, names, condition)), nil
}

// wrong names the objects that are in the way.
func (g objectGate) wrong(ctx context.Context, objects []unstructured.Unstructured) ([]string, error) {
	var wrong []string
	if g.Expression == "" {
		for i := range objects {
			wrong = append(wrong, nameOf(&objects[i]))
		}
		return wrong, nil
	}
	check, err := compile(g.Expression)
	if err != nil {
		return nil, say(err, "its expression does not compile")
	}
	for i := range objects {
		holds, err := check.holds(ctx, objects[i].Object)
		if err != nil {
			return nil, g.failing(err, nameOf(&objects[i]))
		}
		if holds == (g.Expect == v1alpha1.ExpectNone) {
			wrong = append(wrong, nameOf(&objects[i]))
		}
	}
	return wrong, nil
}

// failing says for which object the expression fails.
func (g objectGate) failing(err error, name string) error {
	var readable *said
	if !errors.As(err, &readable) {
		return err
	}
	return say(readable.cause, "the expression fails for %s %s: %s", g.Kind, name, readable.text)
}

// list reads the objects of a gate from the API server.
func (g objectGate) list(ctx context.Context, live client.Reader) ([]unstructured.Unstructured, error) {
	version, err := schema.ParseGroupVersion(g.APIVersion)
	if err != nil {
		return nil, say(err, "its apiVersion is not valid")
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(version.WithKind(g.Kind + "List"))
	options, err := g.listOptions()
	if err != nil {
		return nil, say(err, "its selector is not valid")
	}
	err = live.List(ctx, list, options...)
	switch {
	case err != nil:
		return nil, g.unlisted(err)
	case g.Expression != "" && list.GetContinue() != "":
		return nil, say(nil, "more than %d objects are of kind %s: select fewer by namespace, selector or objectName", mostObjects, g.Kind)
	}
	return list.Items, nil
}

func (g objectGate) listOptions() ([]client.ListOption, error) {
	limit := client.Limit(mostObjects)
	if g.Expression == "" {
		limit = mostShown + 1
	}
	options := []client.ListOption{limit, client.InNamespace(g.Namespace)}
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
	return options, nil
}

// unlisted says why objects cannot be read.
func (g objectGate) unlisted(err error) error {
	var status apierrors.APIStatus
	switch {
	case meta.IsNoMatchError(err):
		return say(err, "the cluster has no kind %s of %s", g.Kind, g.APIVersion)
	case apierrors.IsForbidden(err) && errors.As(err, &status):
		return say(err, "gates may not list %s%s: an administrator grants them that right with a ClusterRole that has the label %s: \"true\" "+
			"and the verb list", g.resourceOf(status), g.inNamespace(), AggregationLabel)
	}
	return say(err, "%s", unreadable(g.Kind, err))
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

func (g objectGate) inNamespace() string {
	if g.Namespace == "" {
		return ""
	}
	return " in namespace " + g.Namespace
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
	return text + g.inNamespace()
}

func nameOf(object *unstructured.Unstructured) string {
	return strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}
