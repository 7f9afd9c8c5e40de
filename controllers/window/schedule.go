package window

import (
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Schedule is the schedule of a policy, understood.
type Schedule struct {
	zone    *time.Location
	windows []window
	freezes []v1alpha1.Freeze
}

type window struct {
	starts
	duration time.Duration
	// daily has no starts and no duration.
	daily *daily
}

// State is how a schedule stands at an instant.
type State struct {
	Open bool
	// Freeze names the freeze that shuts what may be open otherwise.
	Freeze string
	// Opens is the next instant at which it opens; while it is open, after it has closed. Zero means never.
	Opens time.Time
	// Closes is the instant at which what is open closes. Zero is: no end is in sight.
	Closes time.Time
	// Freezes is when the next freeze begins; while there is one, and if there is none to come, it is zero.
	Freezes time.Time
	// Look is when the state may become another one at the earliest, these times included. Zero means never.
	Look time.Time
}

// Problem is what is wrong with a schedule, and what to write instead.
type Problem struct {
	// Path of the field, from the schedule on: windows[0].cron.
	Path string
	// Message is part of a sentence, without a full stop.
	Message string
}

// New understands a schedule. If it has problems there is no schedule, and all of them are returned in the order of its fields. Harmless
// values that the API server refuses are not reported again.
func New(spec *v1alpha1.ScheduleSpec) (*Schedule, []Problem) {
	var problems []Problem
	// Local is the zone of whatever machine the manager runs on.
	zone, err := time.LoadLocation(spec.TimeZone)
	if err != nil || spec.TimeZone == "Local" {
		problems = append(problems, Problem{"timeZone", fmt.Sprintf(
			"%q is not known: write a name of the IANA time zone database, such as Europe/Berlin", spec.TimeZone)})
	}
	s := &Schedule{zone: zone, freezes: spec.Freezes}
	for i := range spec.Windows {
		w, problem := newWindow(&spec.Windows[i])
		if problem != nil {
			problems = append(problems, Problem{fmt.Sprintf("windows[%d].%s", i, problem.Path), problem.Message})
			continue
		}
		s.windows = append(s.windows, w)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

func newWindow(spec *v1alpha1.ScheduleWindow) (window, *Problem) {
	if spec.Daily != nil {
		daily, problem := newDaily(spec.Daily)
		return window{daily: daily}, problem
	}
	starts, problem := startsOf(spec)
	if problem != nil {
		return window{}, problem
	}
	w := window{starts: starts, duration: time.Duration(spec.DurationSeconds) * time.Second}
	if w.duration <= 0 {
		return w, &Problem{"durationSeconds", fmt.Sprintf(
			"%d seconds: the window never opens; write how many seconds it stays open", spec.DurationSeconds)}
	}
	return w, nil
}

// someStarts is how many openings of a window are considered to find out how soon it opens again: more than a month of daily ones.
const someStarts = 64

// Overlaps says which windows last longer than the time until they open again: they never close, which no one writes on purpose. The API
// server refuses such weekly windows; for cron windows it cannot detect them.
func (s *Schedule) Overlaps() []Problem {
	var problems []Problem
	for i, w := range s.windows {
		if w.daily != nil {
			continue
		}
		if gap := leastGap(w.starts); gap > 0 && w.duration > gap {
			problems = append(problems, Problem{fmt.Sprintf("windows[%d].durationSeconds", i), fmt.Sprintf(
				"%d seconds, and the window opens again after %d: write %d or less", w.duration/time.Second, gap/time.Second, gap/time.Second)})
		}
	}
	return problems
}

// leastGap is the least wall time between two openings; zero if there are no two.
func leastGap(s starts) time.Duration {
	var least time.Duration
	last := s.Next(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	for range someStarts {
		next := s.Next(last)
		if last.IsZero() || next.IsZero() {
			return least
		}
		if gap := next.Sub(last); least == 0 || gap < least {
			least = gap
		}
		last = next
	}
	return least
}

// Zone is the time zone of the windows.
func (s *Schedule) Zone() *time.Location { return s.zone }

// Always says that the schedule is open at all times.
func (s *Schedule) Always() bool { return len(s.windows) == 0 && len(s.freezes) == 0 }

// At is the state at an instant.
func (s *Schedule) At(t time.Time) State {
	if freeze, frozen := s.freezeAt(t); frozen {
		opens := s.opening(t)
		return State{Freeze: freeze.Name, Opens: opens, Look: earliest(s.freezeEdge(t), opens)}
	}
	if len(s.windows) > 0 && !s.opened(t) {
		opens := s.opening(t)
		return State{Opens: opens, Freezes: s.nextFreeze(t), Look: earliest(s.freezeEdge(t), opens)}
	}
	state := State{Open: true, Freezes: s.nextFreeze(t)}
	state.Closes = earliest(s.closing(t), state.Freezes)
	state.Look = state.Closes
	if state.Closes.IsZero() {
		// An end may come into sight with the next opening.
		state.Look = s.nextStart(t)
		return state
	}
	state.Opens = s.opening(state.Closes)
	return state
}

// freezeAt is the freeze at an instant; if there are several, the one that ends last, then the first by name.
func (s *Schedule) freezeAt(t time.Time) (v1alpha1.Freeze, bool) {
	var last v1alpha1.Freeze
	found := false
	for _, f := range s.freezes {
		if t.Before(f.From.Time) || !t.Before(f.To.Time) {
			continue
		}
		if !found || f.To.After(last.To.Time) || f.To.Equal(&last.To) && f.Name < last.Name {
			last, found = f, true
		}
	}
	return last, found
}

// freezeEdge is the first instant after t at which a freeze begins or ends.
func (s *Schedule) freezeEdge(t time.Time) time.Time {
	var edge time.Time
	for _, f := range s.freezes {
		edge = earliest(edge, after(f.From.Time, t), after(f.To.Time, t))
	}
	return edge
}

// nextFreeze is when the next freeze after t begins.
func (s *Schedule) nextFreeze(t time.Time) time.Time {
	var next time.Time
	for _, f := range s.freezes {
		next = earliest(next, after(f.From.Time, t))
	}
	return next
}

// opening is the first instant from t on at which a window is open and there is no freeze.
func (s *Schedule) opening(t time.Time) time.Time {
	for {
		freeze, frozen := s.freezeAt(t)
		switch {
		case frozen:
			t = freeze.To.Time
		case len(s.windows) == 0 || s.opened(t):
			return t
		default:
			if t = s.nextStart(t); t.IsZero() {
				return t
			}
		}
	}
}

// opened says that a window is open at t, whatever the freezes say.
func (s *Schedule) opened(t time.Time) bool { return !s.openUntil(t).IsZero() }

// openUntil is the latest end of any window that is open at t; zero if none is.
func (s *Schedule) openUntil(t time.Time) time.Time {
	var until time.Time
	for i := range s.windows {
		if end := s.endAt(&s.windows[i], t); end.After(until) {
			until = end
		}
	}
	return until
}

// sight is how many consecutive windows are considered to find the end of what is open.
const sight = 100

// closing is when the windows that are open at t, and those that open before these close, are all closed; zero if no end is in sight.
func (s *Schedule) closing(t time.Time) time.Time {
	end := s.openUntil(t)
	for range sight {
		later := s.openUntil(end)
		if later.IsZero() {
			return end
		}
		end = later
	}
	return time.Time{}
}

// nextStart is the next instant after t at which any window opens.
func (s *Schedule) nextStart(t time.Time) time.Time {
	var next time.Time
	for i := range s.windows {
		next = earliest(next, s.startAfter(&s.windows[i], t))
	}
	return next
}

// startAfter is the next instant after t at which the window opens.
func (s *Schedule) startAfter(w *window, t time.Time) time.Time {
	if w.daily != nil {
		return w.daily.startAfter(t, s.zone)
	}
	// When clocks show a time for the second time, what opened at it has opened.
	for wall := w.Next(wallAt(t, s.zone)); !wall.IsZero(); wall = w.Next(wall) {
		if start := instantOf(wall, s.zone); start.After(t) {
			return start
		}
	}
	return time.Time{}
}

// endAt is when the window that opened last up to t closes; zero if it is closed at t.
func (s *Schedule) endAt(w *window, t time.Time) time.Time {
	if w.daily != nil {
		return w.daily.endAt(t, s.zone)
	}
	start, found := s.lastStart(w, t)
	if end := start.Add(w.duration); found && end.After(t) {
		return end
	}
	return time.Time{}
}

// lastStart is the last instant up to t at which the window opens, if what opened at it may still be open. There may be thousands of starts
// in the time that a window lasts, so it searches by halves.
func (s *Schedule) lastStart(w *window, t time.Time) (last time.Time, found bool) {
	next := func(wall time.Time) (start time.Time, over bool) {
		if wall = w.Next(wall); wall.IsZero() {
			return wall, false
		}
		start = instantOf(wall, s.zone)
		return start, !start.After(t)
	}
	now := wallAt(t, s.zone)
	low, high := now.Add(-w.duration-2*maxOffset).Truncate(time.Minute), now.Add(2*maxOffset).Truncate(time.Minute)
	last, found = next(low)
	if !found {
		return time.Time{}, false
	}
	// The start after low is over, and the one after high is not. Windows open at whole minutes.
	for high.Sub(low) > time.Minute {
		middle := low.Add(high.Sub(low) / 2).Truncate(time.Minute)
		if start, over := next(middle); over {
			low, last = middle, start
		} else {
			high = middle
		}
	}
	return last, true
}

// after is edge if it comes after t, and else zero.
func after(edge, t time.Time) time.Time {
	if edge.After(t) {
		return edge
	}
	return time.Time{}
}

// earliest of several instants; zero means never.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
