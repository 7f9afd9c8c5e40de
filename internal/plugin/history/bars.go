package history

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// clockNote is what is said about a bar whose recorded end is before its beginning.
const clockNote = "Its recorded end is before its start: a clock was set back."

// drawing is one NodeReboot as bars and marks.
type drawing struct {
	*builder
	r     *v1alpha1.NodeReboot
	bars  []Bar
	marks []Mark
}

// draw makes the bars and marks of a NodeReboot that are in the time of the chart.
func (b *builder) draw(r *v1alpha1.NodeReboot) *drawing {
	d := &drawing{builder: b, r: r}
	s, begin := &r.Status, beginning(r)
	switch attempt := s.Attempt; {
	case r.SetAside():
		d.unreadable(begin)
		return d
	case attempt == nil || attempt.GrantedTime.IsZero():
		d.span(Waiting, begin, moment(s.CompletionTime), 0, s.OutcomeReason, s.OutcomeMessage)
	default:
		ended := moment(attempt.EndedTime)
		again := !ended.IsZero() && begin.After(ended) // the need was withdrawn after the attempt, and came back
		if !again {
			d.before(begin, attempt)
			begin = ended // zero while the attempt lasts, and what has no beginning is not drawn
		}
		d.attempt(attempt)
		d.span(Waiting, begin, moment(s.CompletionTime), 0, s.OutcomeReason, s.OutcomeMessage)
	}
	d.outcome()
	d.ofEarlierNode()
	return d
}

// unreadable draws a NodeReboot whose progress is unknown.
func (d *drawing) unreadable(begin time.Time) {
	d.add(Bar{Kind: Unknown, Start: begin, Open: true, Result: v1alpha1.ReasonUnreadable,
		Note: fmt.Sprintf("A part of it cannot be read: %s.", strings.TrimSuffix(d.r.Unreadable[0].String(), "."))})
}

// before draws the time before the attempt that is recorded.
func (d *drawing) before(begin time.Time, attempt *v1alpha1.Attempt) {
	granted, failures := attempt.GrantedTime.Time, d.r.Status.Failures
	if attempt.Number <= 1 {
		d.span(Waiting, begin, granted, 0, "", "")
		return
	}
	count := attempt.Number - 1
	note := fmt.Sprintf("There %s %s before this one; ", model.Form(count, "was", "were"), model.Count(count, "attempt"))
	if failures == nil || !failures.LastTime.Time.Before(granted) || failures.Count != count {
		start, when := d.earlier(begin, granted, count)
		d.span(Waiting, begin, start, 0, "", "")
		d.span(Earlier, start, granted, 0, "", note+when)
		return
	}
	start, when := d.earlier(begin, failures.LastTime.Time, count)
	d.span(Waiting, begin, start, 0, "", "")
	d.span(Earlier, start, failures.LastTime.Time, count, failures.LastReason, fmt.Sprintf(
		"%s%s The last one failed (%s): %s", note, when, failures.LastReason, failures.LastMessage))
	d.span(Waiting, failures.LastTime.Time, granted, 0, "", "")
}

// earlier is when the first of so many attempts before a time began, and a clause about it. Only Events tell, and only if there is one of
// each attempt.
func (d *drawing) earlier(begin, end time.Time, count int32) (start time.Time, when string) {
	var known []time.Time
	for _, t := range d.drains[d.r.Name] {
		if t.After(begin) && t.Before(end.Add(sameMoment)) {
			known = append(known, t)
		}
	}
	if len(known) != int(count) || !known[0].Before(end) {
		return begin, "it is not recorded when."
	}
	return known[0], "when the first drain began is known from its Event."
}

// attempt draws the attempt that is recorded.
func (d *drawing) attempt(a *v1alpha1.Attempt) {
	granted, ordered, back := a.GrantedTime.Time, moment(a.RebootOrderedTime), moment(a.BackTime)
	rolledBack, ended := moment(a.RolledBackTime), moment(a.EndedTime)
	d.drain(a, granted, first(ordered, back, rolledBack, ended))
	if !ordered.IsZero() {
		d.watched(Rebooting, a, ordered, first(back, rolledBack, ended))
	}
	switch {
	case !back.IsZero():
		d.watched(Recovering, a, back, ended)
	case !rolledBack.IsZero():
		d.rolledBack(a, rolledBack, ended)
	}
}

// drain draws the time from the slot to the order to reboot, or to the end of the attempt.
func (d *drawing) drain(a *v1alpha1.Attempt, granted, end time.Time) {
	stuck, drained := moment(a.StuckTime), moment(a.DrainedTime)
	if stuck.Before(granted) || !end.IsZero() && stuck.After(end) {
		d.span(Draining, granted, end, a.Number, "", "")
		return
	}
	d.span(Draining, granted, stuck, a.Number, v1alpha1.ReasonDrainStuck, "")
	free := first(drained, end)
	d.span(Stuck, stuck, free, a.Number, a.Result, a.Message)
	d.span(Draining, free, end, a.Number, "", "")
}

