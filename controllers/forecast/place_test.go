package forecast

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestAnEvictedPodGoesWhereTheSchedulerWouldPutIt(t *testing.T) {
	const notReady = corev1.TaintNodeNotReady
	for name, tc := range map[string]struct {
		a, b []corev1.Taint
		want string
	}{
		"to the node with the fewest pods":                {want: "b"},
		"to another one than the scheduler rather avoids": {b: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectPreferNoSchedule}}, want: "a"},
		"not to a node that takes none":                   {b: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoExecute}}, want: "a"},
		"to a node that has just come back":               {b: []corev1.Taint{{Key: notReady, Effect: corev1.TaintEffectNoExecute}}, want: "b"},
		"nowhere if no node takes it": {
			a: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}}, b: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectNoSchedule}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := plan.Snapshot{
				Nodes: []*model.Node{{Name: "a", Ready: true, Taints: tc.a}, {Name: "b", Ready: true, Taints: tc.b}},
				Pods:  map[string][]model.Pod{"a": {{Name: "one", Workloads: []model.WorkloadKey{{Name: "other"}}}}},
			}
			r := &run{cluster: &cluster{snapshot: s}, fleet: &fleet{}}
			if got := r.placeFor(&model.Pod{Name: "evicted"}); got != tc.want {
				t.Errorf("it goes to %q, want %q", got, tc.want)
			}
		})
	}
}
