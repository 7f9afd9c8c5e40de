package windows

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

// Schedule is when a policy lets nodes start, from a time on.
type Schedule struct {
	Policy   string `json:"policy"`
	TimeZone string `json:"timeZone,omitempty"`
	// Problems say why the schedule cannot be understood. Nothing starts then.
	Problems []string `json:"problems,omitempty"`
	// State says how it stands now.
	State v1alpha1.WindowState `json:"state,omitempty"`
	// Freeze is the current freeze.
	Freeze string `json:"freeze,omitempty"`
	// Opens and Closes are the next times at which it does, after every window and freeze. A missing time does not come, or is not in sight.
	Opens  *metav1.Time `json:"opens,omitempty"`
	Closes *metav1.Time `json:"closes,omitempty"`
	// AlwaysOpen says that there are no windows: it is open outside freezes.
	AlwaysOpen bool `json:"alwaysOpen,omitempty"`
	// MinRemainingSeconds is how much of a window has to be left for a node to start, if the policy says so.
	MinRemainingSeconds *int32 `json:"minRemainingSeconds,omitempty"`
	// Periods are the next windows, and the freezes that are not over, by their beginning.
	Periods []Period `json:"periods,omitempty"`

	zone *time.Location
}

// The kinds of periods.
const (
	KindWindow = "Window"
	KindFreeze = "Freeze"
)

// Period is a window or a freeze. Windows that overlap, or follow each other at once, are one.
type Period struct {
	Kind string `json:"kind"`
	// Name of the freeze.
	Name string `json:"name,omitempty"`
	// From and To are the ends; To is missing if no end is in sight, and From if the window has been open for more than a month.
	From    *metav1.Time `json:"from,omitempty"`
	To      *metav1.Time `json:"to,omitempty"`
	Seconds int64        `json:"seconds,omitempty"`
	// Now says that this is so now.
	Now bool `json:"now,omitempty"`
	// CutBy names freezes that fall into the window, and Open is what is left of it; nothing may be.
	CutBy []string `json:"cutBy,omitempty"`
	Open  []Span   `json:"open,omitempty"`
	// ClockChange says how clocks in the time zone of the policy are set in the window, or since the one before.
	ClockChange string `json:"clockChange,omitempty"`
}

// Span is a part of a window.
type Span struct {
	From metav1.Time `json:"from"`
	To   metav1.Time `json:"to"`
}

// Of finds the next windows of a policy, at most so many, and its freezes.
func Of(p *v1alpha1.RebootPolicy, now time.Time, next int) *Schedule {
	spec := &p.Spec.Schedule
	s := &Schedule{Policy: p.Name, TimeZone: spec.TimeZone, MinRemainingSeconds: spec.MinRemainingSeconds}
	for _, problem := range p.Unreadable {
		s.Problems = append(s.Problems, problem.String())
	}
	schedule, problems := window.New(spec)
	for _, problem := range problems {
		s.Problems = append(s.Problems, "spec.schedule."+problem.Path+": "+problem.Message)
	}
	if len(s.Problems) > 0 {
		slices.Sort(s.Problems)
		return s
	}
	s.zone, s.AlwaysOpen = schedule.Zone(), len(spec.Windows) == 0
	s.TimeZone = s.zone.String()
	s.stand(schedule.At(now))
	if !s.AlwaysOpen {
		bare := *spec
		bare.Freezes = nil
		// A schedule that is valid with freezes is valid without them.
		if unfrozen, none := window.New(&bare); len(none) == 0 {
			s.Periods = windowsOf(unfrozen, now, next)
		}
	}
	for i := range s.Periods {
		s.Periods[i].cut(spec.Freezes)
	}
	s.Periods = append(s.Periods, freezesOf(spec.Freezes, now)...)
	slices.SortStableFunc(s.Periods, func(a, b Period) int { return begin(&a).Compare(begin(&b)) })
	s.markClocks()
	return s
}

func (s *Schedule) stand(state window.State) {
	s.Freeze, s.Opens, s.Closes = state.Freeze, stamp(state.Opens), stamp(state.Closes)
	switch {
	case state.Freeze != "":
		s.State = v1alpha1.WindowFrozen
	case state.Open:
		s.State = v1alpha1.WindowOpen
	default:
		s.State = v1alpha1.WindowClosed
	}
}

func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

