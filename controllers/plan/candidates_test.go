package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// Whatever a selector requires, no policy that selects a node may be missing, and all have to be in order.
func TestCandidatesAreAllThatMaySelectANodeInOrder(t *testing.T) {
	selecting := func(name, selector string) *policyView {
		parsed, err := labels.Parse(selector)
		if err != nil {
			t.Fatal(err)
		}
		return &policyView{Policy: &policies.Policy{Object: &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}, Selector: parsed}}
	}
	c := newCandidates([]*policyView{
		selecting("all", ""), selecting("web", "pool=web"), selecting("either", "pool in (web, db)"), selecting("db", "pool=db"),
		selecting("not web", "pool!=web"), selecting("zone", "zone=z1,pool"), selecting("has", "pool"), selecting("one of one", "pool in (web)"),
	})
	for name, test := range map[string]struct {
		labels labels.Set
		want   []string
	}{
		"no label":   {nil, []string{"all", "either", "not web", "has"}},
		"one label":  {labels.Set{"pool": "web"}, []string{"all", "web", "either", "not web", "has", "one of one"}},
		"two labels": {labels.Set{"pool": "db", "zone": "z1"}, []string{"all", "either", "db", "not web", "zone", "has"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, candidate := range c.of(test.labels) {
				got = append(got, candidate.Name())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
}
