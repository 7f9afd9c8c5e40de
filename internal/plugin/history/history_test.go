package history_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history/recorded"
)

// start is when the need of every NodeReboot here began; the other times are minutes after it.
var start = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func micro(minutes int) *metav1.MicroTime { return ptr.To(metav1.NewMicroTime(at(minutes))) }

// need is a NodeReboot of node n that is required since the start.
func need(change func(*v1alpha1.NodeRebootStatus)) v1alpha1.NodeReboot {
	r := v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: "n-1", UID: "uid"},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: "n", Trigger: v1alpha1.TriggerSentinel},
		Status:     v1alpha1.NodeRebootStatus{RequiredSince: micro(0), PolicyName: "p", Reason: "Why", Message: "Because."},
	}
	if change != nil {
		change(&r.Status)
	}
	return r
}

// attempt of a NodeReboot that was granted after ten minutes.
func attempt(change func(*v1alpha1.NodeRebootStatus, *v1alpha1.Attempt)) v1alpha1.NodeReboot {
	return need(func(s *v1alpha1.NodeRebootStatus) {
		s.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *micro(10)}
		change(s, s.Attempt)
	})
}

func build(change func(*history.Input), reboots ...v1alpha1.NodeReboot) *history.Chart {
	in := &history.Input{
		Reboots: reboots, From: at(-60), To: at(100), Now: at(100),
		Nodes: []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "node"}}},
	}
	if change != nil {
		change(in)
	}
	return history.Build(in)
}

// describe the bars and marks of a row: "Waiting 0-10".
func describe(row *history.Row) []string {
	var all []string
	minutes := func(t time.Time) int { return int(t.Sub(start) / time.Minute) }
	for _, b := range row.Bars {
		text := fmt.Sprintf("%s %d-%d", b.Kind, minutes(b.Start), minutes(b.End))
		if b.Open {
			text += " open"
		}
		if b.Result != "" {
			text += " " + b.Result
		}
		all = append(all, text)
	}
	for _, m := range row.Marks {
		all = append(all, fmt.Sprintf("%s %d %s", m.Kind, minutes(m.Time), m.Reason))
	}
	return all
}

