package window

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// zones where something is odd: changes by half an hour or two hours, at midnight or a minute after it, days that were skipped, winters
// that are summers, years with four changes, offsets far from UTC; and many that are usual.
var zones = []string{
	"UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Moscow", "Europe/Volgograd", "Europe/Istanbul",
	"Europe/Chisinau", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix", "America/Anchorage",
	"America/St_Johns", "America/Havana", "America/Sao_Paulo", "America/Asuncion", "America/Santiago", "America/Caracas",
	"America/Mexico_City",
	"America/Godthab", "America/Scoresbysund", "America/Indiana/Indianapolis", "America/Argentina/San_Luis", "America/Port-au-Prince",
	"Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Juba", "Africa/Tunis", "Africa/Windhoek", "Asia/Tehran", "Asia/Gaza",
	"Asia/Hebron", "Asia/Amman", "Asia/Beirut", "Asia/Jerusalem", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Dhaka", "Asia/Pyongyang",
	"Asia/Tokyo",
	"Asia/Shanghai", "Asia/Kamchatka", "Asia/Ulaanbaatar", "Australia/Lord_Howe", "Australia/Sydney", "Australia/Eucla", "Australia/Adelaide",
	"Antarctica/Troll", "Antarctica/Casey", "Pacific/Apia", "Pacific/Fakaofo", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Auckland",
	"Pacific/Fiji", "Pacific/Marquesas", "Pacific/Norfolk", "Etc/GMT+12", "Etc/GMT-14",
}

// random schedules for an instant, so that something happens around it.
type random struct{ *rand.Rand }

func (r random) day() v1alpha1.Weekday {
	return pick(r, v1alpha1.Monday, v1alpha1.Tuesday, v1alpha1.Wednesday, v1alpha1.Thursday, v1alpha1.Friday, v1alpha1.Saturday,
		v1alpha1.Sunday)
}

func pick[T any](r random, choices ...T) T { return choices[r.IntN(len(choices))] }

// clock is often one at which clocks are changed.
func (r random) clock() string {
	if r.IntN(2) == 0 {
		return pick(r, "00:00", "00:01", "00:30", "01:00", "01:30", "02:00", "02:15", "02:30", "03:00", "23:00", "23:30", "23:59")
	}
	return fmt.Sprintf("%02d:%02d", r.IntN(24), r.IntN(60))
}

func (r random) minutes(most int) int32 {
	return int32(60 * (1 + r.IntN(pick(r, 30, 240, 1440, most))))
}

func (r random) window() v1alpha1.ScheduleWindow {
	days := []v1alpha1.Weekday{r.day()}
	if other := r.day(); other != days[0] {
		days = append(days, other)
	}
	switch r.IntN(4) {
	case 0:
		return v1alpha1.ScheduleWindow{Weekly: &v1alpha1.WeeklyWindow{Days: days, Start: r.clock()}, DurationSeconds: r.minutes(7 * 1440)}
	case 2:
		return v1alpha1.ScheduleWindow{Daily: &v1alpha1.DailyWindow{Days: days, From: r.clock(), Through: r.clock() + ":59"}}
	case 1:
		week := pick(r, v1alpha1.WeekFirst, v1alpha1.WeekSecond, v1alpha1.WeekThird, v1alpha1.WeekFourth, v1alpha1.WeekLast)
		return v1alpha1.ScheduleWindow{
			Monthly: &v1alpha1.MonthlyWindow{Week: week, Day: r.day(), Start: r.clock()}, DurationSeconds: r.minutes(28 * 1440),
		}
	}
	return v1alpha1.ScheduleWindow{Cron: r.cron(), DurationSeconds: r.minutes(7 * 1440)}
}

func (r random) cron() string {
	number := func(least, most int) string { return strconv.Itoa(least + r.IntN(most-least+1)) }
	field := func(least, most int) string {
		low := least + r.IntN(most-least+1)
		switch r.IntN(5) {
		case 0:
			return number(least, most)
		case 1:
			return fmt.Sprintf("%d-%d", low, low+r.IntN(most-low+1))
		case 2:
			return "*/" + number(1, 9)
		case 3:
			return number(least, most) + "," + number(least, most)
		}
		return "*"
	}
	return strings.Join([]string{
		pick(r, "0", "30", number(0, 59), number(0, 59)+","+number(0, 59)),
		pick(r, "0", "1", "2", field(0, 23)), pick(r, "*", "*", field(1, 31)), pick(r, "*", "*", field(1, 12)), pick(r, "*", field(0, 6)),
	}, " ")
}