func begin(p *Period) time.Time {
	if p.From == nil {
		return time.Time{}
	}
	return p.From.Time
}

// back is how far back to look for the opening of the window that is open now.
const back = 32 * 24 * time.Hour

// windowsOf are the window that is open now and those that come, as if there were no freezes.
func windowsOf(schedule *window.Schedule, now time.Time, next int) []Period {
	var periods []Period
	for t := now.Add(-back); len(periods) < next; {
		state := schedule.At(t)
		from := t
		switch {
		case !state.Open && state.Opens.IsZero():
			return periods
		case !state.Open:
			from = state.Opens
			state = schedule.At(from)
		case len(periods) == 0 && t.Equal(now.Add(-back)):
			from = time.Time{} // it has been open for longer
		}
		if state.Closes.IsZero() || state.Closes.After(now) {
			periods = append(periods, newPeriod(KindWindow, "", from, state.Closes, now))
		}
		if state.Closes.IsZero() {
			return periods
		}
		t = state.Closes
	}
	return periods
}

func newPeriod(kind, name string, from, to, now time.Time) Period {
	p := Period{Kind: kind, Name: name, From: stamp(from), To: stamp(to), Now: !from.After(now) && (to.IsZero() || to.After(now))}
	if p.From != nil && p.To != nil {
		p.Seconds = int64(to.Sub(from) / time.Second)
	}
	return p
}

// freezesOf are those that are not over.
func freezesOf(freezes []v1alpha1.Freeze, now time.Time) []Period {
	var periods []Period
	for _, f := range freezes {
		if f.To.After(now) && f.To.After(f.From.Time) {
			periods = append(periods, newPeriod(KindFreeze, f.Name, f.From.Time, f.To.Time, now))
		}
	}
	return periods
}

// cut says which freezes fall into a window, and what is left of it.
func (p *Period) cut(freezes []v1alpha1.Freeze) {
	if p.To == nil {
		for _, f := range freezes {
			if f.To.After(begin(p)) {
				p.CutBy = append(p.CutBy, f.Name)
			}
		}
		return
	}
	left := []Span{{From: metav1.Time{Time: begin(p)}, To: *p.To}}
	for _, f := range freezes {
		if !f.From.Before(p.To) || !f.To.After(begin(p)) {
			continue
		}
		p.CutBy = append(p.CutBy, f.Name)
		var rest []Span
		for _, span := range left {
			rest = append(rest, without(span, f.From.Time, f.To.Time)...)
		}
		left = rest
	}
	slices.Sort(p.CutBy)
	if len(p.CutBy) > 0 {
		p.Open = left
	}
}

// without is what is left of a span.
func without(span Span, from, to time.Time) []Span {
	var left []Span
	if begins := span.From.Time; begins.Before(from) {
		left = append(left, Span{From: span.From, To: metav1.Time{Time: least(from, span.To.Time)}})
	}
	if ends := span.To.Time; ends.After(to) {
		left = append(left, Span{From: metav1.Time{Time: most(to, span.From.Time)}, To: span.To})
	}
	return left
}

func least(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func most(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// markClocks says where clocks are set in the time zone of the policy.
func (s *Schedule) markClocks() {
	var last *time.Time
	for i := range s.Periods {
		p := &s.Periods[i]
		if p.Kind != KindWindow || p.From == nil {
			continue
		}
		from := p.From.Time
		switch {
		case p.To != nil && offset(from, s.zone) != offset(p.To.Time, s.zone):
			p.ClockChange = changed(from, p.To.Time, s.zone) + " while it is open"
		case offset(from.Add(-time.Second), s.zone) != offset(from, s.zone):
			p.ClockChange = changed(from.Add(-time.Second), from, s.zone) + " as it opens"
		case last != nil && offset(*last, s.zone) != offset(from, s.zone):
			p.ClockChange = changed(*last, from, s.zone) + " since the window before"
		}
		last = &from
		if p.To != nil {
			last = &p.To.Time
		}
	}
}

func offset(t time.Time, zone *time.Location) int {
	_, seconds := t.In(zone).Zone()
	return seconds
}

// changed says how clocks are set between two times.
func changed(from, to time.Time, zone *time.Location) string {
	by := time.Duration(offset(to, zone)-offset(from, zone)) * time.Second
	word := "forward"
	if by < 0 {
		word, by = "back", -by
	}
	return fmt.Sprintf("clocks are set %s by %s", word, length(by))
}
