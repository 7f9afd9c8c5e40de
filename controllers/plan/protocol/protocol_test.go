package protocol

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestTheLevelsOfTheTableAreThoseOfTheAPI(t *testing.T) {
	highest := int32(0)
	for _, f := range features {
		if f.field == "" || f.level < max(1, highest) {
			t.Errorf("%+v is out of order, or has no field or no level", f.field)
		}
		highest = f.level
	}
	if highest != v1alpha1.ProtocolLevel {
		t.Errorf("the highest level is %d, and helpers report %d", highest, v1alpha1.ProtocolLevel)
	}
}

func TestAHelperHasToKnowWhatThePolicyUses(t *testing.T) {
	defer func(was []feature) { features = was }(features)
	features = append(features, feature{"spec.drain.stages", 2, func(s *v1alpha1.RebootPolicySpec) bool { return len(s.Drain.Stages) > 0 }})
	plain := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	staged := plain.DeepCopy()
	staged.Spec.Drain.Stages = []v1alpha1.DrainStage{{}}
	report := func(level int32, version string) *v1alpha1.HelperReport {
		return &v1alpha1.HelperReport{Protocol: level, Version: version}
	}
	for name, test := range map[string]struct {
		policy *v1alpha1.RebootPolicy
		report *v1alpha1.HelperReport
		needed int32
		says   []string
	}{
		"nothing is known of it":        {policy: staged, needed: 2},
		"it is of the same level":       {policy: staged, report: report(2, "v2"), needed: 2},
		"it is newer":                   {policy: staged, report: report(3, "v3"), needed: 2},
		"it is older, and that is fine": {policy: plain, report: report(1, "v1"), needed: 1},
		"it is older": {staged, report(1, "v1.0.3"), 2, []string{
			"node a", "v1.0.3", "knows protocol 1", "spec.drain.stages of RebootPolicy p needs protocol 2", "update the DaemonSet"}},
		"it is of before there were levels": {plain, report(0, ""), 1, []string{"(no version reported)", "protocol 0", "status.order"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Needed(&test.policy.Spec); got != test.needed {
				t.Errorf("orders take level %d, want %d", got, test.needed)
			}
			v := Known("a", test.policy, test.report)
			if v.OK() != (test.says == nil) || !v.OK() && v.Reason != v1alpha1.ReasonHelperTooOld {
				t.Fatalf("the verdict is %+v", v)
			}
			for _, words := range test.says {
				if !strings.Contains(v.Message, words) {
					t.Errorf("it does not say %q: %s", words, v.Message)
				}
			}
		})
	}
}
