package plan

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
)

func TestAPolicyOfAFileTakesThePlaceOfTheStoredOne(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	stored := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "u", Generation: 3}}
	stored.Status.CurrentZone = "z"
	cluster := &objects.Cluster{}
	cluster.Policies = []*v1alpha1.RebootPolicy{stored}
	same := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	other := same.DeepCopy()
	other.Spec.Priority = 7
	added := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
	for name, test := range map[string]struct {
		file       *v1alpha1.RebootPolicy
		kind       Kind
		generation int64
	}{"same": {same, Same, 3}, "replaced": {other, Replaced, 4}, "added": {added, Added, 1}} {
		changed, kinds := withPolicies(cluster, []*v1alpha1.RebootPolicy{test.file}, now)
		got := changed.Policies[len(changed.Policies)-1]
		if kinds[test.file.Name] != test.kind || got.Generation != test.generation ||
			got.Spec.Priority != test.file.Spec.Priority || got.UID == "" {
			t.Errorf("%s: %v, and the policy is %+v", name, kinds, got)
		}
		if test.kind != Added && (got.UID != "u" || got.Status.CurrentZone != "z" || len(changed.Policies) != 1) {
			t.Errorf("%s: the policy is %+v", name, got)
		}
		if test.kind == Added && !got.CreationTimestamp.Time.Equal(now) {
			t.Errorf("%s: it is of %s", name, got.CreationTimestamp)
		}
	}
	if cluster.Policies[0] != stored || stored.Generation != 3 {
		t.Error("the cluster was changed")
	}
}
