package attempt_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const (
	proved      = v1alpha1.ReasonProved
	succeeded   = "Succeeded Proved"
	inService   = "+UncordonedTime +SettlingSince"
	allAtOnce   = "-Containers +UncordonedTime +SettlingSince +RecoveredTime"
	staleStatus = v1alpha1.ReasonPodStatusStale
)

func remembers(kind v1alpha1.WorkloadKind, name string) change {
	return status(func(s *v1alpha1.NodeRebootStatus) {
		s.Workloads = append(s.Workloads, v1alpha1.WorkloadRef{Kind: kind, Namespace: "kube-system", Name: name, Ready: 1})
	})
}

func TestANodeIsProvedByItselfBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	waits := func(reason string) outcome { return outcome{Wait: reason, Wake: 35 * minute, NeedPods: true} }
	stale := func(reason string) outcome { return outcome{Wait: reason, Wake: 10 * minute, NeedPods: true} }
	done := outcome{Changed: allAtOnce, NeedPods: true, Events: proved, Result: proved, Freed: true, Completed: succeeded}
	static := remembers(v1alpha1.WorkloadStaticPod, "etcd-a")
	was := func(p model.Pod, change func(*model.Pod)) model.Pod { change(&p); return p }
	unready := func(p *model.Pod) { p.Ready = false }
	going := func(p *model.Pod) { p.Terminating = true }
	sentinel := func(boot string, state v1alpha1.SentinelState) change {
		return status(func(s *v1alpha1.NodeRebootStatus) {
			s.Report = &v1alpha1.HelperReport{Protocol: v1alpha1.ProtocolLevel, BootID: boot, Sentinel: state}
		})
	}
	advanced(t, map[string]row{
		"everything is as before":           {from: back, want: done, says: []string{"Node a"}},
		"it is not Ready":                   {from: back, with: []change{notReady}, want: waits(v1alpha1.ReasonNodeNotReady), says: []string{"Node a"}},
		"its helper says nothing":           {from: back, with: []change{status(func(s *v1alpha1.NodeRebootStatus) { s.Report = nil })}, want: waits(v1alpha1.ReasonSentinelUnknown)},
		"its helper spoke before the boot":  {from: back, with: []change{sentinel("boot-1", v1alpha1.SentinelNotRequired)}, want: waits(v1alpha1.ReasonSentinelUnknown)},
		"its helper does not know":          {from: back, with: []change{sentinel("boot-2", v1alpha1.SentinelUnknown)}, want: waits(v1alpha1.ReasonSentinelUnknown)},
		"its pods are not known":            {from: back, with: []change{podsUnknown}, want: waits(staleStatus)},
		"a pod shows a container of before": {from: back, with: []change{pods(agentPod("agent-2", "agent-1"))}, want: stale(staleStatus), says: []string{"kube-system/agent-a"}},
		"a pod shows no container":          {from: back, with: []change{pods(agentPod())}, want: stale(staleStatus)},
		"a pod that is no longer Ready is not of before": {
			from: back, with: []change{pods(agentPod("agent-2"), was(webPod("web-1"), unready))}, want: done,
		},
		"a pod that ends does not have to be of now": {from: back, with: []change{pods(agentPod("agent-2"), was(webPod("web-1"), going))}, want: done},
		"what is shown of before is believed after a while": {
			from: back, with: []change{pods(agentPod("agent-1")), now(10 * minute)},
			want: done,
		},
		"that while begins with the boot that runs": {
			from: back, with: []change{pods(agentPod("agent-1")), now(10 * minute), status(func(s *v1alpha1.NodeRebootStatus) {
				s.After = &v1alpha1.BootInfo{BootID: "boot-2", SeenTime: at(9 * minute)}
			})},
			want: outcome{Wait: staleStatus, Wake: 14 * minute, NeedPods: true},
		},
		"or with the first one, of an older version": {
			from: back, with: []change{pods(agentPod("agent-1")), now(9 * minute),
				status(func(s *v1alpha1.NodeRebootStatus) { s.After.SeenTime = nil })},
			want: stale(staleStatus),
		},
		"a DaemonSet's pod is not Ready": {
			from: back, with: []change{pods(was(agentPod("agent-2"), unready))}, want: waits(v1alpha1.ReasonDaemonSetsNotReady),
			says: []string{"kube-system/agent", "node a"},
		},
		"a DaemonSet has a pod that goes and one that is Ready": {
			from: back, with: []change{pods(agentPod("agent-2"), was(agentPod("agent-1"), going))}, want: done,
		},
		"a DaemonSet has no pod on the node anymore": {from: back, with: []change{pods()}, want: done},
		"a static pod is Ready":                      {from: back, with: []change{static, pods(agentPod("agent-2"), etcdPod("etcd-2"))}, want: done},
		"a static pod is not Ready": {
			from: back, with: []change{static, pods(agentPod("agent-2"), was(etcdPod("etcd-2"), unready))},
			want: waits(v1alpha1.ReasonStaticPodsNotReady),
			says: []string{"kube-system/etcd-a", "node a"},
		},
		"a static pod is gone":           {from: back, with: []change{static}, want: waits(v1alpha1.ReasonStaticPodsNotReady)},
		"a static pod is that of before": {from: back, with: []change{static, pods(agentPod("agent-2"), etcdPod("agent-1"))}, want: stale(staleStatus)},
	})
}

