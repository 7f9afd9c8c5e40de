package window

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// starts are the wall times at which a window opens. cron.Schedule has the same method, and reads no clock.
type starts interface {
	// Next is the first one after a wall time.
	Next(wall time.Time) time.Time
}

func startsOf(w *v1alpha1.ScheduleWindow) (starts, error) {
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
func timeOfDay(text string) (time.Duration, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("start %q is no time of day such as 22:00", text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

func midnight(wall time.Time) time.Time { return wall.Truncate(24 * time.Hour) }

// weekly opens at a time of day on some weekdays.
type weekly struct {
	on    [7]bool
	start time.Duration
}

func newWeekly(w *v1alpha1.WeeklyWindow) (starts, error) {
	s := &weekly{}
	for _, day := range w.Days {
		weekday, ok := weekdays[day]
		if !ok {
			return nil, fmt.Errorf("%q is no day of the week", day)
		}
		s.on[weekday] = true
	}
	if len(w.Days) == 0 {
		return nil, errors.New("a weekly window has no days")
	}
	var err error
	s.start, err = timeOfDay(w.Start)
	return s, err
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

func newMonthly(w *v1alpha1.MonthlyWindow) (starts, error) {
	week, ok := weeks[w.Week]
	day, known := weekdays[w.Day]
	if !ok || !known {
		return nil, fmt.Errorf("%q %q is no day of a month", w.Week, w.Day)
	}
	start, err := timeOfDay(w.Start)
	return &monthly{week: week, day: day, start: start}, err
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

// cronStarts are those of a cron expression.
type cronStarts struct{ cron.Schedule }

const (
	cronFields = 5
	// cronSight is how far ahead the library looks, in years. February 29 can be 8 years away.
	cronSight = 5
)

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func newCron(expression string) (starts, error) {
	// The library takes a time zone before the fields, and crashes on some; the zone of a window is that of its schedule.
	if strings.Contains(expression, "=") || len(strings.Fields(expression)) != cronFields {
		return nil, fmt.Errorf("cron %q does not have five fields", expression)
	}
	parsed, err := cronParser.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("cron %q: %w", expression, err)
	}
	s := cronStarts{parsed}
	if s.Next(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("cron %q: there is no such day in any year, so the window never opens", expression)
	}
	return s, nil
}

// Next implements starts.
func (s cronStarts) Next(wall time.Time) time.Time {
	next := s.Schedule.Next(wall)
	if next.IsZero() {
		next = s.Schedule.Next(wall.AddDate(cronSight, 0, 0))
	}
	return next
}
