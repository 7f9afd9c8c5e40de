package projection

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestTheWorkloadsOfOpenAttemptsAreRead(t *testing.T) {
	t.Parallel()
	web := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web"}
	for name, tc := range map[string]struct {
		status v1alpha1.NodeRebootStatus
		want   bool
	}{
		"an attempt under way":            {v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{}}, true},
		"no attempt":                      {v1alpha1.NodeRebootStatus{}, false},
		"an attempt that ended":           {v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{EndedTime: &metav1.MicroTime{}}}, false},
		"an attempt of one that is done":  {v1alpha1.NodeRebootStatus{Attempt: &v1alpha1.Attempt{}, CompletionTime: &metav1.MicroTime{}}, false},
		"one that is done, by no attempt": {v1alpha1.NodeRebootStatus{CompletionTime: &metav1.MicroTime{}}, false},
	} {
		tc.status.Workloads = []v1alpha1.WorkloadRef{web}
		want := sets.New[model.WorkloadKey]()
		if tc.want {
			want.Insert(model.WorkloadKey{Kind: web.Kind, Namespace: web.Namespace, Name: web.Name})
		}
		if diff := cmp.Diff(want, OpenWorkloads([]*v1alpha1.NodeReboot{{Status: tc.status}})); diff != "" {
			t.Errorf("%s: workloads (-want +got):\n%s", name, diff)
		}
	}
}