func (r random) spec(around time.Time) *v1alpha1.ScheduleSpec {
	spec := &v1alpha1.ScheduleSpec{TimeZone: pick(r, zones...)}
	for range r.IntN(4) {
		spec.Windows = append(spec.Windows, r.window())
	}
	for i := range r.IntN(3) {
		from := around.Add(time.Duration(r.IntN(6*1440)-3*1440) * time.Minute)
		spec.Freezes = append(spec.Freezes, v1alpha1.Freeze{
			Name: strconv.Itoa(i), From: metav1.NewTime(from), To: metav1.NewTime(from.Add(time.Duration(1+r.IntN(3*1440)) * time.Minute)),
		})
	}
	return spec
}

// instant is a minute from 2000 to 2100, often close to a change of the clocks.
func (r random) instant(zone *time.Location) time.Time {
	first := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	days := int(first.AddDate(100, 0, 0).Sub(first) / (24 * time.Hour))
	at := first.AddDate(0, 0, r.IntN(days)).Add(time.Duration(r.IntN(1440)) * time.Minute)
	if _, change := at.In(zone).ZoneBounds(); !change.IsZero() && r.IntN(3) > 0 && change.Year() < 2100 {
		at = change.Add(time.Duration(r.IntN(2*1440)-1440) * time.Minute).UTC().Truncate(time.Minute)
	}
	return at
}

// timeline is an independent answer to what a schedule says: for each minute of some days whether it is open, found by watching the clocks
// go by from minute to minute.
type timeline struct {
	from time.Time
	open []bool
}

func (l *timeline) index(t time.Time) int { return int(t.Sub(l.from) / time.Minute) }

func newTimeline(spec *v1alpha1.ScheduleSpec, zone *time.Location, from time.Time, days int) *timeline {
	l := &timeline{from: from, open: make([]bool, days*1440)}
	if len(spec.Windows) == 0 {
		for i := range l.open {
			l.open[i] = true
		}
	}
	for i := range spec.Windows {
		l.addWindow(&spec.Windows[i], zone)
	}
	for _, f := range spec.Freezes {
		for i := max(0, l.index(f.From.Time)); i < min(len(l.open), l.index(f.To.Time)); i++ {
			l.open[i] = false
		}
	}
	return l
}

func (l *timeline) addWindow(w *v1alpha1.ScheduleWindow, zone *time.Location) {
	if w.Daily != nil {
		for i := range l.open {
			l.open[i] = l.open[i] || isDaily(w.Daily, l.from.Add(time.Duration(i)*time.Minute).In(zone))
		}
		return
	}
	minutes, opens := int(w.DurationSeconds/60), matcher(w)
	first := -minutes - 4*1440
	reached := wallMinute(l.from.Add(time.Duration(first)*time.Minute), zone)
	until := first
	for i := first; i < len(l.open); i++ {
		// What the clocks show for the first time, or skip, in this minute.
		for shown := wallMinute(l.from.Add(time.Duration(i)*time.Minute), zone); reached.Before(shown); {
			reached = reached.Add(time.Minute)
			if opens(reached) {
				until = i + minutes
			}
		}
		if i >= 0 && i < until {
			l.open[i] = true
		}
	}
}

func wallMinute(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	year, month, day := local.Date()
	return time.Date(year, month, day, local.Hour(), local.Minute(), 0, 0, time.UTC)
}

// isDaily says whether a daily window is open at a local time, by its definition.
func isDaily(w *v1alpha1.DailyWindow, t time.Time) bool {
	on := func(clock string) time.Time {
		seconds := 0
		if len(clock) > 5 {
			seconds = 59
		}
		hour, minute := int(clock[0]-'0')*10+int(clock[1]-'0'), int(clock[3]-'0')*10+int(clock[4]-'0')
		return time.Date(t.Year(), t.Month(), t.Day(), hour, minute, seconds, 0, t.Location())
	}
	from, end := on(w.From), on(w.Through).Add(time.Second)
	switch overnight := w.From > w.Through; {
	case overnight && t.Before(end):
		from = from.Add(-24 * time.Hour)
	case overnight:
		end = end.Add(24 * time.Hour)
	}
	return slices.Contains(w.Days, v1alpha1.Weekday(t.Weekday().String()[:3])) && !t.Before(from) && t.Before(end)
}

