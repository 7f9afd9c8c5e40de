package policies_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

type change = func(*v1alpha1.RebootPolicySpec)

// opening a window at an hour and minute of every day.
func opening(cron string, duration time.Duration) change {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Windows = append(s.Schedule.Windows, v1alpha1.ScheduleWindow{Cron: cron, DurationSeconds: int32(duration / time.Second)})
	}
}

func freeze(from, to time.Duration) change {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Schedule.Freezes = append(s.Schedule.Freezes, v1alpha1.Freeze{
			Name: "sale", From: metav1.NewTime(noon.Add(from)), To: metav1.NewTime(noon.Add(to)),
		})
	}
}

func zone(name string) change {
	return func(s *v1alpha1.RebootPolicySpec) { s.Schedule.TimeZone = name }
}

func TestAPolicySaysWhereItsScheduleStands(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		with      []change
		shut      string
		says      []string
		scheduled bool
		wake      time.Duration
		invalid   string
	}{
		"always open":   {},
		"open":          {with: []change{opening("0 11 * * *", 2*time.Hour)}, scheduled: true, wake: time.Hour},
		"closed":        {with: []change{opening("0 13 * * *", time.Hour)}, shut: v1alpha1.ReasonWindowClosed, says: []string{"RebootPolicy p", "13:00 +00:00"}, scheduled: true, wake: time.Hour},
		"it opens now":  {with: []change{opening("0 12 * * *", time.Hour)}, scheduled: true, wake: time.Hour},
		"it closes now": {with: []change{opening("0 11 * * *", time.Hour)}, shut: v1alpha1.ReasonWindowClosed, scheduled: true, wake: 23 * time.Hour},
		"a freeze": {
			with: []change{freeze(-time.Hour, time.Hour)}, shut: v1alpha1.ReasonFreeze, says: []string{"RebootPolicy p", `"sale"`, "13:00 +00:00"},
			scheduled: true,
			wake:      time.Hour,
		},
		"a freeze in an open window": {
			with: []change{freeze(-time.Hour, time.Hour), opening("0 11 * * *", 8*time.Hour)}, shut: v1alpha1.ReasonFreeze, scheduled: true,
			wake: time.Hour,
		},
		"an unknown time zone":       {with: []change{zone("Mars/Olympus")}, shut: v1alpha1.ReasonWindowClosed, invalid: "schedule.timeZone: "},
		"the zone of the machine":    {with: []change{zone("Local")}, shut: v1alpha1.ReasonWindowClosed, invalid: "schedule.timeZone: "},
		"a window that never closes": {with: []change{opening("0 * * * *", 2*time.Hour)}, shut: v1alpha1.ReasonWindowClosed, invalid: "windows[0]"},
		"what was found before counts first": {
			with: []change{zone("Mars/Olympus"), selected(&v1alpha1.LabelSelector{})}, shut: v1alpha1.ReasonWindowClosed, invalid: "nodeSelector",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, moment := newPolicy(test.with...), model.NewMoment(noon)
			p := policies.Parse(object, &moment)
			requireInvalid(t, p, test.invalid)
			v := p.Shut()
			if v.Reason != test.shut || p.Scheduled != test.scheduled {
				t.Errorf("shut is %q, scheduled %v, want %q, %v", v.Reason, p.Scheduled, test.shut, test.scheduled)
			}
			for _, words := range test.says {
				if !strings.Contains(v.Message, words) {
					t.Errorf("it does not say %q: %s", words, v.Message)
				}
			}
			var want time.Time
			if test.wake != 0 {
				want = noon.Add(test.wake)
			}
			if !moment.Wake.Equal(want) {
				t.Errorf("it is looked at again at %s, want %s", moment.Wake, want)
			}
		})
	}
}

func TestAScheduleThatNeverOpensAgainSaysSo(t *testing.T) {
	t.Parallel()
	p := parse()
	p.Window.Opens = time.Time{}
	if got := p.OpensNext(); !strings.Contains(got, "not open") || strings.Contains(got, "Z") {
		t.Errorf("it says: %s", got)
	}
	p.Window.Opens = noon
	if got := p.OpensNext(); !strings.Contains(got, "2026-03-02 12:00 +00:00") {
		t.Errorf("it says: %s", got)
	}
}