func TestBarsAreWhatIsRecorded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reboot v1alpha1.NodeReboot
		want   []string
	}{
		"a node waits": {need(nil), []string{"Waiting 0-100 open Why"}},
		"a need is withdrawn": {need(func(s *v1alpha1.NodeRebootStatus) {
			s.CompletionTime, s.Outcome, s.OutcomeReason = micro(5), v1alpha1.OutcomeCancelled, "NeedWithdrawn"
		}), []string{"Waiting 0-5 NeedWithdrawn", "Cancelled 5 NeedWithdrawn"}},
		"a reboot is proved": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			s.TaintedTime, s.CompletionTime, s.Outcome, s.OutcomeReason = micro(1), micro(30), v1alpha1.OutcomeSucceeded, "Proved"
			a.RebootOrderedTime, a.BackTime, a.EndedTime, a.Result = micro(15), micro(20), micro(30), "Proved"
		}), []string{"Waiting 0-10", "Draining 10-15", "Rebooting 15-20", "Recovering 20-30 Proved", "Tainted 1 ", "Proved 30 Proved"}},
		"a drain is stuck": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.StuckTime = micro(12) }),
			[]string{"Waiting 0-10", "Draining 10-12 DrainStuck", "Stuck 12-100 open Why"}},
		"a drain was stuck and was forced": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.StuckTime, a.DrainedTime, a.RebootOrderedTime = micro(12), micro(20), micro(21)
		}), []string{"Waiting 0-10", "Draining 10-12 DrainStuck", "Stuck 12-20", "Draining 20-21", "Rebooting 21-100 open Why"}},
		"a node is not back": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.StalledTime, a.InterruptedTime, a.Result = micro(15), micro(40), micro(40), "NodeNotBack"
		}), []string{"Waiting 0-10", "Draining 10-15", "Rebooting 15-40", "Stalled 40-100 open Why", "Failed 40 NodeNotBack"}},
		"a node was late": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.InterruptedTime, a.BackTime = micro(15), micro(40), micro(50)
		}), []string{"Waiting 0-10", "Draining 10-15", "Rebooting 15-40", "Stalled 40-50", "Recovering 50-100 open Why"}},
		"workloads do not recover": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.BackTime, a.StalledTime, a.InterruptedTime = micro(15), micro(20), micro(60), micro(60)
		}), []string{"Waiting 0-10", "Draining 10-15", "Rebooting 15-20", "Recovering 20-60", "Stalled 60-100 open Why"}},
		"an attempt is rolled back": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RolledBackTime, a.InterruptedTime, a.Result = micro(14), micro(14), "Paused"
		}), []string{"Waiting 0-10", "Draining 10-14", "RolledBack 14-100 open Why"}},
		"a node was late, and had not rebooted": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.InterruptedTime, a.RolledBackTime = micro(12), micro(20), micro(25)
		}), []string{"Waiting 0-10", "Draining 10-12", "Rebooting 12-20", "Stalled 20-25", "RolledBack 25-100 open Why"}},
		"an attempt failed, and the node waits again": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.RolledBackTime, a.InterruptedTime = micro(12), micro(14), micro(14)
			a.EndedTime, a.Result = micro(16), "RebootFailed"
			s.Failures = &v1alpha1.Failures{Count: 1, LastTime: *micro(14), LastReason: "RebootFailed"}
		}), []string{
			"Waiting 0-10", "Draining 10-12", "Rebooting 12-14", "RolledBack 14-16 RebootFailed", "Waiting 16-100 open Why",
			"Failed 14 RebootFailed",
		}},
		"another attempt was made, and failed": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.Number = 2
			s.Failures = &v1alpha1.Failures{Count: 1, LastTime: *micro(6), LastReason: "DrainTimedOut"}
		}), []string{"Earlier 0-6 DrainTimedOut", "Waiting 6-10", "Draining 10-100 open Why", "Failed 6 DrainTimedOut"}},
		"other attempts were made, and rolled back": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.Number = 3 }),
			[]string{"Earlier 0-10", "Draining 10-100 open Why"}},
		"a host rebooted without an order": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.BackTime = micro(20) }),
			[]string{"Waiting 0-10", "Draining 10-20", "Recovering 20-100 open Why"}},
		"the need came back after an attempt": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			s.RequiredSince = micro(50)
			a.RolledBackTime, a.EndedTime = micro(14), micro(16)
		}), []string{"Draining 10-14", "RolledBack 14-16", "Waiting 50-100 open Why"}},
		"a clock was set back": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.BackTime = micro(15), micro(12)
		}), []string{"Waiting 0-10", "Draining 10-15", "Recovering 12-100 open Why", "Rebooting 15-15"}},
		"an attempt without its beginning": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.GrantedTime = metav1.MicroTime{}
		}), []string{"Waiting 0-100 open Why"}},
		"an attempt without its beginning that ended": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.GrantedTime, a.BackTime, a.EndedTime, s.CompletionTime = metav1.MicroTime{}, micro(20), micro(30), micro(30)
		}), []string{"Waiting 0-30"}},
		"neither its need nor its beginning is recorded": {need(func(s *v1alpha1.NodeRebootStatus) {
			s.RequiredSince, s.CompletionTime, s.Outcome = nil, micro(5), v1alpha1.OutcomeCancelled
		}), []string{"Cancelled 5 "}},
		"a need that begins now": {need(func(s *v1alpha1.NodeRebootStatus) { s.RequiredSince = micro(100) }),
			[]string{"Waiting 100-100 open Why"}},
		"a need without a time": {need(func(s *v1alpha1.NodeRebootStatus) { s.RequiredSince, s.CompletionTime = &metav1.MicroTime{}, micro(5) }), nil},
		"it is approved": {need(func(s *v1alpha1.NodeRebootStatus) { s.ApprovedTime = micro(3) }),
			[]string{"Waiting 0-100 open Why", "Approved 3 "}},
		"more attempts were made than are known to have failed": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.Number = 3
			s.Failures = &v1alpha1.Failures{Count: 1, LastTime: *micro(6), LastReason: "DrainTimedOut"}
		}), []string{"Earlier 0-10", "Draining 10-100 open Why", "Failed 6 DrainTimedOut"}},
		"the failure is of the attempt that is recorded": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.Number, a.RolledBackTime = 2, micro(12)
			s.Failures = &v1alpha1.Failures{Count: 1, LastTime: *micro(12), LastReason: "DrainTimedOut"}
		}), []string{"Earlier 0-10", "Draining 10-12", "RolledBack 12-100 open Why", "Failed 12 DrainTimedOut"}},
		"an attempt was interrupted before the order to reboot": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.InterruptedTime, a.RolledBackTime = micro(12), micro(14)
		}), []string{"Waiting 0-10", "Draining 10-14", "RolledBack 14-100 open Why"}},
		"a drain was stuck in an earlier attempt": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.StuckTime = micro(5) }),
			[]string{"Waiting 0-10", "Draining 10-100 open Why"}},
		"a drain was stuck after the order to reboot": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.StuckTime, a.RebootOrderedTime = micro(20), micro(15)
		}), []string{"Waiting 0-10", "Draining 10-15", "Rebooting 15-100 open Why"}},
		"a stuck drain is over, and the node not ordered to reboot": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.StuckTime, a.DrainedTime = micro(12), micro(20)
		}), []string{"Waiting 0-10", "Draining 10-12 DrainStuck", "Stuck 12-20", "Draining 20-100 open Why"}},
		"a stuck drain is over when the node is ordered to reboot": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.StuckTime, a.DrainedTime, a.RebootOrderedTime = micro(12), micro(20), micro(20)
		}), []string{"Waiting 0-10", "Draining 10-12 DrainStuck", "Stuck 12-20", "Rebooting 20-100 open Why"}},
		"evicted pods do not come back": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RolledBackTime, a.StalledTime, a.Result = micro(14), micro(20), "Paused"
		}), []string{"Waiting 0-10", "Draining 10-14", "RolledBack 14-20 Paused", "Stalled 20-100 open Why"}},
		"evicted pods came back late": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RolledBackTime, a.StalledTime, a.EndedTime, a.Result = micro(14), micro(20), micro(30), "Paused"
		}), []string{"Waiting 0-10", "Draining 10-14", "RolledBack 14-30 Paused", "Waiting 30-100 open Why"}},
		"an attempt ran out of time, and was rolled back": {attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.StalledTime, a.RolledBackTime = micro(12), micro(14)
		}), []string{"Waiting 0-10", "Draining 10-14", "RolledBack 14-100 open Why"}},
		"it failed for good": {attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			a.RebootOrderedTime, a.EndedTime, s.CompletionTime = micro(12), micro(30), micro(30)
			s.Outcome, s.OutcomeReason, a.Result = v1alpha1.OutcomeFailed, "NodeNotBack", "NodeNotBack"
			s.Failures = &v1alpha1.Failures{Count: 1, LastTime: *micro(30), LastReason: "NodeNotBack"}
		}), []string{"Waiting 0-10", "Draining 10-12", "Rebooting 12-30 NodeNotBack", "Failed 30 NodeNotBack"}},
		"an outcome of a newer version": {need(func(s *v1alpha1.NodeRebootStatus) { s.CompletionTime, s.Outcome = micro(5), "Hibernated" }),
			[]string{"Waiting 0-5"}},
		"it ended before the time of the chart": {need(func(s *v1alpha1.NodeRebootStatus) {
			s.RequiredSince, s.CompletionTime = micro(-90), micro(-80)
		}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := build(nil, test.reboot)
			var got []string
			if len(chart.Lanes) > 0 {
				got = describe(&chart.Lanes[0].Rows[0])
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestABarSaysThatAClockWasSetBack(t *testing.T) {
	t.Parallel()
	chart := build(nil, attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
		a.RebootOrderedTime, a.BackTime = micro(15), micro(12)
	}))
	bars := chart.Lanes[0].Rows[0].Bars
	if note := bars[len(bars)-1].Note; !strings.Contains(note, "a clock was set back") {
		t.Errorf("the note is %q", note)
	}
}

func TestAnUnreadableNodeRebootIsShownAsSuch(t *testing.T) {
	t.Parallel()
	var broken v1alpha1.NodeReboot
	text := `{"metadata":{"name":"n-2","creationTimestamp":"2026-03-02T12:05:00Z"},"spec":{"nodeName":"n"},` +
		`"status":{"attempt":{"number":"many"}}}`
	if err := json.Unmarshal([]byte(text), &broken); err != nil {
		t.Fatal(err)
	}
	var nameless v1alpha1.NodeReboot
	text = `{"metadata":{"name":"n-3","creationTimestamp":"2026-03-02T12:05:00Z"},"spec":{"nodeName":7}}`
	if err := json.Unmarshal([]byte(text), &nameless); err != nil {
		t.Fatal(err)
	}
	chart := build(func(in *history.Input) { in.Stories = true }, broken, nameless)
	row := &chart.Lanes[0].Rows[0]
	if diff := cmp.Diff([]string{"Unknown 5-100 open Unreadable"}, describe(row)); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
	if note := row.Bars[0].Note; !strings.Contains(note, "status.attempt.number") {
		t.Errorf("the note is %q", note)
	}
	if len(row.Story) != 1 || !row.Story[0].Warning {
		t.Errorf("the story is %+v", row.Story)
	}
	if len(chart.Notes) != 1 || !strings.Contains(chart.Notes[0], "n-3") {
		t.Errorf("notes: %q", chart.Notes)
	}
	if want := (history.Summary{Policy: "", Reboots: 1, Unreadable: 1}); !cmp.Equal([]history.Summary{want}, chart.Policies) {
		t.Errorf("summaries: %+v", chart.Policies)
	}
}

func TestANodeThatIsGoneAndANameThatIsUsedAgainAreSaid(t *testing.T) {
	t.Parallel()
	gone := need(nil)
	gone.Spec.NodeName = "gone"
	gone.Status.Zone = "z"
	again := need(func(s *v1alpha1.NodeRebootStatus) { s.NodeUID = "another" })
	chart := build(nil, gone, again)
	if diff := cmp.Diff([]string{"z", ""}, []string{chart.Lanes[0].Zone, chart.Lanes[1].Zone}); diff != "" {
		t.Fatalf("zones (-want +got):\n%s", diff)
	}
	if row := chart.Lanes[0].Rows[0]; !row.Gone || row.Node != "gone" {
		t.Errorf("the row is %+v", row)
	}
	if note := build(nil, need(nil)).Lanes[0].Rows[0].Bars[0].Note; note != "Because." {
		t.Errorf("without the UID of a Node, the note is %q", note)
	}
	ended := need(func(s *v1alpha1.NodeRebootStatus) { s.NodeUID, s.CompletionTime = "another", micro(5) })
	if note := build(nil, ended).Lanes[0].Rows[0].Bars[0].Note; note != "It is about an earlier Node of this name." {
		t.Errorf("without another note, it is %q", note)
	}
	if row := chart.Lanes[1].Rows[0]; row.Gone || !strings.HasSuffix(row.Bars[0].Note, "It is about an earlier Node of this name.") {
		t.Errorf("the row is %+v", row)
	}
}

func TestEventsTellWhenAnEarlierAttemptBegan(t *testing.T) {
	t.Parallel()
	reboot := attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
		a.Number, a.DrainOrderedTime = 2, micro(10)
		s.Failures = &v1alpha1.Failures{Count: 1, LastTime: *micro(6), LastReason: "DrainTimedOut", LastMessage: "It took too long."}
	})
	event := func(minutes int, kind, name, reason, note string) eventsv1.Event {
		return eventsv1.Event{
			EventTime: *micro(minutes), Regarding: corev1.ObjectReference{Kind: kind, Name: name}, Reason: reason, Note: note,
			Type: corev1.EventTypeNormal,
		}
	}
	pressure := event(3, "Node", "n", "EvictionThresholdMet", "Attempting to reclaim memory")
	pressure.Type, pressure.Series = corev1.EventTypeWarning, &eventsv1.EventSeries{Count: 4}
	chart := build(func(in *history.Input) {
		in.Stories = true
		in.Events = []eventsv1.Event{
			event(10, "Node", "n", "Draining", "NodeReboot n-1: Node n is being drained."), // recorded as well
			event(4, "Node", "n", "Draining", "NodeReboot n-1: Node n is being drained."),
			event(5, "NodeReboot", "n-1", "HookTimedOut", "Nobody did it"),
			event(2, "Node", "n", "NodeHasSufficientMemory", "of no interest"), pressure,
			event(5, "Node", "another", "NodeNotReady", "of another node"), event(5, "Pod", "n", "Killing", "of a pod"),
		}
	}, reboot)
	row := &chart.Lanes[0].Rows[0]
	want := []string{"Waiting 0-4", "Earlier 4-6 DrainTimedOut", "Waiting 6-10", "Draining 10-100 open Why", "Failed 6 DrainTimedOut"}
	if diff := cmp.Diff(want, describe(row)); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
	var story []string
	for _, e := range row.Story {
		story = append(story, fmt.Sprintf("%d %s", int(e.Time.Sub(start)/time.Minute), e.Text))
	}
	wantStory := []string{
		"0 The host asked for a reboot.", "3 EvictionThresholdMet: Attempting to reclaim memory (4 times).",
		"4 Draining: Node n is being drained.", "5 HookTimedOut: Nobody did it.", "6 An attempt failed (DrainTimedOut): It took too long.",
		"10 Attempt 2 began under policy p.", "10 The drain began.", "100 Now it is there (Why): Because.",
	}
	if diff := cmp.Diff(wantStory, story); diff != "" {
		t.Errorf("story (-want +got):\n%s", diff)
	}
}

