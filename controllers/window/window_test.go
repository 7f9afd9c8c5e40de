package window

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func weeklyWindow(start string, hours float64, days ...v1alpha1.Weekday) v1alpha1.ScheduleWindow {
	return v1alpha1.ScheduleWindow{Weekly: &v1alpha1.WeeklyWindow{Days: days, Start: start}, DurationSeconds: int32(hours * 3600)}
}

func monthlyWindow(week v1alpha1.WeekOfMonth, day v1alpha1.Weekday, start string, hours float64) v1alpha1.ScheduleWindow {
	return v1alpha1.ScheduleWindow{
		Monthly: &v1alpha1.MonthlyWindow{Week: week, Day: day, Start: start}, DurationSeconds: int32(hours * 3600),
	}
}

func cronWindow(expression string, hours float64) v1alpha1.ScheduleWindow {
	return v1alpha1.ScheduleWindow{Cron: expression, DurationSeconds: int32(hours * 3600)}
}

func freeze(t *testing.T, name, from, to string) v1alpha1.Freeze {
	t.Helper()
	return v1alpha1.Freeze{Name: name, From: metav1.NewTime(instant(t, from)), To: metav1.NewTime(instant(t, to))}
}

// instant of a text such as "2026-03-29 03:00+02".
func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04Z07", text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func newSchedule(t testing.TB, zone string, windows ...v1alpha1.ScheduleWindow) *Schedule {
	t.Helper()
	return understood(t, &v1alpha1.ScheduleSpec{TimeZone: zone, Windows: windows})
}