func TestWhatFailedIsTriedAgainAfterABackOffOrWhenAWindowOpens(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		with   []change
		failed time.Duration
		want   time.Duration
	}{
		"without a schedule":             {want: 3 * time.Hour},
		"a window opens before":          {with: []change{opening("0 14 * * *", time.Hour)}, want: 2 * time.Hour},
		"a window opens then":            {with: []change{opening("0 15 * * *", time.Hour)}, want: 3 * time.Hour},
		"a window opens after":           {with: []change{opening("0 16 * * *", time.Hour)}, want: 3 * time.Hour},
		"it failed at another time":      {with: []change{opening("0 14 * * *", time.Hour)}, failed: -12 * time.Hour, want: -9 * time.Hour},
		"the window that is open counts": {with: []change{opening("0 11 * * *", 24*time.Hour)}, want: 3 * time.Hour},
		"it opens again after it closed": {with: []change{opening("0 11,14 * * *", 2*time.Hour)}, want: 2 * time.Hour},
		"a freeze ends before":           {with: []change{freeze(-time.Hour, time.Hour)}, want: time.Hour},
		"a freeze comes and ends before": {with: []change{freeze(time.Hour, 2*time.Hour)}, want: 2 * time.Hour},
		"a freeze ends after":            {with: []change{freeze(-time.Hour, 4*time.Hour)}, want: 3 * time.Hour},
		"a schedule nobody understands":  {with: []change{zone("Mars/Olympus"), opening("0 13 * * *", time.Hour)}, want: 3 * time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parse(test.with...).RetryTime(noon.Add(test.failed), 3*time.Hour)
			if want := noon.Add(test.want); !got.Equal(want) {
				t.Errorf("it is tried again at %s, want %s", got, want)
			}
		})
	}
}

func TestWhatEndedAnOrderIsToldByTheSchedule(t *testing.T) {
	t.Parallel()
	daily := opening("0 11 * * *", 2*time.Hour)
	tests := map[string]struct {
		with []change
		end  time.Duration
		none bool
		want string
	}{
		"there is no policy":            {none: true, end: time.Hour},
		"there is no schedule":          {end: time.Hour},
		"the window closed":             {with: []change{daily}, end: time.Hour, want: v1alpha1.ReasonWindowClosed},
		"it had not closed yet":         {with: []change{daily}, end: time.Minute},
		"a freeze began":                {with: []change{freeze(time.Hour, 2*time.Hour)}, end: time.Hour, want: v1alpha1.ReasonFreeze},
		"a freeze began in a window":    {with: []change{daily, freeze(time.Minute, 2*time.Hour)}, end: time.Minute, want: v1alpha1.ReasonFreeze},
		"a freeze began at its end":     {with: []change{daily, freeze(time.Hour, 2*time.Hour)}, end: time.Hour, want: v1alpha1.ReasonFreeze},
		"a freeze began after its end":  {with: []change{daily, freeze(90*time.Minute, 2*time.Hour)}, end: 90 * time.Minute, want: v1alpha1.ReasonFreeze},
		"a freeze is not to begin":      {with: []change{freeze(time.Hour, 2*time.Hour)}, end: time.Minute},
		"a schedule nobody understands": {with: []change{daily, zone("Mars/Olympus")}, end: time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *policies.Policy
			if !test.none {
				p = parse(test.with...)
			}
			if got := p.ShutAt(noon, noon.Add(test.end)); got != test.want {
				t.Errorf("it is %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheFirstClosingIsTheSameHoweverOftenAndInWhateverOrderItIsAsked(t *testing.T) {
	t.Parallel()
	const hour, day = time.Hour, 24 * time.Hour
	daily := opening("0 11 * * *", 2*hour)
	tests := map[string]struct {
		with []change
		want map[time.Duration]time.Duration
	}{
		"without a schedule":            {want: map[time.Duration]time.Duration{0: 0}},
		"without an end":                {with: []change{freeze(-2*day, -day)}, want: map[time.Duration]time.Duration{0: 0, -hour: 0, -3 * day: -2 * day, -36 * hour: 0}},
		"a schedule nobody understands": {with: []change{daily, zone("Mars/Olympus")}, want: map[time.Duration]time.Duration{0: 0}},
		"a window of each day": {with: []change{daily}, want: map[time.Duration]time.Duration{
			0: hour, -hour: hour, -2 * hour: hour, hour - 1: hour, -23 * hour: hour, -23*hour - 1: -23 * hour, hour: 25 * hour, 2 * hour: 25 * hour,
			-2 * day: hour - 2*day,
		}},
		"a freeze": {with: []change{daily, freeze(hour/2, 30*hour)}, want: map[time.Duration]time.Duration{
			0: hour / 2, -2 * hour: hour / 2, hour / 2: 49 * hour, hour: 49 * hour,
		}},
	}
	for name, test := range tests {
		for first := range test.want {
			t.Run(name+", first "+first.String(), func(t *testing.T) {
				t.Parallel()
				p := parse(test.with...)
				requireClosing(t, p, first, test.want[first])
				for range 2 {
					for since, closes := range test.want {
						requireClosing(t, p, since, closes)
					}
				}
			})
		}
	}
}

// requireClosing: 0 means none.
func requireClosing(t *testing.T, p *policies.Policy, since, closes time.Duration) {
	t.Helper()
	var want time.Time
	if closes != 0 {
		want = noon.Add(closes)
	}
	if got := p.FirstClosing(noon.Add(since)); !got.Equal(want) {
		t.Errorf("what was open at %s first closes at %s, want %s", noon.Add(since), got, want)
	}
}
