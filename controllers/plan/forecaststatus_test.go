package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// ending is a forecast.
func ending(after time.Duration) *v1alpha1.ForecastStatus {
	return &v1alpha1.ForecastStatus{
		FinishTime: &metav1.Time{Time: start.Add(after)}, ComputedTime: &metav1.Time{Time: start}, Precision: v1alpha1.ForecastFull,
	}
}

func TestAPolicySaysWhatTheSnapshotSaysOfTheEndOfItsRollout(t *testing.T) {
	for name, test := range map[string]struct {
		needed bool
		before *v1alpha1.ForecastStatus
		says   map[string]*v1alpha1.ForecastStatus
		want   *v1alpha1.ForecastStatus
	}{
		"nothing is said":                     {needed: true},
		"it is said":                          {needed: true, says: map[string]*v1alpha1.ForecastStatus{"p": ending(time.Hour)}, want: ending(time.Hour)},
		"something else is said":              {needed: true, before: ending(time.Hour), says: map[string]*v1alpha1.ForecastStatus{"p": ending(2 * time.Hour)}, want: ending(2 * time.Hour)},
		"nothing is said, and something was":  {needed: true, before: ending(time.Hour), want: ending(time.Hour)},
		"it is said about another policy":     {needed: true, before: ending(time.Hour), says: map[string]*v1alpha1.ForecastStatus{"q": ending(2 * time.Hour)}, want: ending(time.Hour)},
		"it is said that there is no end":     {needed: true, before: ending(time.Hour), says: map[string]*v1alpha1.ForecastStatus{"p": nil}},
		"no node needs a reboot anymore":      {before: ending(time.Hour)},
		"none does, and something is said":    {before: ending(time.Hour), says: map[string]*v1alpha1.ForecastStatus{"p": ending(2 * time.Hour)}},
		"none ever did, and something is too": {says: map[string]*v1alpha1.ForecastStatus{"p": ending(2 * time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			policy := newPolicy("p")
			policy.Status.Forecast = test.before
			objects := []any{policy, newNode("a", "z1"), newNode("b", "z1")}
			if test.needed {
				objects = append(objects, newReboot("ra", "a"), newReboot("rb", "b"))
			}
			s := newStory(t, objects...)
			s.Forecasts = test.says
			p := s.pass()
			if diff := cmp.Diff(test.want, s.policy("p").Status.Forecast); diff != "" {
				t.Errorf("the status (-want +got):\n%s", diff)
			}
			if got := len(p.Rollouts) == 1; got != test.needed {
				t.Errorf("the rollouts are %v", p.Rollouts)
			}
			s.settle()
		})
	}
}

func TestAForecastIsWrittenTogetherWithTheCounts(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"), newReboot("ra", "a"), newReboot("rb", "b"))
	s.settle()
	deferring(s)
	s.Forecasts = map[string]*v1alpha1.ForecastStatus{"p": ending(time.Hour)}
	began, writes := s.now, 0
	s.delete("rb") // the counts change
	for range 10 {
		if _, written := s.written("rb"); written {
			writes++
			if after := s.now.Sub(began); after != countsDelay {
				t.Errorf("it is written after %s", after)
			}
		}
		if s.wake.IsZero() || s.wake.Sub(began) > time.Minute {
			break
		}
		s.now = s.wake
	}
	if status := s.policy("p").Status; writes != 1 || status.Forecast == nil || status.Required != 0 {
		t.Errorf("after %d writes the status is %+v", writes, status)
	}
}

func TestARolloutIsUnderWayOnceANodeIs(t *testing.T) {
	s := newStory(t, newPolicy("p"), newPolicy("q", selecting("pool", "blue")), newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	p := s.pass()
	if len(p.Rollouts) != 1 || p.Rollouts[0].Policy.Name != "p" || !p.Rollouts[0].UnderWay {
		t.Errorf("the rollouts are %+v, want that of p, under way", p.Rollouts)
	}
	waiting := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a"))
	if p := waiting.pass(); len(p.Rollouts) != 1 || p.Rollouts[0].UnderWay {
		t.Errorf("the rollouts are %+v, want that of p, which waits", p.Rollouts)
	}
}
