package model_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

var now = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func TestAMomentWakesAtTheEarliestInstantToCome(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ask  []time.Duration
		want time.Duration
	}{
		"nothing asks":        {},
		"what is over":        {ask: []time.Duration{-time.Second}},
		"now is not to come":  {ask: []time.Duration{0}},
		"the next nanosecond": {ask: []time.Duration{1}, want: 1},
		"the first of two":    {ask: []time.Duration{time.Minute, time.Hour}, want: time.Minute},
		"the last of two":     {ask: []time.Duration{time.Hour, time.Minute}, want: time.Minute},
		"not one that is over": {
			ask: []time.Duration{time.Hour, -time.Hour, 0}, want: time.Hour,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moment := model.NewMoment(now)
			for _, d := range test.ask {
				moment.WakeAt(now.Add(d))
			}
			moment.WakeAt(time.Time{})
			var got time.Duration
			if !moment.Wake.IsZero() {
				got = moment.Wake.Sub(now)
			}
			if got != test.want {
				t.Errorf("it wakes after %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhatIsNotReachedIsLookedAtAgainThen(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		at      time.Duration
		reached bool
		wake    time.Time
	}{
		"to come": {at: time.Second, wake: now.Add(time.Second)},
		"now":     {reached: true},
		"over":    {at: -time.Second, reached: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moment := model.NewMoment(now)
			if got := moment.Reached(now.Add(test.at)); got != test.reached {
				t.Errorf("it is reached: %v, want %v", got, test.reached)
			}
			if diff := cmp.Diff(test.wake, moment.Wake); diff != "" {
				t.Errorf("it wakes at another time (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMomentHasThePrecisionOfTheAPI(t *testing.T) {
	t.Parallel()
	moment := model.NewMoment(now.Add(1999 * time.Nanosecond))
	if want := metav1.NewMicroTime(now.Add(time.Microsecond)); !moment.Stamp().Equal(&want) || !moment.Now.Equal(want.Time) {
		t.Errorf("the stamp is %s of %s, want %s", moment.Stamp(), moment.Now, want)
	}
}

func TestTimesAreReadAndWritten(t *testing.T) {
	t.Parallel()
	if got := model.Seconds(nil); got != 0 {
		t.Errorf("no seconds are %s", got)
	}
	if got := model.Seconds(ptr.To[int32](90)); got != 90*time.Second {
		t.Errorf("90 seconds are %s", got)
	}
	later := now.Add(time.Second)
	for _, got := range []time.Time{model.Latest(now, later), model.Latest(later, now), model.Latest(later, later),
		model.Latest(time.Time{}, later)} {
		if !got.Equal(later) {
			t.Errorf("the latest is %s, want %s", got, later)
		}
	}
}

func TestMessagesAreCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	x := strings.Repeat
	tests := map[string]struct{ message, want string }{
		"nothing":                  {},
		"as long as it may be":     {message: x("a", 1024), want: x("a", 1024)},
		"one byte longer":          {message: x("a", 1025), want: x("a", 1021) + "..."},
		"two bytes a character":    {message: x("é", 600), want: x("é", 510) + "..."},
		"four bytes a character":   {message: x("🙂", 300), want: x("🙂", 255) + "..."},
		"a character fits exactly": {message: "a" + x("é", 600), want: "a" + x("é", 510) + "..."},
		"bytes count":              {message: x("é", 512), want: x("é", 512)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, model.Bounded(test.message)); diff != "" {
				t.Errorf("it is cut otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAVerdictWithAReasonBlocks(t *testing.T) {
	t.Parallel()
	if v := (model.Verdict{}); !v.OK() {
		t.Error("nothing is in the way")
	}
	want := model.Verdict{Reason: "Skipped", Message: "Node a is left alone 100% of the time."}
	got := model.Blocked("Skipped", "Node %s is left alone %d%% of the time.", "a", 100)
	if diff := cmp.Diff(want, got); diff != "" || got.OK() {
		t.Errorf("another verdict, OK %v (-want +got):\n%s", got.OK(), diff)
	}
}
