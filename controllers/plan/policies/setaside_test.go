package policies_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// limits are what ends the attempts of a policy.
type limits struct{ reboot, recovery, maxAttempts, gone *int32 }

func limitsOf(s *v1alpha1.RebootPolicySpec) limits {
	return limits{s.Reboot.TimeoutSeconds, s.Recovery.TimeoutSeconds, s.Failure.MaxAttempts, s.Failure.NodeGoneTimeoutSeconds}
}

func TestALimitThatCannotBeReadIsTheDefault(t *testing.T) {
	t.Parallel()
	set := func(s *v1alpha1.RebootPolicySpec) {
		s.Reboot.TimeoutSeconds, s.Recovery.TimeoutSeconds = ptr.To[int32](11), ptr.To[int32](12)
		s.Failure.MaxAttempts, s.Failure.NodeGoneTimeoutSeconds = ptr.To[int32](13), ptr.To[int32](14)
	}
	for path, want := range map[string]limits{
		"spec.drain":                          {ptr.To[int32](11), ptr.To[int32](12), ptr.To[int32](13), ptr.To[int32](14)},
		"spec.reboot.timeoutSeconds":          {ptr.To[int32](900), ptr.To[int32](12), ptr.To[int32](13), ptr.To[int32](14)},
		"spec.recovery.timeoutSeconds":        {ptr.To[int32](11), ptr.To[int32](1800), ptr.To[int32](13), ptr.To[int32](14)},
		"spec.failure.maxAttempts":            {ptr.To[int32](11), ptr.To[int32](12), ptr.To[int32](3), ptr.To[int32](14)},
		"spec.failure.nodeGoneTimeoutSeconds": {ptr.To[int32](11), ptr.To[int32](12), ptr.To[int32](13), nil},
		"spec.failure":                        {ptr.To[int32](11), ptr.To[int32](12), ptr.To[int32](3), nil},
		"spec":                                {ptr.To[int32](900), ptr.To[int32](1800), ptr.To[int32](3), nil},
	} {
		object := newPolicy(set)
		object.Unreadable = []decode.Problem{{Path: path, Description: "it is not a number"}}
		policy := policies.Parse(object, &model.Moment{})
		if diff := cmp.Diff(want, limitsOf(policy.Spec), cmp.AllowUnexported(limits{})); diff != "" {
			t.Errorf("%s cannot be read: limits (-want +got):\n%s", path, diff)
		}
		if *object.Spec.Reboot.TimeoutSeconds != 11 {
			t.Fatalf("%s cannot be read: the object was changed", path)
		}
	}
}
