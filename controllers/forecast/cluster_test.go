package forecast

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
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

func TestANodeRebootThatTheManagerMakesIsAsTheAPIServerStoresIt(t *testing.T) {
	now := time.Unix(1000, 0)
	c := newCluster(&plan.Snapshot{Nodes: []*model.Node{{Name: "a", BootID: "boot-of-a"}}}, now)
	made := func(name, node string) *v1alpha1.NodeReboot {
		reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.NodeRebootSpec{NodeName: node}}
		c.create(reboot)
		if reboot.UID != "" {
			t.Error("what the plan has was changed")
		}
		return c.reboot(name)
	}
	first, second, strange := made("r1", "a"), made("r2", "a"), made("r3", "gone")
	for _, r := range []*v1alpha1.NodeReboot{first, second, strange} {
		if r.UID == "" || r.Generation != 1 || !r.CreationTimestamp.Time.Equal(now) {
			t.Errorf("%s has UID %q, generation %d, and was created at %s", r.Name, r.UID, r.Generation, r.CreationTimestamp)
		}
	}
	if first.UID == second.UID || first.UID == strange.UID {
		t.Errorf("the UIDs are %q, %q and %q", first.UID, second.UID, strange.UID)
	}
	if first.Status.Report == nil || first.Status.Report.BootID != "boot-of-a" || strange.Status.Report != nil {
		t.Errorf("the reports are %+v and, of a node that is gone, %+v", first.Status.Report, strange.Status.Report)
	}
}
