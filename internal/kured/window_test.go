package kured_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/window"
	"github.com/reboot-operator/reboot-operator/internal/kured"
)

// kuredWindow is kured's rule, written down again: a time is in the window if its day is one of the days, and it is not before the start
// and not after the last nanosecond of the end on that day. Where the start is later than the end, one of them is moved by 24 hours.
type kuredWindow struct {
	days       map[time.Weekday]bool
	start, end time.Time
	zone       *time.Location
}

func (w kuredWindow) contains(t time.Time) bool {
	t = t.In(w.zone)
	on := func(clock time.Time, nanoseconds int) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), clock.Hour(), clock.Minute(), clock.Second(), nanoseconds, w.zone)
	}
	start, end := on(w.start, 0), on(w.end, 999999999)
	if w.start.After(w.end) {
		if t.Before(end) {
			start = start.Add(-24 * time.Hour)
		} else {
			end = end.Add(24 * time.Hour)
		}
	}
	return w.days[t.Weekday()] && !t.Before(start) && !t.After(end)
}

// changes of clocks in many places, and the weeks around them.
var changes = []struct{ zone, day string }{
	{"Europe/Berlin", "2026-03-29"}, {"Europe/Berlin", "2026-10-25"}, {"America/New_York", "2026-03-08"}, {"America/New_York", "2026-11-01"},
	{"Australia/Lord_Howe", "2026-04-05"}, {"Australia/Lord_Howe", "2026-10-04"}, {"America/Havana", "2026-03-08"},
	{"America/Havana", "2026-11-01"}, {"America/Santiago", "2026-04-05"}, {"America/Santiago", "2026-09-06"},
	{"Africa/Cairo", "2026-04-24"}, {"Africa/Cairo", "2026-10-30"}, {"Asia/Beirut", "2026-03-29"}, {"Asia/Beirut", "2026-10-25"},
	{"Asia/Tokyo", "2026-06-01"}, {"UTC", "2026-01-01"}, {"Asia/Kathmandu", "2026-12-31"},
}

var dayNames = []string{"su", "mon", "Tuesday", "we", "thu", "5", "SAT"}

// TestAPolicyIsOpenInTheHoursOfKuredsWindow compares two weeks minute by minute, and around each change second by second.
func TestAPolicyIsOpenInTheHoursOfKuredsWindow(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, change := range changes {
		for range 4 {
			from, to := clock(random), clock(random)
			var days []string
			on := map[time.Weekday]bool{}
			for i, name := range dayNames {
				if random.IntN(3) > 0 {
					days, on[time.Weekday(i)] = append(days, name), true
				}
			}
			if len(days) == 0 {
				days, on[time.Sunday] = []string{"sun"}, true
			}
			compare(t, change.zone, change.day, 7, days, on, from, to)
		}
	}
}

// TestAWindowOfKuredThatIsHardIsCarriedOver has those in which a day of 23 or 25 hours shows.
func TestAWindowOfKuredThatIsHardIsCarriedOver(t *testing.T) {
	t.Parallel()
	all := map[time.Weekday]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 6: true}
	for _, change := range changes {
		for _, hours := range [][2]string{
			{"23:30", "05:00"}, {"22:00", "00:15"}, {"00:00", "23:59"}, {"02:00", "02:59"}, {"02:30", "01:30"}, {"00:30", "00:10"}, {"23:59", "23:58:59"},
			{"12:00", "11:59:59"}, {"03:00", "03:00"}, {"00:00", "00:00"}, {"23:59:59", "00:00"},
		} {
			compare(t, change.zone, change.day, 1, dayNames, all, hours[0], hours[1])
			compare(t, change.zone, change.day, 1, []string{"sun"}, map[time.Weekday]bool{time.Sunday: true}, hours[0], hours[1])
			two := map[time.Weekday]bool{time.Monday: true, time.Friday: true}
			compare(t, change.zone, change.day, 1, []string{"mon", "fri"}, two, hours[0], hours[1])
		}
	}
}

func clock(random *rand.Rand) string {
	h, m := random.IntN(24), random.IntN(60)
	switch random.IntN(4) {
	case 0:
		return fmt.Sprintf("%d:%02d:%02d", h, m, random.IntN(60))
	case 1:
		return fmt.Sprintf("%d:00", h)
	case 2:
		return fmt.Sprintf("%02d:%02dpm", h%12+1, m)
	}
	return fmt.Sprintf("%02d:%02d", h, m)
}

// instant of a time of day, in year 0 as kured has it.
func instant(t *testing.T, text string) time.Time {
	t.Helper()
	for _, format := range []string{"15:04", "15:04:05", "03:04pm"} {
		if clock, err := time.Parse(format, text); err == nil {
			return clock
		}
	}
	t.Fatalf("%q is not a time of day", text)
	return time.Time{}
}

func compare(t *testing.T, zone, day string, around int, days []string, on map[time.Weekday]bool, from, to string) {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	what := fmt.Sprintf("configuration: {rebootDays: [%s], startTime: %q, endTime: %q, timeZone: %s}", strings.Join(days, ", "+
		""), from, to, zone)
	result, err := kured.Convert([]byte(what), kured.Options{File: "v"})
	if err != nil || result.Policy == nil {
		t.Fatalf("%s becomes %v, %v", what, result, err)
	}
	spec := &result.Policy.Spec.Schedule
	schedule, problems := window.New(spec)
	if len(problems) > 0 {
		t.Fatalf("%s: %v", what, problems)
	}
	want := kuredWindow{days: on, start: instant(t, from), end: instant(t, to), zone: location}
	middle, err := time.ParseInLocation(time.DateOnly, day, location)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := middle.AddDate(0, 0, -around).UTC().Truncate(time.Minute), middle.AddDate(0, 0, around+1)
	state := schedule.At(begin)
	for at := begin; at.Before(end); at = at.Add(time.Minute) {
		for _, at := range []time.Time{at, at.Add(59*time.Second + 999*time.Millisecond)} {
			// The state is asked for again only when it says that it may have changed, so its times are compared as well.
			if !state.Look.IsZero() && !at.Before(state.Look) {
				state = schedule.At(at)
			}
			if state.Open != want.contains(at) {
				t.Fatalf("%s: at %s it is open %t here, and %t with kured", what, at.In(location), state.Open, want.contains(at))
			}
		}
	}
	for _, edge := range edges(schedule, begin, end) {
		for _, at := range []time.Time{edge.Add(-time.Millisecond), edge, edge.Add(time.Second)} {
			if schedule.At(at).Open != want.contains(at) {
				t.Fatalf("%s: around %s it is open %t here, and %t with kured", what, edge.In(location), schedule.At(at).Open, want.contains(at))
			}
		}
	}
}

// edges are when a schedule opens and closes.
func edges(schedule *window.Schedule, begin, end time.Time) []time.Time {
	var all []time.Time
	state := schedule.At(begin)
	for !state.Look.IsZero() && state.Look.Before(end) {
		all = append(all, state.Look)
		state = schedule.At(state.Look)
	}
	return slices.Compact(all)
}