func TestEventsOfSomeAttemptsDoNotTellWhenTheFirstBegan(t *testing.T) {
	t.Parallel()
	chart := build(func(in *history.Input) {
		in.Events = []eventsv1.Event{{
			EventTime: *micro(4), Regarding: corev1.ObjectReference{Kind: "Node", Name: "n"}, Reason: "Draining",
			Note: "NodeReboot n-1: It is drained.",
		}}
	}, attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.Number = 3 }))
	if diff := cmp.Diff([]string{"Earlier 0-10", "Draining 10-100 open Why"}, describe(&chart.Lanes[0].Rows[0])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// drain is the Event of the operator about the drain of a NodeReboot.
func drain(reboot string, at time.Time) eventsv1.Event {
	return eventsv1.Event{
		EventTime: metav1.NewMicroTime(at), Regarding: corev1.ObjectReference{Kind: "Node", Name: "n"}, Reason: "Draining",
		Note: "NodeReboot " + reboot + ": It is drained.",
	}
}

func TestOnlyEventsOfEarlierAttemptsTellWhenTheyBegan(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		number int32
		events []eventsv1.Event
		want   []string
	}{
		"the first of one":            {2, []eventsv1.Event{drain("n-1", at(4))}, []string{"Waiting 0-4", "Earlier 4-10"}},
		"the first of two":            {3, []eventsv1.Event{drain("n-1", at(6)), drain("n-1", at(4))}, []string{"Waiting 0-4", "Earlier 4-10"}},
		"one of another NodeReboot":   {2, []eventsv1.Event{drain("n-2", at(4))}, []string{"Earlier 0-10"}},
		"one before the need":         {2, []eventsv1.Event{drain("n-1", at(-5))}, []string{"Earlier 0-10"}},
		"the drain that is under way": {2, []eventsv1.Event{drain("n-1", at(10).Add(3*time.Second))}, []string{"Earlier 0-10"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := build(func(in *history.Input) { in.Events = test.events },
				attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.Number = test.number }))
			if diff := cmp.Diff(append(slices.Clip(test.want), "Draining 10-100 open Why"), describe(&chart.Lanes[0].Rows[0])); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEventIsToldUnlessItIsRecordedOrOfNoInterest(t *testing.T) {
	t.Parallel()
	event := func(change func(*eventsv1.Event)) eventsv1.Event {
		e := eventsv1.Event{
			EventTime: *micro(50), Regarding: corev1.ObjectReference{Kind: "Node", Name: "n"}, Type: corev1.EventTypeNormal,
			Reason: "NodeNotReady", Note: "Not ready",
		}
		change(&e)
		return e
	}
	for name, test := range map[string]struct {
		change func(*eventsv1.Event)
		want   []string
	}{
		"of the kubelet":      {func(*eventsv1.Event) {}, []string{"50m0s NodeNotReady: Not ready."}},
		"of no interest":      {func(e *eventsv1.Event) { e.Reason = "NodeHasSufficientMemory" }, nil},
		"a warning":           {func(e *eventsv1.Event) { e.Reason, e.Type = "Odd", corev1.EventTypeWarning }, []string{"50m0s Odd: Not ready."}},
		"seen twice":          {func(e *eventsv1.Event) { e.DeprecatedCount = 2 }, []string{"50m0s NodeNotReady: Not ready (2 times)."}},
		"seen once":           {func(e *eventsv1.Event) { e.DeprecatedCount = 1 }, []string{"50m0s NodeNotReady: Not ready."}},
		"before the chart":    {func(e *eventsv1.Event) { e.EventTime = *micro(-61) }, nil},
		"after the chart":     {func(e *eventsv1.Event) { e.EventTime = *micro(101) }, nil},
		"not of the operator": {func(e *eventsv1.Event) { e.Note = "NodeReboot is a nice word" }, []string{"50m0s NodeNotReady: NodeReboot is a nice word."}},
		"with its first time": {func(e *eventsv1.Event) {
			e.EventTime, e.DeprecatedFirstTimestamp, e.DeprecatedLastTimestamp = metav1.MicroTime{}, metav1.NewTime(at(51)), metav1.NewTime(at(52))
		}, []string{"51m0s NodeNotReady: Not ready."}},
		"with its last time": {func(e *eventsv1.Event) {
			e.EventTime, e.DeprecatedLastTimestamp, e.CreationTimestamp = metav1.MicroTime{}, metav1.NewTime(at(52)), metav1.NewTime(at(53))
		}, []string{"52m0s NodeNotReady: Not ready."}},
		"with the time of its object": {func(e *eventsv1.Event) { e.EventTime, e.CreationTimestamp = metav1.MicroTime{}, metav1.NewTime(at(53)) },
			[]string{"53m0s NodeNotReady: Not ready."}},
		"without a time": {func(e *eventsv1.Event) { e.EventTime = metav1.MicroTime{} }, nil},
		"recorded, five seconds later": {func(e *eventsv1.Event) {
			*e = drain("n-1", at(10).Add(5*time.Second))
		}, nil},
		"recorded, six seconds later": {func(e *eventsv1.Event) { *e = drain("n-1", at(10).Add(6*time.Second)) }, []string{"10m6s Draining: It is drained."}},
		"of another NodeReboot":       {func(e *eventsv1.Event) { *e = drain("n-2", at(10)) }, []string{"10m0s Draining: It is drained."}},
		"without a reason": {func(e *eventsv1.Event) {
			e.EventTime, e.Reason, e.Regarding = *micro(0), "", corev1.ObjectReference{Kind: "NodeReboot", Name: "n-1"}
		}, []string{"0s : Not ready."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := build(func(in *history.Input) { in.Stories, in.Events = true, []eventsv1.Event{event(test.change)} },
				attempt(func(_ *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) { a.DrainOrderedTime = micro(10) }))
			var got []string
			for _, e := range chart.Lanes[0].Rows[0].Story {
				if e.Event {
					got = append(got, fmt.Sprintf("%s %s", e.Time.Sub(start), e.Text))
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestARolloutIsSummedUp(t *testing.T) {
	t.Parallel()
	rollout := recorded.End(t)
	chart := history.Build(&history.Input{
		Reboots: rollout.Reboots, Policies: rollout.Policies, Nodes: rollout.Nodes,
		From: rollout.Now.Add(-time.Hour), To: rollout.Now, Now: rollout.Now,
	})
	s := chart.Policies[0]
	if s.Policy != "all-nodes" || s.Reboots != 11 || s.Proved != 10 || s.Cancelled != 1 || s.Tainted != 9 || s.Longest != "worker-a2" {
		t.Errorf("the summary is %+v", s)
	}
	var lead int64
	for i := range rollout.Reboots {
		lead += ptr.Deref(rollout.Reboots[i].Status.TaintLeadSeconds, 0)
	}
	if s.TaintLeadSeconds != lead || lead == 0 {
		t.Errorf("the lead is %d, and that of all NodeReboots %d", s.TaintLeadSeconds, lead)
	}
	var zones []string
	for _, lane := range chart.Lanes {
		zones = append(zones, lane.Zone)
	}
	if diff := cmp.Diff([]string{"b", "a", "c"}, zones); diff != "" {
		t.Errorf("zones in the order of the policy (-want +got):\n%s", diff)
	}
}

func TestNodesAndPoliciesAreChosen(t *testing.T) {
	t.Parallel()
	mine, other, third := need(nil), need(nil), need(nil)
	other.Spec.NodeName, other.Name, other.Status.PolicyName = "m", "m-1", "q"
	third.Spec.NodeName, third.Name, third.Status.PolicyName = "z", "z-1", "r"
	old := need(func(s *v1alpha1.NodeRebootStatus) { s.RequiredSince, s.CompletionTime = micro(-90), micro(-80) })
	old.Spec.NodeName = "gone"
	for name, test := range map[string]struct {
		change func(*history.Input)
		want   []string
	}{
		"all":                     {nil, []string{"m", "n", "z"}},
		"a policy":                {func(in *history.Input) { in.OnlyPolicies = []string{"q"} }, []string{"m"}},
		"a node":                  {func(in *history.Input) { in.OnlyNodes = []string{"n"} }, []string{"n"}},
		"a node without a reboot": {func(in *history.Input) { in.OnlyNodes = []string{"idle"} }, []string{"idle"}},
		"a node and a policy":     {func(in *history.Input) { in.OnlyNodes, in.OnlyPolicies = []string{"n"}, []string{"q"} }, []string{"m", "n"}},
		"every node":              {func(in *history.Input) { in.AllNodes = true }, []string{"idle", "m", "n", "z"}},
		"every node of one policy and a node": {func(in *history.Input) {
			in.AllNodes, in.OnlyNodes, in.OnlyPolicies = true, []string{"n"}, []string{"q"}
		}, []string{"m", "n"}},
		"every node of one policy": {func(in *history.Input) { in.AllNodes, in.OnlyPolicies = true, []string{"q"} }, []string{"m"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := build(func(in *history.Input) {
				in.Nodes = append(in.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "idle"}})
				if test.change != nil {
					test.change(in)
				}
			}, mine, other, third, old)
			var got []string
			for _, lane := range chart.Lanes {
				for i := range lane.Rows {
					got = append(got, lane.Rows[i].Node)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsExpectedOfOtherPoliciesIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*history.Input)
		want   string
	}{
		"all":          {nil, "m n"},
		"a policy":     {func(in *history.Input) { in.OnlyPolicies = []string{"p"} }, "n"},
		"another node": {func(in *history.Input) { in.OnlyNodes = []string{"m"} }, "m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := build(func(in *history.Input) {
				in.Forecast = []history.Expected{
					{Node: "n", Policy: "p", Start: at(90), End: at(95)}, {Node: "m", Policy: "q", Start: at(90), End: at(95)},
				}
				if test.change != nil {
					test.change(in)
				}
			})
			var got []string
			for i := range chart.Lanes[0].Rows {
				if row := &chart.Lanes[0].Rows[i]; len(row.Bars) == 1 {
					got = append(got, row.Node)
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("bars have %q", got)
			}
		})
	}
}

func TestWhatEndedBeforeTheChartSaysNothingAboutANode(t *testing.T) {
	t.Parallel()
	chart := build(func(in *history.Input) { in.AllNodes = true }, need(func(s *v1alpha1.NodeRebootStatus) {
		s.RequiredSince, s.CompletionTime, s.Zone = micro(-90), micro(-80), "z"
	}))
	if row := chart.Lanes[0].Rows[0]; row.Policy != "" || chart.Lanes[0].Zone != "" || chart.Policies != nil {
		t.Errorf("the chart is %+v", chart)
	}
}

func TestStoriesWindowsAndFreezesAreOnlyThereIfTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	frozen := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	frozen.Spec.Schedule.Freezes = []v1alpha1.Freeze{{Name: "release", From: metav1.NewTime(at(10)), To: metav1.NewTime(at(20))}}
	for _, asked := range []bool{true, false} {
		chart := build(func(in *history.Input) {
			in.Stories, in.NoShades, in.Policies = asked, !asked, []v1alpha1.RebootPolicy{frozen}
			in.Events = []eventsv1.Event{drain("n-1", at(4))}
		}, need(nil))
		if got := len(chart.Lanes[0].Rows[0].Story) > 0; got != asked {
			t.Errorf("asked for (%t), there is a story: %t", asked, got)
		}
		if got := len(chart.Shades) > 0; got != asked {
			t.Errorf("asked for (%t), there is a shade: %t", asked, got)
		}
	}
}

func TestTheZoneOfANodeIsThatOfItsLabelOrOfItsLastReboot(t *testing.T) {
	t.Parallel()
	rack := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	rack.Spec.Rollout.Zones.TopologyKey = "rack"
	later := func(zone, attempted string) v1alpha1.NodeReboot {
		r := attempt(func(s *v1alpha1.NodeRebootStatus, a *v1alpha1.Attempt) {
			s.RequiredSince, s.Zone, a.Zone = micro(5), zone, attempted
		})
		r.Name = "n-2"
		return r
	}
	for name, test := range map[string]struct {
		labels   map[string]string
		policies []v1alpha1.RebootPolicy
		reboots  []v1alpha1.NodeReboot
		want     string
	}{
		"its label":               {map[string]string{corev1.LabelTopologyZone: "a", "rack": "r"}, nil, []v1alpha1.NodeReboot{later("y", "z")}, "a"},
		"the label of its policy": {map[string]string{corev1.LabelTopologyZone: "a", "rack": "r"}, []v1alpha1.RebootPolicy{rack}, []v1alpha1.NodeReboot{later("y", "z")}, "r"},
		"the usual label": {map[string]string{corev1.LabelTopologyZone: "a"}, []v1alpha1.RebootPolicy{{ObjectMeta: metav1.ObjectMeta{Name: "p"}}},
			[]v1alpha1.NodeReboot{later("y", "z")}, "a"},
		"its attempt":          {nil, nil, []v1alpha1.NodeReboot{later("y", "z")}, "z"},
		"its NodeReboot":       {nil, nil, []v1alpha1.NodeReboot{later("y", "")}, "y"},
		"the last of two":      {nil, nil, []v1alpha1.NodeReboot{later("y", "z"), need(func(s *v1alpha1.NodeRebootStatus) { s.Zone = "x" })}, "z"},
		"the one that has one": {nil, nil, []v1alpha1.NodeReboot{later("", ""), need(func(s *v1alpha1.NodeRebootStatus) { s.Zone = "x" })}, "x"},
		"none":                 {nil, nil, []v1alpha1.NodeReboot{later("", "")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := build(func(in *history.Input) { in.Nodes[0].Labels, in.Policies = test.labels, test.policies }, test.reboots...)
			if got := chart.Lanes[0].Zone; got != test.want {
				t.Errorf("it is %q, not %q", got, test.want)
			}
		})
	}
}

func TestZonesAreInTheOrderOfTheFirstPolicyThatNamesThem(t *testing.T) {
	t.Parallel()
	chart := build(func(in *history.Input) {
		in.Nodes, in.AllNodes = nil, true
		for _, zone := range []string{"a", "b", "c", "e", "d", ""} {
			labels := map[string]string{corev1.LabelTopologyZone: zone}
			in.Nodes = append(in.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "in-" + zone, Labels: labels}})
		}
		for i := range 20 {
			p := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p-%02d", i)}}
			p.Spec.Rollout.Zones.Order = []string{"a", "b", "c"}
			if i == 0 {
				p.Spec.Rollout.Zones.Order = []string{"c", "b"}
			}
			in.Policies = append(in.Policies, p)
		}
	})
	var got []string
	for _, lane := range chart.Lanes {
		got = append(got, lane.Zone)
	}
	if diff := cmp.Diff([]string{"c", "b", "a", "d", "e", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestThePolicyOfANodeIsThatOfItsAttemptWhileThatLasts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attempt *v1alpha1.Attempt
		want    string
	}{
		"no attempt":                {nil, "owner"},
		"one that lasts":            {&v1alpha1.Attempt{PolicyName: "granted"}, "granted"},
		"one that has ended":        {&v1alpha1.Attempt{PolicyName: "granted", EndedTime: micro(5)}, "owner"},
		"one that names no policy":  {&v1alpha1.Attempt{}, "owner"},
		"one that ended without it": {&v1alpha1.Attempt{EndedTime: micro(5)}, "owner"},
	} {
		r := need(func(s *v1alpha1.NodeRebootStatus) { s.PolicyName, s.Attempt = "owner", test.attempt })
		if got := history.PolicyOf(&r); got != test.want {
			t.Errorf("%s: it is %q", name, got)
		}
	}
}

func TestWindowsAndFreezesAreShaded(t *testing.T) {
	t.Parallel()
	policy := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1alpha1.RebootPolicySpec{Schedule: v1alpha1.ScheduleSpec{
		TimeZone: "Europe/Berlin",
		Windows:  []v1alpha1.ScheduleWindow{{Cron: "0 13,14 * * *", DurationSeconds: 1800}},
		Freezes: []v1alpha1.Freeze{
			{Name: "release", From: metav1.NewTime(at(10)), To: metav1.NewTime(at(20))},
			{Name: "old", From: metav1.NewTime(at(-900)), To: metav1.NewTime(at(-800))},
		},
	}}}
	chart := build(func(in *history.Input) { in.Policies = []v1alpha1.RebootPolicy{policy} }, need(nil))
	var got []string
	for _, s := range chart.Shades {
		got = append(got, fmt.Sprintf("%s %s %d-%d", s.Kind, s.Name, int(s.From.Sub(start)/time.Minute), int(s.To.Sub(start)/time.Minute)))
	}
	if diff := cmp.Diff([]string{"Window  0-30", "Freeze release 10-20", "Window  60-90"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAScheduleThatCannotBeUnderstoodIsANote(t *testing.T) {
	t.Parallel()
	wrong := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	wrong.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "whenever", DurationSeconds: 60}}
	often := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "often"}}
	often.Spec.Schedule.Windows = []v1alpha1.ScheduleWindow{{Cron: "0,10,20,30,40,50 * * * *", DurationSeconds: 60}}
	var unreadable v1alpha1.RebootPolicy
	if err := json.Unmarshal([]byte(`{"metadata":{"name":"u"},"spec":{"priority":"high"}}`), &unreadable); err != nil {
		t.Fatal(err)
	}
	chart := build(func(in *history.Input) {
		in.Policies = []v1alpha1.RebootPolicy{wrong, often, unreadable}
		in.OnlyPolicies, in.From = []string{"p", "often", "u"}, at(-60*24*365)
	}, need(nil))
	for _, want := range []string{
		"RebootPolicy often has more windows in this time than are shown", "RebootPolicy u cannot be read",
		"The windows of RebootPolicy p are not shown: schedule.windows[0]",
	} {
		if !slices.ContainsFunc(chart.Notes, func(n string) bool { return strings.HasPrefix(n, want) }) {
			t.Errorf("no note says %q: %q", want, chart.Notes)
		}
	}
}

func TestWhatIsExpectedIsAForecastBar(t *testing.T) {
	t.Parallel()
	chart := build(func(in *history.Input) {
		in.To = at(300)
		in.Forecast = []history.Expected{
			{Node: "n", Policy: "p", Start: at(110), End: at(120)}, {Node: "new", Policy: "p", Zone: "z", Start: at(130), End: at(120)},
			{Node: "never", Policy: "p"},
		}
	}, need(nil))
	want := [][]string{{"UnderWay 130-130"}, {"Waiting 0-100 open Why", "UnderWay 110-120"}}
	if got := [][]string{describe(&chart.Lanes[0].Rows[0]), describe(&chart.Lanes[1].Rows[0])}; !cmp.Equal(want, got) {
		t.Errorf("bars are %q", got)
	}
	if !chart.Lanes[1].Rows[0].Bars[1].Forecast {
		t.Error("what is expected is drawn as if it had happened")
	}
}

// Whatever times an object has, its chart has no bar that ends before it begins, and none that is not in the time of the chart.
func TestAnyTimesMakeAChart(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	moment := func() *metav1.MicroTime {
		switch random.IntN(6) {
		case 0, 1:
			return nil
		case 2:
			return ptr.To(metav1.NewMicroTime(time.Date(random.IntN(9999)+1, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
		return micro(random.IntN(200) - 50)
	}
	for i := range 5000 {
		r := need(func(s *v1alpha1.NodeRebootStatus) {
			s.RequiredSince, s.TaintedTime, s.CompletionTime = moment(), moment(), moment()
			s.Outcome = []v1alpha1.Outcome{"", v1alpha1.OutcomeSucceeded, v1alpha1.OutcomeFailed, v1alpha1.OutcomeCancelled, "New"}[random.IntN(5)]
			s.Attempt = &v1alpha1.Attempt{
				Number: random.Int32N(4), CordonedTime: moment(), DrainOrderedTime: moment(), StuckTime: moment(), DrainedTime: moment(),
				DetachedTime: moment(), RebootOrderedTime: moment(), BackTime: moment(), RolledBackTime: moment(), StalledTime: moment(),
				InterruptedTime: moment(),
				EndedTime:       moment(), NodeGoneTime: moment(), UncordonedTime: moment(), RecoveredTime: moment(),
			}
			if granted := moment(); granted != nil {
				s.Attempt.GrantedTime = *granted
			}
			if failed := moment(); failed != nil {
				s.Failures = &v1alpha1.Failures{Count: random.Int32N(4), LastTime: *failed}
			}
		})
		chart := build(func(in *history.Input) { in.Stories = true }, r)
		for _, lane := range chart.Lanes {
			for _, bar := range lane.Rows[0].Bars {
				if bar.End.Before(bar.Start) || bar.End.Before(chart.From) || bar.Start.After(chart.To) || bar.Kind == "" {
					t.Fatalf("run %d: bar %+v of %+v", i, bar, r.Status)
				}
			}
			if !slices.IsSortedFunc(lane.Rows[0].Story, func(x, y history.Entry) int { return x.Time.Compare(y.Time) }) {
				t.Fatalf("run %d: the story is not in order: %+v", i, lane.Rows[0].Story)
			}
		}
	}
}

func TestFifteenThousandNodesMakeAChart(t *testing.T) {
	t.Parallel()
	const count = 15000
	in := &history.Input{From: at(-60), To: at(100), Now: at(100), AllNodes: true, Stories: true}
	for i := range count {
		name := fmt.Sprintf("node-%d", i)
		in.Nodes = append(in.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}})
		for k := range 3 {
			r := need(nil)
			r.Name, r.Spec.NodeName = fmt.Sprintf("%s-%d", name, k), name
			in.Reboots = append(in.Reboots, r)
		}
	}
	chart := history.Build(in)
	if rows := chart.Lanes[0].Rows; len(rows) != count || rows[10].Node != "node-10" || len(rows[10].Bars) != 3 {
		t.Errorf("there are %d rows", len(rows))
	}
}

func TestNamesAreInTheOrderOfTheirNumbers(t *testing.T) {
	t.Parallel()
	want := []string{"", "2", "10", "a", "node", "node-02", "node-2", "node-10", "node-10-a", "node-10a", "node-x", "ü1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, history.Natural)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSpansAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.0s", 4250 * time.Millisecond: "4.2s", 59900 * time.Millisecond: "59s", 87 * time.Second: "1m27s", 125 * time.Minute: "2h05m",
		76 * time.Hour: "3d04h", -90 * time.Second: "-1m30s",
	} {
		if got := history.Span(d); got != want {
			t.Errorf("%d is written as %q, not as %q", d, got, want)
		}
	}
}
