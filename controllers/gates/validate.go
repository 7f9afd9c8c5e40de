package gates

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// checkedPolicy is what was found in one generation of a policy.
type checkedPolicy struct {
	generation int64
	invalid    string
}

// Invalid says about policies, by name, what in their gates does not compile. Each generation is compiled once.
func (a *Asker) Invalid(policies []*v1alpha1.RebootPolicy) map[string]string {
	var all map[string]string
	known := sets.New[types.UID]()
	for _, policy := range policies {
		known.Insert(policy.UID)
		checked, is := a.checked[policy.UID]
		if !is || checked.generation != policy.Generation {
			checked = checkedPolicy{generation: policy.Generation, invalid: invalid(policy)}
			a.checked[policy.UID] = checked
		}
		if checked.invalid != "" {
			if all == nil {
				all = map[string]string{}
			}
			all[policy.Name] = checked.invalid
		}
	}
	for uid := range a.checked {
		if !known.Has(uid) {
			delete(a.checked, uid)
		}
	}
	return all
}

// invalid is the first thing in a policy's gates that does not compile; empty if there is none.
func invalid(policy *v1alpha1.RebootPolicy) string {
	if found := Check(policy); len(found) > 0 {
		return found[0].String()
	}
	return ""
}

// Check finds what in the gates of a policy does not compile, one thing per gate. Admission sees regular expressions, too, but not those of
// objects that were stored before it did.
func Check(policy *v1alpha1.RebootPolicy) []policies.Finding {
	var found []policies.Finding
	for _, k := range kinds {
		for _, g := range k.of(policy) {
			if field, err := g.check(); err != nil {
				found = append(found, policies.Finding{
					Path: fmt.Sprintf("%s[%s].%s", k.kind, g.name(), field), Message: strings.TrimSuffix(sentence(err.Error()), "."),
				})
			}
		}
	}
	return found
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
