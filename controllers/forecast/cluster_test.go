package forecast

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

func TestADeletedNodeRebootGoesWithItsLastFinalizer(t *testing.T) {
	const other = "example.com/other"
	for name, test := range map[string]struct {
		finalizers []string
		deleted    bool
		// remain are those that it has afterwards; nil is that it is gone.
		remain []string
	}{
		"the last one":            {finalizers: []string{v1alpha1.Finalizer}, deleted: true},
		"others have one":         {finalizers: []string{other, v1alpha1.Finalizer}, deleted: true, remain: []string{other}},
		"it is not being deleted": {finalizers: []string{v1alpha1.Finalizer}, remain: []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "r", Finalizers: test.finalizers}}
			if test.deleted {
				reboot.DeletionTimestamp = ptr.To(metav1.Now())
			}
			c := newCluster(&plan.Snapshot{Reboots: []*v1alpha1.NodeReboot{reboot}}, time.Unix(0, 0))
			var e execution
			c.write(&plan.RebootChange{Object: reboot, RemoveFinalizer: true}, &e)
			switch left := c.reboot("r"); {
			case test.remain == nil:
				if left != nil || !e.again {
					t.Errorf("it is there: %v, and a further plan is asked for: %t", left, e.again)
				}
			case left == nil || !slices.Equal(left.Finalizers, test.remain):
				t.Errorf("what is left is %v, want finalizers %v", left, test.remain)
			}
		})
	}
}