// watched draws a span after the order to reboot, which may run out of time and be watched further on.
func (d *drawing) watched(kind Kind, a *v1alpha1.Attempt, start, end time.Time) {
	late := first(moment(a.StalledTime), moment(a.InterruptedTime))
	if late.Before(start) || !end.IsZero() && !late.Before(end) {
		d.span(kind, start, end, a.Number, d.result(a, end), d.message(a, end))
		return
	}
	d.span(kind, start, late, a.Number, "", "")
	d.span(Stalled, late, end, a.Number, d.result(a, end), d.message(a, end))
}

// rolledBack draws the wait for evicted pods after an attempt without a reboot.
func (d *drawing) rolledBack(a *v1alpha1.Attempt, start, end time.Time) {
	late := moment(a.StalledTime)
	if late.Before(start) || !end.IsZero() {
		d.span(RolledBack, start, end, a.Number, a.Result, a.Message)
		return
	}
	d.span(RolledBack, start, late, a.Number, a.Result, a.Message)
	d.span(Stalled, late, end, a.Number, a.Result, a.Message)
}

// result and message of the attempt belong to the bar that ends with it.
func (d *drawing) result(a *v1alpha1.Attempt, end time.Time) string {
	if end.Equal(moment(a.EndedTime)) {
		return a.Result
	}
	return ""
}

func (d *drawing) message(a *v1alpha1.Attempt, end time.Time) string {
	if end.Equal(moment(a.EndedTime)) {
		return a.Message
	}
	return ""
}

// span adds a bar; nothing if its beginning is not recorded, or it takes no time. One without an end is open, and says what the NodeReboot
// says now.
func (d *drawing) span(kind Kind, start, end time.Time, number int32, result, note string) {
	bar := Bar{Kind: kind, Start: start, End: end, Attempt: number, Result: result, Note: note}
	if end.IsZero() {
		bar.Open, bar.Result, bar.Note = true, d.r.Status.Reason, d.r.Status.Message
	}
	d.add(bar)
}

func (d *drawing) add(bar Bar) {
	bar.Reboot, bar.UID = d.r.Name, string(d.r.UID)
	if bar.Start.IsZero() {
		return
	}
	switch {
	case bar.Open:
		bar.End = latest(bar.Start, d.Now)
	case bar.End.Before(bar.Start):
		bar.End, bar.Note = bar.Start, sentences(bar.Note, clockNote)
	}
	if !bar.Open && bar.End.Equal(bar.Start) && !strings.Contains(bar.Note, clockNote) {
		return
	}
	if overlaps(bar.Start, bar.End, d.From, d.To) {
		d.bars = append(d.bars, bar)
	}
}

// outcome adds the marks.
func (d *drawing) outcome() {
	s := &d.r.Status
	d.mark(Tainted, moment(s.TaintedTime), "", "")
	d.mark(Approved, moment(s.ApprovedTime), "", strings.TrimSpace("by "+s.ApprovedBy))
	completed := moment(s.CompletionTime)
	if f := s.Failures; f != nil && (completed.IsZero() || f.LastTime.Time.Before(completed)) {
		d.mark(Failed, f.LastTime.Time, f.LastReason, f.LastMessage)
	}
	if a := s.Attempt; a != nil && a.BackTime == nil && a.RolledBackTime == nil {
		d.mark(Failed, moment(a.StalledTime), a.Result, a.Message)
	}
	kinds := map[v1alpha1.Outcome]MarkKind{
		v1alpha1.OutcomeSucceeded: Proved, v1alpha1.OutcomeFailed: Failed, v1alpha1.OutcomeCancelled: Cancelled,
	}
	if kind, known := kinds[s.Outcome]; known {
		d.mark(kind, completed, s.OutcomeReason, s.OutcomeMessage)
	}
}

func (d *drawing) mark(kind MarkKind, when time.Time, reason, note string) {
	if !overlaps(when, when, d.From, d.To) { // nor is a moment that is not recorded
		return
	}
	d.marks = append(d.marks, Mark{Kind: kind, Time: when, Reboot: d.r.Name, UID: string(d.r.UID), Reason: reason, Note: note})
}

// ofEarlierNode notes that the NodeReboot is about a Node that had the name before.
func (d *drawing) ofEarlierNode() {
	node := d.nodes[d.r.Spec.NodeName]
	if node == nil || d.r.Status.NodeUID == "" || string(node.UID) == d.r.Status.NodeUID {
		return
	}
	for i := range d.bars {
		d.bars[i].Note = sentences(d.bars[i].Note, "It is about an earlier Node of this name.")
	}
}

// sentences puts two notes together.
func sentences(texts ...string) string {
	var all []string
	for _, text := range texts {
		if text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, " ")
}

// moment is a time that may be missing, which is zero.
func moment(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// first is the first of these that is not zero.
func first(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func latest(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}
	return y
}
