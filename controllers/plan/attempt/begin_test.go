package attempt_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestAnAttemptBeginsWithWhatIsOnItsNodeAndGoesAsFarAsItCan(t *testing.T) {
	t.Parallel()
	begin := func(in *attempt.Input) attempt.Result { return attempt.Begin(in, 4, v1alpha1.RoleCanary) }
	opened := "+Number +PolicyName +Role +Cordon +GrantedTime +CordonedTime"
	run(t, map[string]row{
		"with nothing to wait for it orders the drain": {
			want: outcome{
				Wait: v1alpha1.ReasonDraining, Changed: opened + " +DrainOrderedTime +Containers", Order: "Drain#1 until 10m0s", Wake: 10 * minute,
				Events: v1alpha1.ReasonDraining,
			},
		},
		"a node that may run etcd is recorded as one": {
			with: []change{func(w *world) { w.controlPlane = true }},
			want: outcome{
				Wait:    v1alpha1.ReasonDraining,
				Changed: "+Number +PolicyName +Role +NodeRole +Cordon +GrantedTime +CordonedTime +DrainOrderedTime +Containers",
				Order:   "Drain#1 until 10m0s", Wake: 10 * minute, Events: v1alpha1.ReasonDraining,
			},
		},
		"with a delay it only cordons": {
			with: []change{delay(60)},
			want: outcome{Wait: v1alpha1.ReasonDrainDelayed, Changed: opened + " +Containers", Wake: minute},
		},
		"no attempt of before shows in it": {
			with: []change{
				func(w *world) { w.reach(recovered) }, now(0), boots("boot-1"), delay(60), attempts(func(a *v1alpha1.Attempt) { a.EndedTime = at(0) }),
			},
			want: outcome{
				Wait: v1alpha1.ReasonDrainDelayed, Wake: minute,
				Changed: "~Number +PolicyName +Role -DrainOrderedTime -DrainedTime -Drain -RebootOrderedTime ~Containers -BackTime -UncordonedTime " +
					"-SettlingSince -RecoveredTime",
			},
		},
	}, begin)
}

func TestAnAttemptRemembersWhatItHasToCompareWithLater(t *testing.T) {
	t.Parallel()
	pdbKey := model.WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}
	batchKey := model.WorkloadKey{Kind: v1alpha1.WorkloadStatefulSet, Namespace: "apps", Name: "batch"}
	covered := webPod("web-1")
	covered.Workloads = append(covered.Workloads, pdbKey)
	gone := webPod()
	gone.Workloads, gone.Finished = []model.WorkloadKey{batchKey}, true
	going := webPod()
	going.Workloads, going.Terminating = []model.WorkloadKey{batchKey}, true
	weak := agentPod("agent-1")
	weak.Ready = false
	many := make([]model.Pod, 0, 600)
	for i := range 600 {
		many = append(many, model.Pod{
			Namespace: "apps", Name: fmt.Sprint(i), Containers: []string{fmt.Sprintf("c%03d", i)},
			Workloads: []model.WorkloadKey{{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: fmt.Sprintf("d%03d", i)}},
		})
	}
	agent := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "kube-system", Name: "agent", Ready: 1}
	deployment := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web", Ready: 3, Pods: 1}
	budget := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web", Ready: 2, Pods: 1}
	without, two := deployment, deployment
	without.Pods, two.Pods = 0, 2
	twoCovered := budget
	twoCovered.Pods = 2
	starting, manager := webPod("web-1"), webPod("web-1")
	starting.Ready = false
	manager.Labels = map[string]string{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
	static := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadStaticPod, Namespace: "kube-system", Name: "etcd-a", Ready: 1}
	tests := map[string]struct {
		pods       []model.Pod
		want       []v1alpha1.WorkloadRef
		containers []string
	}{
		"the workloads of pods, sorted": {
			pods: []model.Pod{etcdPod("etcd-1"), covered, agentPod("agent-1")}, want: []v1alpha1.WorkloadRef{agent, deployment, budget, static},
			containers: []string{"agent-1", "etcd-1", "web-1"},
		},
		"each once":                               {pods: []model.Pod{covered, covered}, want: []v1alpha1.WorkloadRef{two, twoCovered}, containers: []string{"web-1"}},
		"no pod that is not ready yet":            {pods: []model.Pod{starting}, want: []v1alpha1.WorkloadRef{without}, containers: []string{"web-1"}},
		"no pod of the manager, which may stay":   {pods: []model.Pod{manager, webPod()}, want: []v1alpha1.WorkloadRef{deployment}, containers: []string{"web-1"}},
		"not those of pods that ended or will":    {pods: []model.Pod{gone, going}, want: []v1alpha1.WorkloadRef{}},
		"not a DaemonSet that is not ready on it": {pods: []model.Pod{weak}, want: []v1alpha1.WorkloadRef{}, containers: []string{"agent-1"}},
		"no pods": {want: []v1alpha1.WorkloadRef{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := in(none, pods(test.pods...))
			w.workloads[pdbKey] = model.Workload{Ready: 2}
			result := checked(t, w, begin)
			if diff := cmp.Diff(test.want, result.Draft.Status.Workloads); diff != "" {
				t.Errorf("other workloads (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.containers, result.Draft.Status.Attempt.Containers); diff != "" {
				t.Errorf("other containers (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("no more than the API takes", func(t *testing.T) {
		t.Parallel()
		s := checked(t, in(none, pods(many...)), begin).Draft.Status
		if got := []int{len(s.Workloads), len(s.Attempt.Containers)}; !cmp.Equal([]int{512, 512}, got) {
			t.Errorf("%v workloads and containers, want 512 of each", got)
		}
	})
}

func begin(in *attempt.Input) attempt.Result { return attempt.Begin(in, 1, "") }

func TestAnAttemptBeginsWithTheBootThatHasToEnd(t *testing.T) {
	t.Parallel()
	w := in(none, status(func(s *v1alpha1.NodeRebootStatus) {
		s.Before, s.After, s.LastSequence = &v1alpha1.BootInfo{BootID: "older"}, &v1alpha1.BootInfo{BootID: "old"}, 7
	}), hookSet("example.com/backup", metav1.ConditionTrue, 0), hookSet("example.com/other", metav1.ConditionFalse, 0),
		hookSet("Drained", metav1.ConditionTrue, 0))
	s := checked(t, w, begin).Draft.Status
	type facts struct {
		Before, After *v1alpha1.BootInfo
		Order         *v1alpha1.RebootOrder
		Last          int64
		Stale         []v1alpha1.StaleCondition
	}
	want := facts{
		Before: &v1alpha1.BootInfo{BootID: "boot-1", KernelVersion: "6.1"},
		Order: &v1alpha1.RebootOrder{
			Sequence: 8, Action: v1alpha1.ActionDrain, Protocol: 1, BootID: "boot-1",
			Deadline: *at(10 * minute), Drain: &v1alpha1.DrainOrder{
				EmptyDir: v1alpha1.EmptyDirDelete, Unmanaged: v1alpha1.UnmanagedEvict, ReturningPods: v1alpha1.ReturningPodsIgnore,
			},
		},
		Last:  8,
		Stale: []v1alpha1.StaleCondition{{Type: "example.com/backup", LastTransitionTime: metav1.NewTime(start)}},
	}
	if diff := cmp.Diff(want, facts{s.Before, s.After, s.Order, s.LastSequence, s.Attempt.StaleConditions}); diff != "" {
		t.Errorf("it begins with other facts (-want +got):\n%s", diff)
	}
}
