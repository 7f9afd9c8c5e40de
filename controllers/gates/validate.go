package gates

import (
	"fmt"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// checkedPolicy is what was found in one generation of a policy.
type checkedPolicy struct {
	generation int64
	invalid    string
}

// Invalid says of policies, by name, what in their gates does not compile. Each generation is compiled once.
func (a *Asker) Invalid(policies []*v1alpha1.RebootPolicy) map[string]string {
	var invalid map[string]string
	known := sets.New[types.UID]()
	for _, policy := range policies {
		known.Insert(policy.UID)
		checked, is := a.checked[policy.UID]
		if !is || checked.generation != policy.Generation {
			checked = checkedPolicy{generation: policy.Generation, invalid: check(policy)}
			a.checked[policy.UID] = checked
		}
		if checked.invalid != "" {
			if invalid == nil {
				invalid = map[string]string{}
			}
			invalid[policy.Name] = checked.invalid
		}
	}
	for uid := range a.checked {
		if !known.Has(uid) {
			delete(a.checked, uid)
		}
	}
	return invalid
}

// check finds the first thing in a policy's gates that does not compile. Admission sees regular expressions, too, but not those of objects
// that were stored before it did.
func check(policy *v1alpha1.RebootPolicy) string {
	spec := &policy.Spec.Gates
	for i := range spec.Pods {
		if _, err := metav1.LabelSelectorAsSelector(spec.Pods[i].Selector); err != nil {
			return problem("gates.pods", spec.Pods[i].Name, "selector", err)
		}
	}
	for i := range spec.Prometheus {
		if field, err := checkAlerts(spec.Prometheus[i].Alerts); err != nil {
			return problem("gates.prometheus", spec.Prometheus[i].Name, "alerts."+field, err)
		}
	}
	for i := range spec.Alertmanager {
		if err := checkMatchers(spec.Alertmanager[i].Matchers); err != nil {
			return problem("gates.alertmanager", spec.Alertmanager[i].Name, "matchers", err)
		}
	}
	if invalid := checkObjects("gates.objects", spec.Objects); invalid != "" {
		return invalid
	}
	return checkObjects("recovery.objects", policy.Spec.Recovery.Objects)
}

func problem(list, gate, field string, err error) string {
	return strings.TrimSuffix(sentence(fmt.Sprintf("gate %s of %s: %s: %v", gate, list, field, err)), ".")
}

func checkAlerts(alerts *v1alpha1.AlertFilter) (field string, err error) {
	if alerts == nil {
		return "", nil
	}
	if _, err := regexp.Compile(alerts.Ignore); err != nil {
		return "ignore", err
	}
	if _, err := regexp.Compile(alerts.Only); err != nil {
		return "only", err
	}
	return "matchers", checkMatchers(alerts.Matchers)
}

func checkMatchers(matchers []v1alpha1.LabelMatcher) error {
	for i := range matchers {
		if m := &matchers[i]; m.MatchType == v1alpha1.MatchRegexp || m.MatchType == v1alpha1.MatchNotRegexp {
			if _, err := regexp.Compile(valueOf(m)); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
	}
	return nil
}

func checkObjects(list string, objects []v1alpha1.ObjectGate) string {
	for i := range objects {
		g := &objects[i]
		if _, err := schema.ParseGroupVersion(g.APIVersion); err != nil {
			return problem(list, g.Name, "apiVersion", err)
		}
		if _, err := metav1.LabelSelectorAsSelector(g.Selector); err != nil {
			return problem(list, g.Name, "selector", err)
		}
		if _, err := compile(g.Expression); err != nil {
			return problem(list, g.Name, "expression", err)
		}
	}
	return ""
}
