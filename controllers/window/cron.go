package window

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// cronStarts are those of a cron expression.
type cronStarts struct{ cron.Schedule }

// cronSight is how far ahead the library looks, in years. February 29 can be 8 years away.
const cronSight = 5

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func newCron(expression string) (starts, *Problem) {
	wrong := func(format string, args ...any) (starts, *Problem) {
		return nil, &Problem{"cron", fmt.Sprintf("%q: ", expression) + fmt.Sprintf(format, args...)}
	}
	fields := strings.Fields(expression)
	// The library takes a time zone before the fields, and crashes on some; the zone of a window is that of its schedule.
	if strings.Contains(expression, "=") || len(fields) != len(cronFields) {
		return wrong("it does not have five fields: write minute, hour, day of the month, month and day of the week, such as 0 3 * * 1-5")
	}
	for i, field := range fields {
		if backward, list := cronFields[i].backward(field); backward != "" {
			return wrong("the range %s runs backward: write %s", backward, list)
		}
	}
	parsed, err := cronParser.Parse(expression)
	if err != nil {
		return wrong("%v", err)
	}
	s := cronStarts{parsed}
	if s.Next(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return wrong("there is no such day in any year, so the window never opens: write a day that the month has")
	}
	return s, nil
}

// cronField is what one field of an expression may say.
type cronField struct {
	least, most int
	// names of the values from the least on.
	names []string
}

var cronFields = []cronField{
	{0, 59, nil},
	{0, 23, nil},
	{1, 31, nil},
	{1, 12, strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")},
	{0, 6, strings.Fields("SUN MON TUE WED THU FRI SAT")},
}

// value of a number or a name.
func (f *cronField) value(text string) (int, bool) {
	for i, name := range f.names {
		if strings.EqualFold(name, text) {
			return f.least + i, true
		}
	}
	number, err := strconv.Atoi(text)
	return number, err == nil && number >= f.least && number <= f.most
}

// backward finds a range whose end comes before its beginning, and the list that says the same; it is empty if there is none. The library
// takes no such range, although FRI-MON is plain to people.
func (f *cronField) backward(field string) (found, list string) {
	for part := range strings.SplitSeq(field, ",") {
		ends, step, stepped := strings.Cut(part, "/")
		from, to, _ := strings.Cut(ends, "-") // without a range there is no end
		begin, okBegin := f.value(from)
		end, okEnd := f.value(to)
		if !okBegin || !okEnd || begin <= end {
			continue
		}
		every, err := strconv.Atoi(step)
		if !stepped || err != nil || every < 1 {
			every = 1
		}
		_, number := strconv.Atoi(from)
		return part, f.list(begin, end, every, number != nil)
	}
	return "", ""
}

// list the values of a range that passes the end of the field.
func (f *cronField) list(begin, end, every int, named bool) string {
	var all []string
	for value := begin; value <= end+f.most-f.least+1; value += every {
		wrapped := (value-f.least)%(f.most-f.least+1) + f.least
		if named && f.names != nil {
			all = append(all, f.names[wrapped-f.least])
		} else {
			all = append(all, strconv.Itoa(wrapped))
		}
	}
	return strings.Join(all, ",")
}

// Next implements starts.
func (s cronStarts) Next(wall time.Time) time.Time {
	next := s.Schedule.Next(wall)
	if next.IsZero() {
		next = s.Schedule.Next(wall.AddDate(cronSight, 0, 0))
	}
	return next
}
