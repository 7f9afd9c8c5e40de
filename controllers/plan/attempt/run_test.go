package attempt_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/attempt"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// row of a table: an attempt in a stage, what is different, and what comes of it.
type row struct {
	from stage
	with []change
	want outcome
	// says are words of any message: of the verdict, the attempt, the NodeReboot's outcome, or an event.
	says []string
}

// outcome is a Result in short; times are since the start.
type outcome struct {
	// Wait is the reason of the verdict.
	Wait string
	// Changed are fields of the attempt: + is set, - cleared, ~ another value. Result and Freed stand for its last ones.
	Changed  string
	Order    string
	Wake     time.Duration
	NeedPods bool
	Queries  int
	Hooks    string
	// Events are their reasons; ! is a warning.
	Events string
	Result string
	Freed  bool
	// Failures are all, those that reached the host, and the last reason.
	Failures string
	// Completed is the outcome of the NodeReboot and its reason.
	Completed string
}

func outcomeOf(before *v1alpha1.NodeRebootStatus, r *attempt.Result) outcome {
	s := r.Draft.Status
	o := outcome{
		Wait: r.Verdict.Reason, NeedPods: r.NeedPods, Queries: len(r.Queries), Hooks: strings.Join(r.PendingHooks, " "),
		Changed: changed(before.Attempt, s.Attempt), Result: s.Attempt.Result, Freed: r.Freed(),
	}
	if !r.Moment.Wake.IsZero() {
		o.Wake = r.Moment.Wake.Sub(start)
	}
	if s.Order != nil {
		o.Order = fmt.Sprintf("%s#%d until %s", s.Order.Action, s.Order.Sequence, s.Order.Deadline.Sub(start))
	}
	if f := s.Failures; f != nil {
		o.Failures = fmt.Sprintf("%d/%d %s", f.Count, f.Reboots, f.LastReason)
	}
	if s.Outcome != "" {
		o.Completed = string(s.Outcome) + " " + s.OutcomeReason
	}
	var events []string
	for _, e := range r.Draft.Events {
		mark := ""
		if e.Warning {
			mark = "!"
		}
		events = append(events, e.Reason+mark)
	}
	o.Events = strings.Join(events, " ")
	return o
}

// changed names the fields of an attempt that are not as they were.
func changed(before, after *v1alpha1.Attempt) string {
	if before == nil {
		before = &v1alpha1.Attempt{}
	}
	var names []string
	was, is := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for i := range was.NumField() {
		name := was.Type().Field(i).Name
		switch {
		case slices.Contains([]string{"Result", "Message", "EndedTime"}, name):
		case cmp.Equal(was.Field(i).Interface(), is.Field(i).Interface()):
		case was.Field(i).IsZero():
			names = append(names, "+"+name)
		case is.Field(i).IsZero():
			names = append(names, "-"+name)
		default:
			names = append(names, "~"+name)
		}
	}
	return strings.Join(names, " ")
}

func texts(r *attempt.Result) string {
	s := r.Draft.Status
	all := []string{r.Verdict.Message, s.Attempt.Message, s.OutcomeMessage}
	for _, e := range r.Draft.Events {
		all = append(all, e.Message)
	}
	return strings.Join(all, "\n")
}

func requireText(t *testing.T, result *attempt.Result, all ...string) {
	t.Helper()
	for _, words := range all {
		if !strings.Contains(texts(result), words) {
			t.Errorf("nothing says %q:\n%s", words, texts(result))
		}
	}
}

func advance(in *attempt.Input) attempt.Result { return attempt.Advance(in) }

// run tries each row, and of each also what has to hold of all: the input stays as it is, what is stamped is the moment, the messages are
// short enough, and the next pass has nothing to do unless something changes.
func run(t *testing.T, rows map[string]row, do func(*attempt.Input) attempt.Result) {
	t.Helper()
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := in(r.from, r.with...)
			result := checked(t, w, do)
			if diff := cmp.Diff(r.want, outcomeOf(&w.reboot.Status, &result)); diff != "" {
				t.Errorf("the outcome is another one (-want +got):\n%s\n%s", diff, texts(&result))
			}
			requireText(t, &result, r.says...)
		})
	}
}

