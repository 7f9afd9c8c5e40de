package forecast

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// PublishEvery is how often the forecast in the status of a policy may change. A reboot takes minutes, so a forecast that is a few minutes
	// old is off by a reboot at most, and each change goes to everyone who watches policies.
	PublishEvery = 3 * time.Minute
	// moved is the part of the remaining time by which the end has to move to be written again: one in so many.
	moved = 10
)

// MayPublish is when another forecast may be written over the one in a policy's status. A time that is to come is by another clock, or
// someone else's, and keeps nobody waiting.
func MayPublish(before *v1alpha1.ForecastStatus, now time.Time) time.Time {
	if before == nil || before.ComputedTime == nil || before.ComputedTime.After(now) {
		return time.Time{}
	}
	return before.ComputedTime.Add(PublishEvery)
}

// Publish says what the status of a policy should say of a forecast, and whether that is news. It is no news if the end has not moved by
// more than a tenth of the time that remains. Without an end that is known the status says nothing.
func Publish(before *v1alpha1.ForecastStatus, f *Forecast, policy string) (after *v1alpha1.ForecastStatus, news bool) {
	p := f.Policy(policy)
	if p == nil || !p.Finish.Known() || f.Cut {
		return nil, before != nil
	}
	after = &v1alpha1.ForecastStatus{
		FinishTime: second(p.Finish.P50), FinishTimeP90: second(p.Finish.P90), ComputedTime: second(&f.Computed),
		NodesWithoutTime: int32(p.Unknown), Precision: v1alpha1.ForecastFull,
	}
	if f.Coarse {
		after.Precision = v1alpha1.ForecastCoarse
	}
	if before == nil || before.FinishTime == nil || before.ComputedTime == nil || before.ComputedTime.After(f.Computed) {
		return after, true
	}
	remains := max(after.FinishTime.Sub(after.ComputedTime.Time), 0)
	by := after.FinishTime.Sub(before.FinishTime.Time).Abs()
	everyone := (before.NodesWithoutTime == 0) == (after.NodesWithoutTime == 0)
	if moved*by > remains || !everyone {
		return after, true
	}
	return before, false
}

// second is a time as a status has it; nil is nil.
func second(t *time.Time) *metav1.Time {
	if t == nil {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}
