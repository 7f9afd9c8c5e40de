package policies_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// A policy that was stored before its kind was upgraded has passed no rule.
func TestAPolicyWithAFieldThatThereIsNoLongerIsInvalid(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*v1alpha1.RebootPolicySpec){
		"drain.podSelector: it is now drain.selector": func(s *v1alpha1.RebootPolicySpec) { s.Drain.RemovedPodSelector = "app!=web" },
		"drain.waitForPods.podSelector: it is now drain.waitForPods.selector": func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.WaitForPods.RemovedPodSelector = "app"
		},
		"drain.stages[].podSelector: it is now drain.stages[].selector": func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.Stages = make([]v1alpha1.DrainStage, 2)
			s.Drain.Stages[1].RemovedPodSelector = "app"
		},
		"rollout.groupLabel: it is now rollout.group": func(s *v1alpha1.RebootPolicySpec) { s.Rollout.RemovedGroupLabel = "rack" },
		"excludeFromLoadBalancers: it is now drain.excludeFromLoadBalancers": func(s *v1alpha1.RebootPolicySpec) {
			s.RemovedExclusion = &v1alpha1.RemovedLoadBalancerExclusion{}
		},
		"drain.adaptiveDelay: it is now rollout.adaptiveDelay": func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.RemovedAdaptiveDelay = &v1alpha1.RemovedAdaptiveDelay{MaxSeconds: ptr.To[int64](5)}
		},
		"failure.maxDeferralSeconds: it is now schedule.maxDeferralSeconds": func(s *v1alpha1.RebootPolicySpec) {
			s.Failure.RemovedMaxDeferralSeconds = ptr.To[int64](86400)
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			p := parse(change)
			if !strings.HasPrefix(p.Invalid, want) {
				t.Errorf("it is invalid because %q, want %q", p.Invalid, want)
			}
			if !p.Selector.Matches(labels.Set{}) {
				t.Error("its nodes are not its own anymore: they would have no taint, or another policy")
			}
		})
	}
}