// matcher says whether a window opens at a wall time.
func matcher(w *v1alpha1.ScheduleWindow) func(wall time.Time) bool {
	is := func(wall time.Time, start string, day v1alpha1.Weekday) bool {
		return wall.Minute() == int(start[3]-'0')*10+int(start[4]-'0') && wall.Format("15:04") == start &&
			v1alpha1.Weekday(wall.Weekday().String()[:3]) == day
	}
	switch {
	case w.Weekly != nil:
		return func(wall time.Time) bool {
			return slices.ContainsFunc(w.Weekly.Days, func(day v1alpha1.Weekday) bool { return is(wall, w.Weekly.Start, day) })
		}
	case w.Monthly != nil:
		return func(wall time.Time) bool {
			return is(wall, w.Monthly.Start, w.Monthly.Day) && map[v1alpha1.WeekOfMonth]bool{
				v1alpha1.WeekFirst: wall.Day() <= 7, v1alpha1.WeekSecond: wall.Day() > 7 && wall.Day() <= 14,
				v1alpha1.WeekThird: wall.Day() > 14 && wall.Day() <= 21, v1alpha1.WeekFourth: wall.Day() > 21 && wall.Day() <= 28,
				v1alpha1.WeekLast: wall.AddDate(0, 0, 7).Month() != wall.Month(),
			}[w.Monthly.Week]
		}
	}
	f := strings.Fields(w.Cron)
	minute, hour, month := field(f[0], 0, 59), field(f[1], 0, 23), field(f[3], 1, 12)
	ofMonth, ofWeek := field(f[2], 1, 31), field(f[4], 0, 6)
	// Where both days are restricted one of them is enough. A step of 1 restricts nothing.
	star := func(s string) bool { return s == "*" || s == "*/1" }
	both := star(f[2]) || star(f[4])
	return func(wall time.Time) bool {
		if !minute[wall.Minute()] || !hour[wall.Hour()] || !month[wall.Month()] {
			return false
		}
		a, b := ofMonth[wall.Day()], ofWeek[wall.Weekday()]
		return a && b || !both && (a || b)
	}
}

// field is the set of the values of a field of a cron expression.
func field(text string, least, most int) (values [60]bool) {
	for i := least; i <= most; i++ {
		values[i] = fieldMatches(text, least, most, i)
	}
	return values
}

func fieldMatches(field string, least, most, value int) bool {
	for item := range strings.SplitSeq(field, ",") {
		low, high, step := least, most, 1
		limits, by, stepped := strings.Cut(item, "/")
		if stepped {
			step, _ = strconv.Atoi(by)
		}
		if limits != "*" {
			from, to, ranged := strings.Cut(limits, "-")
			low, _ = strconv.Atoi(from)
			high = low
			if ranged {
				high, _ = strconv.Atoi(to)
			}
		}
		if value >= low && value <= high && (value-low)%step == 0 {
			return true
		}
	}
	return false
}

const (
	timelineDays = 12
	// probed days are in the middle.
	daysBefore, daysProbed = 1, 4
)

// checkSchedule compares a schedule with its timeline, in minutes around an instant and at what it says are its edges.
func checkSchedule(t *testing.T, r random, spec *v1alpha1.ScheduleSpec, around time.Time) {
	t.Helper()
	s, problems := New(spec)
	if len(problems) > 0 {
		return // a day that never comes
	}
	from := around.AddDate(0, 0, -daysBefore-daysProbed/2)
	line := newTimeline(spec, s.zone, from, timelineDays)
	for range 25 {
		at := from.AddDate(0, 0, daysBefore).Add(time.Duration(r.IntN(daysProbed*1440*60)) * time.Second)
		state := s.At(at)
		line.check(t, s, at, state)
		for _, edge := range []time.Time{state.Closes, state.Opens, state.Look} {
			if line.has(edge) {
				line.check(t, s, edge, s.At(edge))
				line.check(t, s, edge.Add(-time.Second), s.At(edge.Add(-time.Second)))
			}
		}
		if t.Failed() {
			t.Fatalf("schedule %+v", *spec)
		}
	}
}

// has: the instant lies within the timeline, and not at its very beginning.
func (l *timeline) has(t time.Time) bool {
	return t.After(l.from.Add(time.Minute)) && l.index(t) < len(l.open)
}