func TestANodeSettlesForAsLongAsItStaysReady(t *testing.T) {
	t.Parallel()
	settle := spec(func(s *v1alpha1.RebootPolicySpec) { seconds := int32(300); s.Recovery.SettleSeconds = &seconds })
	ready := func(since time.Duration) change { return condition("Ready", corev1.ConditionTrue, since) }
	transition := func(d time.Duration) change {
		return attempts(func(a *v1alpha1.Attempt) { a.ReadyTransitionTime = &metav1.Time{Time: start.Add(d)} })
	}
	waits := func(changed string, wake time.Duration) outcome {
		return outcome{Wait: v1alpha1.ReasonSettling, Changed: changed, Wake: wake, NeedPods: true}
	}
	done := outcome{Changed: "-Containers +RecoveredTime", NeedPods: true, Events: proved, Result: proved, Freed: true, Completed: succeeded}
	advanced(t, map[string]row{
		"it begins":              {from: back, with: []change{settle}, want: waits(inService, 10*minute), says: []string{"12:10 +00:00"}},
		"it begins at a change":  {from: back, with: []change{settle, ready(4 * minute)}, want: waits(inService+" +ReadyTransitionTime", 10*minute)},
		"it goes on":             {from: settling, with: []change{settle, ready(0), transition(0), now(7 * minute)}, want: waits("", 11*minute)},
		"it is over":             {from: settling, with: []change{settle, ready(0), transition(0), now(11 * minute)}, want: done},
		"it comes before others": {from: settling, with: []change{settle, web(0, 3)}, want: waits("", 11*minute)},
		"it begins again when the node was not Ready meanwhile": {
			from: settling, with: []change{settle, ready(9 * minute), transition(0), now(10 * minute)},
			want: waits("~SettlingSince ~ReadyTransitionTime", 15*minute),
		},
		"it begins again when that is not known anymore": {
			from: settling, with: []change{settle, transition(0), now(10 * minute)}, want: waits("~SettlingSince -ReadyTransitionTime", 15*minute),
		},
		"it stops when the node is not Ready": {
			from: settling, with: []change{settle, transition(0), notReady},
			want: outcome{Wait: v1alpha1.ReasonNodeNotReady, Changed: "-SettlingSince -ReadyTransitionTime", Wake: 35 * minute, NeedPods: true},
		},
		"it begins again when the node is Ready again, which stays uncordoned": {
			from: settling, with: []change{settle, now(10 * minute), attempts(func(a *v1alpha1.Attempt) { a.SettlingSince = nil })},
			want: waits("+SettlingSince", 15*minute),
		},
		"what is unproved meanwhile is not out of service": {
			from: settling, with: []change{settle, podsUnknown}, want: outcome{Wait: staleStatus, Wake: 35 * minute, NeedPods: true},
		},
		"without a policy it does not": {from: back, with: []change{noPolicy}, want: outcome{
			Changed: allAtOnce, NeedPods: true, Events: proved, Result: proved, Freed: true, Completed: succeeded,
		}},
	})
}

func TestAProofListsWhatWasChecked(t *testing.T) {
	t.Parallel()
	only := func(refs ...v1alpha1.WorkloadRef) change {
		return status(func(s *v1alpha1.NodeRebootStatus) { s.Workloads = refs })
	}
	agent := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "kube-system", Name: "agent", Ready: 1}
	static := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadStaticPod, Namespace: "kube-system", Name: "etcd-a", Ready: 1}
	web1 := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web", Ready: 1}
	web2 := v1alpha1.WorkloadRef{Kind: v1alpha1.WorkloadDeployment, Namespace: "apps", Name: "web2", Ready: 1}
	const notOrdered, notDrained, notInTime = "was ordered to", "its policy", "in time"
	const one, two, oneHere, twoHere, ignored = "1 workload ", "2 workloads ", "1 DaemonSet or static pod ", "2 DaemonSet and static pods ",
		"not waited for"
	all := []string{notOrdered, notDrained, notInTime, one, two, oneHere, twoHere, ignored}
	tests := map[string]struct {
		with []change
		want []string
	}{
		"nothing but the node":         {with: []change{only()}},
		"a DaemonSet":                  {with: []change{only(agent)}, want: []string{oneHere}},
		"a DaemonSet and a static pod": {with: []change{only(agent, static)}, want: []string{twoHere}},
		"a workload":                   {with: []change{only(web1)}, want: []string{one}},
		"two workloads":                {with: []change{only(web1, web2)}, want: []string{two}},
		"both":                         {with: []change{only(agent, web1)}, want: []string{one, oneHere}},
		"workloads that are ignored":   {with: []change{only(web1, web2), ignoreWorkloads}, want: []string{two, ignored}},
		"none that are ignored":        {with: []change{only(), ignoreWorkloads}},
		"a drain that was skipped":     {with: []change{only(), drainWas(v1alpha1.DrainSkipped)}, want: []string{notDrained}},
		"a drain that was forced":      {with: []change{only(), drainWas(v1alpha1.DrainForced)}, want: []string{notInTime}},
		"a reboot that nobody ordered": {with: []change{only(), attempts(func(a *v1alpha1.Attempt) { a.RebootOrderedTime = nil })}, want: []string{notOrdered}},
		"a drain that does not matter anymore": {
			with: []change{only(), drainWas(v1alpha1.DrainForced), attempts(func(a *v1alpha1.Attempt) { a.RebootOrderedTime = nil })},
			want: []string{notOrdered},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := in(settling, append([]change{pods(agentPod("agent-2"), etcdPod("etcd-2"))}, test.with...)...)
			result := checked(t, w, advance)
			if diff := diffOf(test.want, found(all, result.Draft.Status.OutcomeMessage)); diff != "" {
				t.Errorf("it says something else (-want +got):\n%s\n%s", diff, result.Draft.Status.OutcomeMessage)
			}
		})
	}
}