func understood(t testing.TB, spec *v1alpha1.ScheduleSpec) *Schedule {
	t.Helper()
	s, problems := New(spec)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

// edges of a schedule between two instants, as "opens - closes" in its time zone.
func edges(s *Schedule, from, to time.Time) []string {
	const layout = "Mon 2006-01-02 15:04 -07"
	show := func(t time.Time) string { return t.In(s.zone).Format(layout) }
	var all []string
	for state := s.At(from); ; {
		if !state.Open {
			if state.Opens.IsZero() || state.Opens.After(to) {
				return all
			}
			from = state.Opens
			state = s.At(from)
			continue
		}
		if state.Closes.IsZero() {
			return append(all, show(from)+" - ")
		}
		all = append(all, show(from)+" - "+show(state.Closes))
		from = state.Closes
		state = s.At(from)
	}
}

func TestWindowsOpenAndClose(t *testing.T) {
	for name, test := range map[string]struct {
		zone     string
		windows  []v1alpha1.ScheduleWindow
		freezes  []v1alpha1.Freeze
		from, to string
		want     []string
	}{
		"over midnight, and not in the night before": {
			windows: []v1alpha1.ScheduleWindow{weeklyWindow("22:00", 4, v1alpha1.Friday)},
			from:    "2026-03-01 00:00Z", to: "2026-03-14 23:00Z",
			want: []string{"Fri 2026-03-06 22:00 +00 - Sat 2026-03-07 02:00 +00", "Fri 2026-03-13 22:00 +00 - Sat 2026-03-14 02:00 +00"},
		},
		"over the new year": {
			windows: []v1alpha1.ScheduleWindow{weeklyWindow("23:00", 3, v1alpha1.Thursday)},
			from:    "2026-12-31 00:00Z", to: "2027-01-02 00:00Z",
			want: []string{"Thu 2026-12-31 23:00 +00 - Fri 2027-01-01 02:00 +00"},
		},
		"clocks are set forward over the start": {
			zone: "Europe/Berlin", windows: []v1alpha1.ScheduleWindow{weeklyWindow("02:30", 1, v1alpha1.Sunday)},
			from: "2026-03-22 00:00Z", to: "2026-04-06 00:00Z",
			want: []string{
				"Sun 2026-03-22 02:30 +01 - Sun 2026-03-22 03:30 +01",
				"Sun 2026-03-29 03:00 +02 - Sun 2026-03-29 04:00 +02",
				"Sun 2026-04-05 02:30 +02 - Sun 2026-04-05 03:30 +02",
			},
		},
		"clocks are set forward over midnight": {
			zone: "America/Sao_Paulo", windows: []v1alpha1.ScheduleWindow{cronWindow("0 0 * * 0", 2)},
			from: "2018-11-04 00:00Z", to: "2018-11-05 00:00Z",
			want: []string{"Sun 2018-11-04 01:00 -02 - Sun 2018-11-04 03:00 -02"},
		},
		"clocks are set forward while it is open": {
			zone: "Europe/Berlin", windows: []v1alpha1.ScheduleWindow{monthlyWindow(v1alpha1.WeekLast, v1alpha1.Sunday, "01:00", 4)},
			from: "2026-03-28 00:00Z", to: "2026-03-30 00:00Z",
			want: []string{"Sun 2026-03-29 01:00 +01 - Sun 2026-03-29 06:00 +02"},
		},
		"clocks show the start twice": {
			zone: "Europe/Berlin", windows: []v1alpha1.ScheduleWindow{cronWindow("30 2 * * *", 0.5)},
			from: "2026-10-24 12:00Z", to: "2026-10-26 00:00Z",
			want: []string{"Sun 2026-10-25 02:30 +02 - Sun 2026-10-25 02:00 +01"},
		},
		"clocks are set back while it is open": {
			zone: "America/New_York", windows: []v1alpha1.ScheduleWindow{weeklyWindow("22:00", 8, v1alpha1.Saturday)},
			from: "2026-10-31 12:00Z", to: "2026-11-02 00:00Z",
			want: []string{"Sat 2026-10-31 22:00 -04 - Sun 2026-11-01 05:00 -05"},
		},
		"clocks are set back to the day before": {
			zone: "America/St_Johns", windows: []v1alpha1.ScheduleWindow{{
				Daily: &v1alpha1.DailyWindow{Days: []v1alpha1.Weekday{v1alpha1.Sunday}, From: "00:00", Through: "04:59:59"},
			}},
			from: "2010-11-06 00:00Z", to: "2010-11-08 00:00Z",
			want: []string{
				"Sun 2010-11-07 00:00 -02 - Sat 2010-11-06 23:01 -03", "Sun 2010-11-07 00:00 -03 - Sun 2010-11-07 05:00 -03",
			},
		},
		"a day that does not exist": {
			zone: "Pacific/Apia", windows: []v1alpha1.ScheduleWindow{cronWindow("0 10 30 12 *", 1)},
			from: "2011-12-01 00:00Z", to: "2012-01-31 00:00Z",
			want: []string{"Sat 2011-12-31 00:00 +14 - Sat 2011-12-31 01:00 +14"},
		},
		"the last day of a leap year": {
			zone: "Europe/Dublin", windows: []v1alpha1.ScheduleWindow{cronWindow("0 12 31 12 *", 1)},
			from: "2067-12-01 00:00Z", to: "2070-01-01 00:00Z",
			want: []string{
				"Sat 2067-12-31 12:00 +00 - Sat 2067-12-31 13:00 +00", "Mon 2068-12-31 12:00 +00 - Mon 2068-12-31 13:00 +00",
				"Tue 2069-12-31 12:00 +00 - Tue 2069-12-31 13:00 +00",
			},
		},
		"days of a leap year": {
			windows: []v1alpha1.ScheduleWindow{cronWindow("0 3 29 2 *", 1)},
			from:    "2024-01-01 00:00Z", to: "2033-01-01 00:00Z",
			want: []string{
				"Thu 2024-02-29 03:00 +00 - Thu 2024-02-29 04:00 +00", "Tue 2028-02-29 03:00 +00 - Tue 2028-02-29 04:00 +00",
				"Sun 2032-02-29 03:00 +00 - Sun 2032-02-29 04:00 +00",
			},
		},
		"eight years without a leap day": {
			windows: []v1alpha1.ScheduleWindow{cronWindow("0 3 29 2 *", 1)},
			from:    "2096-03-01 00:00Z", to: "2105-01-01 00:00Z",
			want: []string{"Fri 2104-02-29 03:00 +00 - Fri 2104-02-29 04:00 +00"},
		},
		"the last weekday of months with four and with five": {
			windows: []v1alpha1.ScheduleWindow{monthlyWindow(v1alpha1.WeekLast, v1alpha1.Monday, "20:00", 1)},
			from:    "2026-01-01 00:00Z", to: "2026-04-30 00:00Z",
			want: []string{
				"Mon 2026-01-26 20:00 +00 - Mon 2026-01-26 21:00 +00", "Mon 2026-02-23 20:00 +00 - Mon 2026-02-23 21:00 +00",
				"Mon 2026-03-30 20:00 +00 - Mon 2026-03-30 21:00 +00", "Mon 2026-04-27 20:00 +00 - Mon 2026-04-27 21:00 +00",
			},
		},
		"a first weekday that opens in one month and closes in the next": {
			windows: []v1alpha1.ScheduleWindow{monthlyWindow(v1alpha1.WeekFourth, v1alpha1.Saturday, "12:00", 24*7)},
			from:    "2026-02-27 00:00Z", to: "2026-03-27 00:00Z",
			want: []string{"Sat 2026-02-28 12:00 +00 - Sat 2026-03-07 12:00 +00"},
		},
		"windows that touch and overlap are one": {
			windows: []v1alpha1.ScheduleWindow{
				weeklyWindow("20:00", 4, v1alpha1.Saturday), weeklyWindow("00:00", 4, v1alpha1.Sunday), cronWindow("0 3 * * 0", 5),
			},
			from: "2026-03-06 00:00Z", to: "2026-03-09 00:00Z",
			want: []string{"Sat 2026-03-07 20:00 +00 - Sun 2026-03-08 08:00 +00"},
		},
		"a freeze in the middle": {
			windows: []v1alpha1.ScheduleWindow{weeklyWindow("20:00", 6, v1alpha1.Saturday)},
			freezes: []v1alpha1.Freeze{freeze(t, "maintenance", "2026-03-07 21:00Z", "2026-03-07 22:00Z")},
			from:    "2026-03-06 00:00Z", to: "2026-03-09 00:00Z",
			want: []string{"Sat 2026-03-07 20:00 +00 - Sat 2026-03-07 21:00 +00", "Sat 2026-03-07 22:00 +00 - Sun 2026-03-08 02:00 +00"},
		},
		"freezes that follow each other": {
			windows: []v1alpha1.ScheduleWindow{cronWindow("0 0 * * *", 1)},
			freezes: []v1alpha1.Freeze{
				freeze(t, "b", "2026-03-03 00:30Z", "2026-03-04 00:30Z"), freeze(t, "a", "2026-03-02 00:00Z", "2026-03-03 00:30Z"),
			},
			from: "2026-03-01 00:00Z", to: "2026-03-04 23:00Z",
			want: []string{"Sun 2026-03-01 00:00 +00 - Sun 2026-03-01 01:00 +00", "Wed 2026-03-04 00:30 +00 - Wed 2026-03-04 01:00 +00"},
		},
		"only freezes": {
			freezes: []v1alpha1.Freeze{freeze(t, "a", "2026-03-02 00:00Z", "2026-03-03 00:00Z")},
			from:    "2026-03-01 00:00Z", to: "2026-03-04 00:00Z",
			want: []string{"Sun 2026-03-01 00:00 +00 - Mon 2026-03-02 00:00 +00", "Tue 2026-03-03 00:00 +00 - "},
		},
		"whole days, where a day of 25 hours leaves an hour": {
			zone: "Europe/Berlin", windows: []v1alpha1.ScheduleWindow{cronWindow("0 0 * * *", 24)},
			from: "2026-10-01 00:00Z", to: "2026-10-31 00:00Z",
			want: []string{"Thu 2026-10-01 02:00 +02 - Sun 2026-10-25 23:00 +01", "Mon 2026-10-26 00:00 +01 - "},
		},
		"one that follows itself for ever": {
			windows: []v1alpha1.ScheduleWindow{cronWindow("0 * * * *", 1)},
			from:    "2026-10-01 00:00Z", to: "2026-10-31 00:00Z",
			want: []string{"Thu 2026-10-01 00:00 +00 - "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := understood(t, &v1alpha1.ScheduleSpec{TimeZone: test.zone, Windows: test.windows, Freezes: test.freezes})
			if diff := cmp.Diff(test.want, edges(s, instant(t, test.from), instant(t, test.to))); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSecondSundayInBerlinOpensExactlyThenForTwoYears(t *testing.T) {
	s := newSchedule(t, "Europe/Berlin", monthlyWindow(v1alpha1.WeekSecond, v1alpha1.Sunday, "01:00", 4))
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, time.January, 1, 0, 0, 0, 0, berlin)
	openings := 0
	for at := from; at.Before(from.AddDate(2, 0, 0)); at = at.Add(10 * time.Minute) {
		local := at.In(berlin)
		_, offset := local.Zone()
		clock := local.Hour()*60 + local.Minute()
		want := local.Weekday() == time.Sunday && (local.Day()+6)/7 == 2 && clock >= 60 && clock < 300
		if got := s.At(at).Open; got != want {
			t.Fatalf("at %s open is %v, want %v", local, got, want)
		}
		if before := s.At(at.Add(-time.Nanosecond)).Open; want && before == (clock == 60) {
			t.Fatalf("just before %s open is %v", local, before)
		}
		if want && clock == 60 {
			openings++
		}
		if summer := local.Month() == time.July; summer && offset != 7200 {
			t.Fatalf("no summer time in %s", local)
		}
	}
	if openings != 24 {
		t.Errorf("opened %d times in 24 months", openings)
	}
}

func TestAFreezeIsNamed(t *testing.T) {
	s := understood(t, &v1alpha1.ScheduleSpec{Freezes: []v1alpha1.Freeze{
		freeze(t, "short", "2026-03-02 00:00Z", "2026-03-03 00:00Z"),
		freeze(t, "long", "2026-03-02 12:00Z", "2026-03-05 00:00Z"),
		freeze(t, "also-long", "2026-03-02 18:00Z", "2026-03-05 00:00Z"),
	}})
	for at, want := range map[string]State{
		"2026-03-02 00:00Z": {Freeze: "short", Opens: instant(t, "2026-03-05 00:00Z"), Look: instant(t, "2026-03-02 12:00Z")},
		"2026-03-02 12:00Z": {Freeze: "long", Opens: instant(t, "2026-03-05 00:00Z"), Look: instant(t, "2026-03-02 18:00Z")},
		"2026-03-02 18:00Z": {Freeze: "also-long", Opens: instant(t, "2026-03-05 00:00Z"), Look: instant(t, "2026-03-03 00:00Z")},
		"2026-03-05 00:00Z": {Open: true},
	} {
		if diff := cmp.Diff(want, s.At(instant(t, at))); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", at, diff)
		}
	}
}

func TestAScheduleThatCannotBeUnderstoodSaysWhatToWrite(t *testing.T) {
	for name, test := range map[string]struct {
		zone   string
		window v1alpha1.ScheduleWindow
		path   string
		want   string
	}{
		"unknown time zone":      {zone: "Europe/Berln", path: "timeZone", want: `"Europe/Berln" is not known: write a name of the IANA time zone database, such as`},
		"the machine's zone":     {zone: "Local", path: "timeZone", want: `"Local" is not known`},
		"an offset":              {zone: "+02:00", path: "timeZone", want: `"+02:00" is not known`},
		"days over the weekend":  {window: cronWindow("0 3 * * FRI-MON", 1), path: "cron", want: `"0 3 * * FRI-MON": the range FRI-MON runs backward: write FRI,SAT,SUN,MON`},
		"days up to Sunday":      {window: cronWindow("0 3 * * fri-sun", 1), path: "cron", want: `the range fri-sun runs backward: write FRI,SAT,SUN`},
		"days in numbers":        {window: cronWindow("0 3 * * 1,5-1", 1), path: "cron", want: `the range 5-1 runs backward: write 5,6,0,1`},
		"every other day":        {window: cronWindow("0 3 * * 4-2/2", 1), path: "cron", want: `the range 4-2/2 runs backward: write 4,6,1`},
		"hours over midnight":    {window: cronWindow("0 22-2 * * *", 1), path: "cron", want: `the range 22-2 runs backward: write 22,23,0,1,2`},
		"months over a new year": {window: cronWindow("0 3 * NOV-FEB *", 1), path: "cron", want: `the range NOV-FEB runs backward: write NOV,DEC,JAN,FEB`},
		"days over a new month":  {window: cronWindow("0 3 30-1 * *", 1), path: "cron", want: `the range 30-1 runs backward: write 30,31,1`},
		"number out of range":    {window: cronWindow("61 3 * * *", 1), path: "cron", want: `end of range (61) above maximum (59)`},
		"a range out of range":   {window: cronWindow("0 3 * * 7-1", 1), path: "cron", want: `end of range`},
		"days down to none":      {window: cronWindow("0 3 5-0 * *", 1), path: "cron", want: `"0 3 5-0 * *": beginning of range (5) beyond end of range (0)`},
		"a day that never comes": {window: cronWindow("0 3 31 2 *", 1), path: "cron", want: `there is no such day in any year, so the window never opens: write a day`},
		"too few fields":         {window: cronWindow("0 3 * *", 1), path: "cron", want: `does not have five fields: write minute, hour,`},
		"a descriptor":           {window: cronWindow("@daily", 1), path: "cron", want: `does not have five fields`},
		"a time zone":            {window: cronWindow("TZ=UTC 3 * * *", 1), path: "cron", want: `does not have five fields`},
		"nothing":                {window: v1alpha1.ScheduleWindow{DurationSeconds: 60}, path: "cron", want: `does not have five fields`},
		"no duration":            {window: cronWindow("0 3 * * *", 0), path: "durationSeconds", want: `0 seconds: the window never opens; write how many seconds`},
		"no time of day":         {window: weeklyWindow("24:00", 1, v1alpha1.Monday), path: "weekly.start", want: `"24:00" is not a time of day: write one such as "02:00"`},
		"2 in the morning":       {window: weeklyWindow("2am", 1, v1alpha1.Monday), path: "weekly.start", want: `"2am" is not a time of day`},
		"no days":                {window: weeklyWindow("22:00", 1), path: "weekly.days", want: `the window opens on no day: write one or more of Mon, Tue, Wed, Thu, Fri, Sat, Sun`},
		"no day of the week":     {window: weeklyWindow("22:00", 1, "Tue", "Mo"), path: "weekly.days[1]", want: `"Mo" is not a day of the week: write one of Mon, Tue,`},
		"no week of the month":   {window: monthlyWindow("Fifth", v1alpha1.Monday, "22:00", 1), path: "monthly.week", want: `"Fifth" is not a week of a month: write First,`},
		"no day of a month":      {window: monthlyWindow(v1alpha1.WeekLast, "monday", "22:00", 1), path: "monthly.day", want: `"monday" is not a day of the week: write one of Mon,`},
		"no time in a month":     {window: monthlyWindow(v1alpha1.WeekLast, v1alpha1.Monday, "2200", 1), path: "monthly.start", want: `"2200" is not a time of day`},
	} {
		t.Run(name, func(t *testing.T) {
			s, problems := New(&v1alpha1.ScheduleSpec{TimeZone: test.zone, Windows: []v1alpha1.ScheduleWindow{test.window}})
			path := test.path
			if path != "timeZone" {
				path = "windows[0]." + path
			}
			first := slices.IndexFunc(problems, func(p Problem) bool { return p.Path == path })
			if s != nil || first < 0 || !strings.Contains(problems[first].Message, test.want) {
				t.Errorf("problems %q, want one of %s that says %q", problems, path, test.want)
			}
		})
	}
}

func TestAllProblemsOfAScheduleAreFoundAtOnce(t *testing.T) {
	_, problems := New(&v1alpha1.ScheduleSpec{TimeZone: "CEST", Windows: []v1alpha1.ScheduleWindow{
		weeklyWindow("2am", 1, v1alpha1.Monday), cronWindow("0 3 * * *", 1), cronWindow("0 3 * * FRI-MON", 1),
	}})
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	if want := []string{"timeZone", "windows[0].weekly.start", "windows[2].cron"}; !slices.Equal(paths, want) {
		t.Errorf("found %q, want %q", paths, want)
	}
}

func TestARangeThatRunsBackwardMeansTheListThatIsAdvised(t *testing.T) {
	for field, values := range map[int]string{1: "22-2 23-0 5-3/3", 2: "30-1 31-5/2", 3: "NOV-FEB 12-1 11-3/2", 4: "FRI-MON 6-0 SAT-MON/2"} {
		for backward := range strings.FieldsSeq(values) {
			fields := []string{"0", "3", "*", "*", "*"}
			_, list := cronFields[field].backward(backward)
			fields[field] = list
			if _, problem := newCron(strings.Join(fields, " ")); problem != nil {
				t.Errorf("%s in field %d: %s", backward, field, problem.Message)
			}
		}
	}
}

func TestAWindowThatLastsLongerThanUntilItOpensAgainOverlaps(t *testing.T) {
	for name, test := range map[string]struct {
		window v1alpha1.ScheduleWindow
		want   string
	}{
		"each day, for a day":             {window: cronWindow("0 2 * * *", 24)},
		"each day, for longer":            {cronWindow("0 2 * * *", 25), "90000 seconds, and the window opens again after 86400: write 86400 or less"},
		"from Friday to Monday":           {window: cronWindow("0 22 * * 5", 60)},
		"on working days, over the night": {window: cronWindow("0 22 * * 1-5", 8)},
		"on working days, for two days":   {cronWindow("0 22 * * 1-5", 48), "opens again after 86400"},
		"twice a day":                     {cronWindow("0 2,12 * * *", 11), "opens again after 36000"},
		"only on leap days":               {window: cronWindow("0 0 29 2 *", 24)},
		"on leap days, for five years":    {cronWindow("0 0 29 2 *", 5*365*24), "opens again after 126230400"},
		"a daily window": {window: v1alpha1.ScheduleWindow{Daily: &v1alpha1.DailyWindow{
			Days: []v1alpha1.Weekday{v1alpha1.Monday}, From: "00:00", Through: "23:59",
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			problems := newSchedule(t, "UTC", test.window).Overlaps()
			if test.want == "" {
				if len(problems) > 0 {
					t.Errorf("problems %q, want none", problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Path != "windows[0].durationSeconds" || !strings.Contains(problems[0].Message, test.want) {
				t.Errorf("problems %q, want one that says %q", problems, test.want)
			}
		})
	}
}

func TestOnlyASetOfNeitherWindowsNorFreezesIsOpenAtAllTimes(t *testing.T) {
	window, holidays := weeklyWindow("22:00", 4, v1alpha1.Friday), freeze(t, "holidays", "2026-12-20 00:00Z", "2027-01-03 00:00Z")
	for name, test := range map[string]struct {
		spec v1alpha1.ScheduleSpec
		want bool
	}{
		"nothing":     {v1alpha1.ScheduleSpec{}, true},
		"a window":    {v1alpha1.ScheduleSpec{Windows: []v1alpha1.ScheduleWindow{window}}, false},
		"a freeze":    {v1alpha1.ScheduleSpec{Freezes: []v1alpha1.Freeze{holidays}}, false},
		"one of each": {v1alpha1.ScheduleSpec{Windows: []v1alpha1.ScheduleWindow{window}, Freezes: []v1alpha1.Freeze{holidays}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			test.spec.TimeZone = "UTC"
			if got := understood(t, &test.spec).Always(); got != test.want {
				t.Errorf("open at all times: %t, want %t", got, test.want)
			}
		})
	}
}

func TestAWindowWithoutAnEndInSightIsLookedAtWhenItOpensAgain(t *testing.T) {
	state := newSchedule(t, "UTC", cronWindow("0 2 * * *", 24)).At(instant(t, "2026-03-01 12:00Z"))
	want := State{Open: true, Look: instant(t, "2026-03-02 02:00Z")}
	if state != want {
		t.Errorf("got %+v, want %+v", state, want)
	}
}

func TestADailyWindowThatIsAlwaysOpenNeedsNoLook(t *testing.T) {
	days := []v1alpha1.Weekday{
		v1alpha1.Monday, v1alpha1.Tuesday, v1alpha1.Wednesday, v1alpha1.Thursday, v1alpha1.Friday, v1alpha1.Saturday, v1alpha1.Sunday,
	}
	always := v1alpha1.ScheduleWindow{Daily: &v1alpha1.DailyWindow{Days: days, From: "00:00", Through: "23:59:59"}}
	if state := newSchedule(t, "UTC", always).At(instant(t, "2026-03-01 12:00Z")); state != (State{Open: true}) {
		t.Errorf("got %+v", state)
	}
}

// counted counts how often a window is asked when it opens next.
type counted struct {
	starts
	asked *int
}

func (c counted) Next(wall time.Time) time.Time {
	*c.asked++
	return c.starts.Next(wall)
}

// What an expression says must not decide how long a plan takes.
func TestNoScheduleTakesLongToAnswer(t *testing.T) {
	for _, expression := range []string{"* * 1-15 * *", "* * * * *", "*/7 1-3 * * 1", "0 0 29 2 *"} {
		asked := 0
		s := newSchedule(t, "Europe/Berlin", cronWindow(expression, 28*24))
		s.windows[0].starts = counted{s.windows[0].starts, &asked}
		for day := range 40 {
			asked = 0
			s.At(time.Date(2028, time.February, 1+day, 0, 0, 0, 0, time.UTC))
			if asked > 4000 {
				t.Fatalf("%s, on day %d: asked %d times", expression, day, asked)
			}
		}
	}
}