func (l *timeline) check(t *testing.T, s *Schedule, at time.Time, state State) {
	t.Helper()
	i := l.index(at)
	if state.Open != l.open[i] {
		t.Errorf("at %s: open is %v, want %v", at, state.Open, l.open[i])
	}
	changes := len(l.open)
	if next := slices.Index(l.open[i:], !l.open[i]); next >= 0 {
		changes = i + next
	}
	edge := state.Opens
	if state.Open {
		edge = state.Closes
	}
	switch {
	case edge.IsZero() && changes < len(l.open):
		t.Errorf("at %s: it changes at %s, and no edge is known", at, l.from.Add(time.Duration(changes)*time.Minute))
	case edge.IsZero():
	case !edge.After(at):
		t.Errorf("at %s: the next edge is %s, which is over", at, edge)
	case changes < len(l.open) && !edge.Equal(l.from.Add(time.Duration(changes)*time.Minute)):
		t.Errorf("at %s: the next edge is %s, want %s", at, edge, l.from.Add(time.Duration(changes)*time.Minute))
	case changes == len(l.open) && l.index(edge) < changes:
		t.Errorf("at %s: the next edge is %s, and there is none up to there", at, edge)
	}
	if state.Open && !state.Opens.IsZero() && (state.Opens.Before(state.Closes) || !s.At(state.Opens).Open) {
		t.Errorf("at %s: it opens next at %s", at, state.Opens)
	}
	if state.Look.IsZero() {
		return
	}
	if !state.Look.After(at) {
		t.Errorf("at %s: to be looked at again at %s, which is over", at, state.Look)
	}
	if diff := cmp.Diff(state, s.At(state.Look.Add(-time.Nanosecond))); diff != "" {
		t.Errorf("at %s it should be looked at again at %s, and it changes before (-now +then):\n%s", at, state.Look, diff)
	}
}

func checkSeed(t *testing.T, seed uint64) {
	t.Helper()
	r := random{rand.New(rand.NewPCG(seed, 1))}
	spec := r.spec(time.Time{})
	zone, err := time.LoadLocation(spec.TimeZone)
	if err != nil {
		t.Fatal(err)
	}
	around := r.instant(zone)
	named := spec.TimeZone
	spec = r.spec(around)
	spec.TimeZone = named
	checkSchedule(t, r, spec, around)
}

func TestASchedulesAnswersAreThoseOfTheClocksThatGoBy(t *testing.T) {
	for seed := range uint64(120) {
		checkSeed(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzSchedule looks for a schedule, a zone and a date from 2000 to 2100 whose answers are not those of the clocks that go by, and for
// expressions that crash.
func FuzzSchedule(f *testing.F) {
	f.Add(uint64(1), uint8(0), "0 3 * * 1-5", "22:00", int32(3600))
	f.Add(uint64(2), uint8(1), "30 2 29 2 *", "02:30", int32(86400))
	f.Add(uint64(3), uint8(2), "TZ=UTC 0 3 * *", "24:00", int32(60))
	f.Add(uint64(4), uint8(3), "0,30 */6 1-7 JAN-MAR SUN", "00:00", int32(2419200))
	f.Fuzz(func(t *testing.T, seed uint64, zone uint8, cron, start string, duration int32) {
		checkSeed(t, seed)
		spec := &v1alpha1.ScheduleSpec{TimeZone: zones[int(zone)%len(zones)], Windows: []v1alpha1.ScheduleWindow{
			{Cron: cron, DurationSeconds: min(duration, 604800)},
			{Weekly: &v1alpha1.WeeklyWindow{Days: []v1alpha1.Weekday{v1alpha1.Sunday}, Start: start}, DurationSeconds: min(duration, 604800)},
		}}
		for i := range spec.Windows {
			alone := *spec
			alone.Windows = spec.Windows[i : i+1]
			s, problems := New(&alone)
			if len(problems) > 0 {
				continue
			}
			r := random{rand.New(rand.NewPCG(seed, 2))}
			checkAnnouncements(t, s, r.instant(s.zone))
		}
	})
}

// checkAnnouncements follows a schedule from edge to edge: what opens is open from the instant that was announced up to the one at which it
// was said to close, and no announcement is about the past.
func checkAnnouncements(t *testing.T, s *Schedule, at time.Time) {
	t.Helper()
	for range 4 {
		state := s.At(at)
		if !state.Open {
			if !state.Opens.After(at) || s.At(state.Opens.Add(-time.Nanosecond)).Open {
				t.Fatalf("at %s it opens next at %s", at, state.Opens)
			}
			at = state.Opens
			if state = s.At(at); !state.Open {
				t.Fatalf("at %s it should have opened", at)
			}
		}
		if state.Closes.IsZero() {
			return
		}
		if !state.Closes.After(at) || s.At(state.Closes).Open || !s.At(state.Closes.Add(-time.Nanosecond)).Open {
			t.Fatalf("at %s it closes at %s", at, state.Closes)
		}
		at = state.Closes
	}
}
