package window

import (
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// starts are the wall times at which a window opens. cron.Schedule has the same method, and reads no clock.
type starts interface {
	// Next is the first one after a wall time.
	Next(wall time.Time) time.Time
}

func startsOf(w *v1alpha1.ScheduleWindow) (starts, *Problem) {
	switch {
	case w.Weekly != nil:
		return newWeekly(w.Weekly)
	case w.Monthly != nil:
		return newMonthly(w.Monthly)
	}
	return newCron(w.Cron)
}

var weekdays = map[v1alpha1.Weekday]time.Weekday{
	v1alpha1.Monday: time.Monday, v1alpha1.Tuesday: time.Tuesday, v1alpha1.Wednesday: time.Wednesday, v1alpha1.Thursday: time.Thursday,
	v1alpha1.Friday: time.Friday, v1alpha1.Saturday: time.Saturday, v1alpha1.Sunday: time.Sunday,
}

// timeOfDay of a text such as "22:00".
func timeOfDay(path, text string) (time.Duration, *Problem) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, &Problem{path + ".start", fmt.Sprintf("%q is not a time of day: write one such as \"02:00\" or \"22:00\"", text)}
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

func midnight(wall time.Time) time.Time { return wall.Truncate(24 * time.Hour) }

// weekly opens at a time of day on some weekdays.
type weekly struct {
	on    [7]bool
	start time.Duration
}

// weekdaysOf a list of days.
func weekdaysOf(path string, days []v1alpha1.Weekday) (on [7]bool, problem *Problem) {
	for i, day := range days {
		weekday, ok := weekdays[day]
		if !ok {
			return on, &Problem{fmt.Sprintf("%s.days[%d]", path, i), fmt.Sprintf("%q is not a day of the week: write one of %s", day, weekdayNames)}
		}
		on[weekday] = true
	}
	if len(days) == 0 {
		return on, &Problem{path + ".days", "the window opens on no day: write one or more of " + weekdayNames}
	}
	return on, nil
}

const weekdayNames = "Mon, Tue, Wed, Thu, Fri, Sat, Sun"

func newWeekly(w *v1alpha1.WeeklyWindow) (starts, *Problem) {
	on, problem := weekdaysOf("weekly", w.Days)
	if problem != nil {
		return nil, problem
	}
	s := &weekly{on: on}
	s.start, problem = timeOfDay("weekly", w.Start)
	return s, problem
}

// Next implements starts.
func (s *weekly) Next(wall time.Time) time.Time {
	for day := midnight(wall); ; day = day.AddDate(0, 0, 1) {
		if start := day.Add(s.start); s.on[day.Weekday()] && start.After(wall) {
			return start
		}
	}
}

// monthly opens at a time of day on one day of each month.
type monthly struct {
	// week is 0 for the first such weekday of the month, and negative for the last.
	week  int
	day   time.Weekday
	start time.Duration
}

var weeks = map[v1alpha1.WeekOfMonth]int{
	v1alpha1.WeekFirst: 0, v1alpha1.WeekSecond: 1, v1alpha1.WeekThird: 2, v1alpha1.WeekFourth: 3, v1alpha1.WeekLast: -1,
}

func newMonthly(w *v1alpha1.MonthlyWindow) (starts, *Problem) {
	week, ok := weeks[w.Week]
	if !ok {
		return nil, &Problem{"monthly.week", fmt.Sprintf("%q is not a week of a month: write First, Second, Third, Fourth or Last", w.Week)}
	}
	day, ok := weekdays[w.Day]
	if !ok {
		return nil, &Problem{"monthly.day", fmt.Sprintf("%q is not a day of the week: write one of %s", w.Day, weekdayNames)}
	}
	start, problem := timeOfDay("monthly", w.Start)
	return &monthly{week: week, day: day, start: start}, problem
}

// Next implements starts.
func (s *monthly) Next(wall time.Time) time.Time {
	for month := time.Date(wall.Year(), wall.Month(), 1, 0, 0, 0, 0, time.UTC); ; month = month.AddDate(0, 1, 0) {
		if start := s.dayOf(month).Add(s.start); start.After(wall) {
			return start
		}
	}
}

// dayOf is the day of a month, given by its first day.
func (s *monthly) dayOf(month time.Time) time.Time {
	if s.week < 0 {
		last := month.AddDate(0, 1, -1)
		return last.AddDate(0, 0, -int(last.Weekday()-s.day+7)%7)
	}
	return month.AddDate(0, 0, int(s.day-month.Weekday()+7)%7+7*s.week)
}
