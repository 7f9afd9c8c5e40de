package forecast_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// published is a status that was written at a time, with an end.
func published(computed, finish time.Time, withoutTime int32) *v1alpha1.ForecastStatus {
	return &v1alpha1.ForecastStatus{
		ComputedTime: &metav1.Time{Time: computed}, FinishTime: &metav1.Time{Time: finish}, NodesWithoutTime: withoutTime,
		Precision: v1alpha1.ForecastFull,
	}
}

func TestAForecastIsPublishedOnlyIfItsEndMovedByMoreThanATenthOfWhatRemains(t *testing.T) {
	now := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	in := now.Add
	ends := func(at time.Time, unknown int) forecast.Forecast {
		return forecast.Forecast{Computed: now, Policies: []forecast.Policy{{Name: "p", Unknown: unknown, Finish: forecast.Times{P50: &at}}}}
	}
	late, odd := in(150*time.Minute), in(100*time.Minute+700*time.Millisecond)
	for name, test := range map[string]struct {
		before   *v1alpha1.ForecastStatus
		forecast forecast.Forecast
		want     *v1alpha1.ForecastStatus
		wantNews bool
	}{
		"it appears": {
			forecast: ends(in(time.Hour), 0), want: published(now, in(time.Hour), 0), wantNews: true,
		},
		"it is where it was": {
			before: published(in(-time.Hour), in(time.Hour), 0), forecast: ends(in(time.Hour), 0), want: published(in(-time.Hour), in(time.Hour), 0),
		},
		"it moves by a tenth": {
			before: published(in(-time.Hour), in(90*time.Minute), 0), forecast: ends(in(100*time.Minute), 0),
			want: published(in(-time.Hour), in(90*time.Minute), 0),
		},
		"it moves by more, and is later": {
			before: published(in(-time.Hour), in(89*time.Minute), 0), forecast: ends(in(100*time.Minute), 0),
			want: published(now, in(100*time.Minute), 0), wantNews: true,
		},
		"it moves by more, and is earlier": {
			before: published(in(-time.Hour), in(111*time.Minute), 0), forecast: ends(in(100*time.Minute), 0),
			want: published(now, in(100*time.Minute), 0), wantNews: true,
		},
		"it is over already, and the end is near": {
			before: published(in(-time.Hour), in(-time.Minute), 0), forecast: ends(in(time.Minute), 0),
			want: published(now, in(time.Minute), 0), wantNews: true,
		},
		"some nodes have no end anymore": {
			before: published(in(-time.Hour), in(time.Hour), 0), forecast: ends(in(time.Hour), 2),
			want: published(now, in(time.Hour), 2), wantNews: true,
		},
		"another node has no end": {
			before: published(in(-time.Hour), in(time.Hour), 2), forecast: ends(in(time.Hour), 3), want: published(in(-time.Hour), in(time.Hour), 2),
		},
		"all have one again": {
			before: published(in(-time.Hour), in(time.Hour), 2), forecast: ends(in(time.Hour), 0),
			want: published(now, in(time.Hour), 0), wantNews: true,
		},
		"there was no end, and there is none": {forecast: forecast.Forecast{Computed: now, Policies: []forecast.Policy{{Name: "p", Unknown: 1}}}},
		"no end is known anymore": {
			before:   published(in(-time.Hour), in(time.Hour), 0),
			forecast: forecast.Forecast{Computed: now, Policies: []forecast.Policy{{Name: "p", Unknown: 1}}}, wantNews: true,
		},
		"the policy is unknown": {forecast: forecast.Forecast{Computed: now}},
		"the bound left out the last nodes": {
			forecast: forecast.Forecast{Computed: now, Cut: true, Coarse: true, Policies: ends(in(time.Hour), 9).Policies},
		},
		"a coarse one says so, and times are in seconds": {
			forecast: forecast.Forecast{Computed: now.Add(time.Millisecond), Coarse: true, Policies: []forecast.Policy{
				{Name: "p", Finish: forecast.Times{P50: &odd, P90: &late}},
			}},
			want: &v1alpha1.ForecastStatus{
				ComputedTime: &metav1.Time{Time: now}, FinishTime: &metav1.Time{Time: in(100 * time.Minute)}, FinishTimeP90: &metav1.Time{Time: late},
				Precision: v1alpha1.ForecastCoarse,
			},
			wantNews: true,
		},
		"what was written is of the future": {
			before: published(in(time.Hour), in(2*time.Hour), 0), forecast: ends(in(2*time.Hour), 0),
			want: published(now, in(2*time.Hour), 0), wantNews: true,
		},
		"what was written has no end": {
			before: &v1alpha1.ForecastStatus{}, forecast: ends(in(time.Hour), 0), want: published(now, in(time.Hour), 0), wantNews: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, news := forecast.Publish(test.before, &test.forecast, "p")
			if diff := cmp.Diff(test.want, got); diff != "" || news != test.wantNews {
				t.Errorf("news is %t, want %t; the status (-want +got):\n%s", news, test.wantNews, diff)
			}
		})
	}
}

// The cache of the manager keeps a part of finished NodeReboots, and its forecasts are made of that.
func TestWhatTheManagerKeepsOfRebootsHasTheirDurations(t *testing.T) {
	var whole, kept []*v1alpha1.NodeReboot
	for i, d := range []forecast.Durations{minutes(1, 2, 3), minutes(4, 5, 0), {Drain: time.Second, Proof: time.Minute, Recovery: time.Hour}} {
		r := past("a", i, "p", d)
		short := plan.Abridge(r)
		if !short.Abridged {
			t.Errorf("%s is kept whole", r.Name)
		}
		whole, kept = append(whole, r), append(kept, short)
	}
	policies := []*v1alpha1.RebootPolicy{newPolicy("p")}
	want := forecast.HistoryOf(whole, policies)
	if diff := cmp.Diff(want, forecast.HistoryOf(kept, policies)); diff != "" || len(want.Policies["p"]) != len(whole) {
		t.Errorf("the history of %v (-whole +kept):\n%s", want, diff)
	}
}

func TestAForecastStaysForAFewMinutes(t *testing.T) {
	now := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		before *v1alpha1.ForecastStatus
		want   time.Time
	}{
		"there is none":                     {},
		"it says not when it was computed":  {before: &v1alpha1.ForecastStatus{}},
		"it was just written":               {before: published(now, now, 0), want: now.Add(forecast.PublishEvery)},
		"it is old":                         {before: published(now.Add(-time.Hour), now, 0), want: now.Add(forecast.PublishEvery - time.Hour)},
		"it is of another clock, and ahead": {before: published(now.Add(time.Hour), now, 0)},
	} {
		if got := forecast.MayPublish(test.before, now); !got.Equal(test.want) {
			t.Errorf("%s: another one may be written at %s, want %s", name, got, test.want)
		}
	}
}