func advanced(t *testing.T, rows map[string]row) {
	t.Helper()
	run(t, rows, attempt.Advance)
}

var comparers = cmp.Options{
	cmp.AllowUnexported(policies.Policy{}), cmp.Comparer(func(a, b labels.Selector) bool { return a.String() == b.String() }),
	cmp.FilterPath(func(p cmp.Path) bool { return strings.HasSuffix(p.String(), "schedule") }, cmp.Ignore()),
}

// checked does one step and checks what holds of all of them.
func checked(t *testing.T, w *world, do func(*attempt.Input) attempt.Result) attempt.Result {
	t.Helper()
	input, untouched := w.input(), w.input()
	result := do(input)
	if !reflect.DeepEqual(untouched, input) {
		t.Errorf("the input was modified (-before +after):\n%s", cmp.Diff(untouched, input, comparers, cmp.Comparer(sameDraft)))
	}
	if result.Draft.Object != input.Draft.Object {
		t.Error("the result is about another object")
	}
	checkStamps(t, w, result.Draft.Status)
	if wake := result.Moment.Wake; !wake.IsZero() && !wake.After(input.Moment.Now) {
		t.Errorf("it wakes at %s, which is not to come", wake)
	}
	for _, e := range result.Draft.Events {
		if !e.OnNode {
			t.Errorf("the event %s is not reported on the Node, too", e.Reason)
		}
	}
	if !result.Freed() {
		checkSettled(t, w, &result)
	}
	return result
}

func sameDraft(a, b model.Draft) bool {
	return cmp.Equal(a.Object, b.Object) && cmp.Equal(a.Status, b.Status) && len(a.Events) == len(b.Events)
}

// checkStamps finds times of the attempt that were set to another instant than that of the step.
func checkStamps(t *testing.T, w *world, s *v1alpha1.NodeRebootStatus) {
	t.Helper()
	before := w.reboot.Status.Attempt
	if before == nil {
		before = &v1alpha1.Attempt{}
	}
	was, is := reflect.ValueOf(before).Elem(), reflect.ValueOf(s.Attempt).Elem()
	for i := range is.NumField() {
		stamp, isTime := is.Field(i).Interface().(*metav1.MicroTime)
		if !isTime || stamp == nil || cmp.Equal(stamp, was.Field(i).Interface()) {
			continue
		}
		// An older version did not note the interruption: its time is the time of what it did note.
		older := is.Type().Field(i).Name == "InterruptedTime" && (stamp.Equal(before.StalledTime) || stamp.Equal(before.RolledBackTime))
		if !stamp.Equal(at(w.now)) && !older {
			t.Errorf("%s is %s and not the moment", is.Type().Field(i).Name, stamp)
		}
	}
}

// checkSettled advances once more with nothing changed but what was written.
func checkSettled(t *testing.T, w *world, first *attempt.Result) {
	t.Helper()
	next := *w
	next.reboot = w.reboot.DeepCopy()
	next.reboot.Status = *first.Draft.Status
	again := attempt.Advance(next.input())
	if !reflect.DeepEqual(first.Draft.Status, again.Draft.Status) {
		t.Errorf("the next pass changes the status again (-first +second):\n%s", cmp.Diff(first.Draft.Status, again.Draft.Status))
	}
	if diff := cmp.Diff(first.Verdict, again.Verdict); diff != "" {
		t.Errorf("the next pass says something else (-first +second):\n%s", diff)
	}
	if len(again.Draft.Events) > 0 {
		t.Errorf("the next pass tells events: %v", again.Draft.Events)
	}
	switch wake, later := first.Moment.Wake, again.Moment.Wake; {
	case later.IsZero(), !wake.IsZero() && !later.Before(wake): // one look more than needed does no harm
	default:
		t.Errorf("it wakes at %s, and the next pass would have woken at %s", wake, later)
	}
}

func diffOf[T any](want, got T) string { return cmp.Diff(want, got) }

// found are those of some words that a text has.
func found(words []string, text string) []string {
	var has []string
	for _, w := range words {
		if strings.Contains(text, w) {
			has = append(has, w)
		}
	}
	return has
}
