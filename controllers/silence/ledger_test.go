package silence

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// silenceOf is one of a node that is under way.
func silenceOf(node string, changes ...func(*Silence)) Silence {
	s := Silence{Key: Key{Node: node, RebootUID: node}, Duration: 10 * time.Minute}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func over(s *Silence) { s.State = Over }

func lingers(until time.Duration) func(*Silence) {
	return func(s *Silence) { s.State, s.Until = Lingering, now.Add(until) }
}

func TestWhatIsDoneAboutSilences(t *testing.T) {
	const minute = time.Minute
	for name, tc := range map[string]struct {
		held   map[string]time.Duration
		wanted []Silence
		// age of what is wanted.
		age   time.Duration
		want  string
		wake  time.Duration
		stale bool
	}{
		"nothing":                           {},
		"one is made":                       {wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"one that is new goes first":        {held: map[string]time.Duration{"a": minute}, wanted: []Silence{silenceOf("a"), silenceOf("b")}, want: "keep b 10m0s"},
		"one is good for half its time":     {held: map[string]time.Duration{"a": 10 * minute}, wanted: []Silence{silenceOf("a")}, wake: 5 * minute},
		"the next one is waited for":        {held: map[string]time.Duration{"a": 10 * minute, "b": 8 * minute}, wanted: []Silence{silenceOf("a"), silenceOf("b")}, wake: 3 * minute},
		"one is renewed at half":            {held: map[string]time.Duration{"a": 5 * minute}, wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"one that has lapsed is made again": {held: map[string]time.Duration{"a": 0}, wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"one that lasts too long is cut":    {held: map[string]time.Duration{"a": 60 * minute}, wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"what nobody asks for is ended":     {held: map[string]time.Duration{"a": minute}, want: "end a"},
		"what lapsed need not be ended":     {held: map[string]time.Duration{"a": 0}},
		"an attempt that failed is ended":   {held: map[string]time.Duration{"a": minute}, wanted: []Silence{silenceOf("a", over)}, want: "end a"},
		"one that failed has none":          {wanted: []Silence{silenceOf("a", over)}},
		"an end goes before what is made":   {held: map[string]time.Duration{"z": minute}, wanted: []Silence{silenceOf("a")}, want: "end z"},
		"after the proof it is cut":         {held: map[string]time.Duration{"a": 9 * minute}, wanted: []Silence{silenceOf("a", lingers(2*minute))}, want: "keep a 2m0s"},
		"after the proof it lapses":         {held: map[string]time.Duration{"a": 2 * minute}, wanted: []Silence{silenceOf("a", lingers(2*minute))}, wake: 2 * minute},
		"after the proof it is prolonged":   {held: map[string]time.Duration{"a": minute}, wanted: []Silence{silenceOf("a", lingers(20*minute))}, want: "keep a 20m0s"},
		"a pass of a moment ago counts":     {wanted: []Silence{silenceOf("a")}, age: 2 * minute, want: "keep a 8m0s"},
		"an old one makes none":             {wanted: []Silence{silenceOf("a")}, age: 3 * minute, stale: true},
		"an old one renews none":            {held: map[string]time.Duration{"a": 4 * minute}, wanted: []Silence{silenceOf("a")}, age: 6 * minute, wake: 4 * minute, stale: true},
		"an old one ends one":               {held: map[string]time.Duration{"a": 4 * minute}, wanted: []Silence{silenceOf("a", over)}, age: 6 * minute, want: "end a"},
		"after the proof and its time":      {held: map[string]time.Duration{"a": 9 * minute}, wanted: []Silence{silenceOf("a", lingers(-minute))}, want: "end a"},
		"after the proof none is made":      {wanted: []Silence{silenceOf("a", lingers(2*minute))}},
	} {
		t.Run(name, func(t *testing.T) {
			l := found()
			for node, lasts := range tc.held {
				l.Found(silenceOf(node), now.Add(lasts))
			}
			task, wake, stale := l.Next(Order{Silences: tc.wanted, At: now.Add(-tc.age)}, now)
			if stale != tc.stale {
				t.Errorf("stale: %t", stale)
			}
			got := ""
			if task != nil {
				got = fmt.Sprintf("keep %s %s", task.Silence.Node, task.Until.Sub(now))
				if task.Action == End {
					got = "end " + task.Silence.Node
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if want := now.Add(tc.wake); task == nil && tc.wake > 0 && !wake.Equal(want) || task == nil && tc.wake == 0 && !wake.IsZero() {
				t.Errorf("wakes at %s, want %s", wake, want)
			}
		})
	}
}

// found is a ledger that knows what former managers made: nothing.
func found() *Ledger {
	l := &Ledger{}
	l.Done(Task{Action: Find}, now)
	return l
}

func ask(silences ...Silence) Order { return Order{Silences: silences, At: now} }

func TestWhatMayHaveBeenMadeIsEndedAsWell(t *testing.T) {
	for name, wanted := range map[string][]Silence{
		"failed": {silenceOf("a", over)}, "gone": nil, "proved": {silenceOf("a", lingers(time.Minute))},
	} {
		t.Run(name, func(t *testing.T) {
			l, order := found(), ask(wanted...)
			task, _, _ := l.Next(ask(silenceOf("a")), now)
			l.Failed(*task, now, "no", true) // there was no answer in time
			if l.Held() != 0 || l.Empty() {
				t.Errorf("%d are held", l.Held())
			}
			if again, _, _ := l.Next(ask(silenceOf("a")), now.Add(time.Second)); again == nil || again.Action != Keep {
				t.Errorf("it is not tried again: %+v", again)
			}
			end, _, _ := l.Next(order, now)
			if end == nil || end.Action != End || !end.Unsure {
				t.Fatalf("it is not ended: %+v", end)
			}
			l.Failed(*end, now, "no", true)
			if again, _, _ := l.Next(order, now.Add(9*time.Minute)); again == nil || again.Action != End {
				t.Errorf("it is not ended in the end: %+v", again)
			}
			if task, _, _ := l.Next(order, now.Add(10*time.Minute)); task != nil || !l.Empty() {
				t.Errorf("it is ended though it has lapsed: %+v", task)
			}
		})
	}
	l := found()
	l.Found(silenceOf("a"), now.Add(5*time.Minute))
	renewal, _, _ := l.Next(ask(silenceOf("a")), now)
	l.Failed(*renewal, now, "no", true)
	if end, _, _ := l.Next(ask(), now); end == nil || end.Unsure {
		t.Errorf("one that exists is not ended for sure: %+v", end)
	}
	if end, _, _ := l.Next(ask(), now.Add(6*time.Minute)); end == nil || !end.Unsure {
		t.Errorf("one that may have been renewed is not ended: %+v", end)
	}
}

func TestWhatFailsLetsTheOthersGoFirst(t *testing.T) {
	l, order := found(), ask(silenceOf("a"), silenceOf("b"))
	var got []string
	for i := range 4 {
		task, _, _ := l.Next(order, now.Add(time.Duration(i)*10*time.Second))
		got = append(got, task.Silence.Node)
		l.Failed(*task, now.Add(time.Duration(i)*10*time.Second), "no", true)
	}
	later := now.Add(time.Minute)
	task, _, _ := l.Next(order, later)
	l.Done(*task, later)
	if len(l.failing) != 1 || l.Held() != 1 {
		t.Errorf("%v and %d held after one was done", l.failing, l.Held())
	}
	l.Next(ask(), now.Add(time.Hour))
	l.Next(ask(), now.Add(time.Hour))
	if diff := cmp.Diff([]string{"a", "b", "a", "b"}, got); diff != "" || len(l.failing) != 0 {
		t.Errorf("want (-), got (+):\n%s%v", diff, l.failing)
	}
}

func TestAServerWithoutAnAnswerIsLeftAloneButForWhatEnds(t *testing.T) {
	l := found()
	l.Found(silenceOf("z"), now.Add(8*time.Minute))
	task, _, _ := l.Next(ask(silenceOf("a"), silenceOf("b"), silenceOf("z")), now)
	l.Failed(*task, now, "no", false)
	order := ask(silenceOf("a"), silenceOf("b"), silenceOf("z"))
	if task, wake, _ := l.Next(order, now); task != nil || !wake.Equal(now.Add(time.Second)) {
		t.Errorf("%+v is tried at once, or at %s", task, wake)
	}
	order = ask(silenceOf("a"), silenceOf("b"), silenceOf("z", over))
	end, _, _ := l.Next(order, now)
	if end == nil || end.Action != End || end.Silence.Node != "z" {
		t.Fatalf("%+v is to be done, want the end of z", end)
	}
	l.Failed(*end, now, "no", false)
	if task, wake, _ := l.Next(order, now); task != nil || !wake.Equal(now.Add(2*time.Second)) {
		t.Errorf("%+v is tried at once, or at %s", task, wake)
	}
	if task, _, _ := l.Next(order, now.Add(2*time.Second)); task == nil || task.Silence.Node != "b" {
		t.Errorf("%+v is tried, want what was not yet", task)
	}
}

func TestAClockThatGoesBackDelaysNothing(t *testing.T) {
	l := found()
	l.Found(silenceOf("a"), now.Add(5*time.Minute))
	end, _, _ := l.Next(ask(), now.Add(time.Hour-time.Second))
	if end != nil {
		t.Fatalf("%+v is to be done after it lapsed", end)
	}
	l = found()
	l.Found(silenceOf("a"), now.Add(90*time.Minute))
	end, _, _ = l.Next(ask(), now.Add(time.Hour))
	l.Failed(*end, now.Add(time.Hour), "no", true)
	if again, _, _ := l.Next(ask(), now); again == nil || again.Action != End {
		t.Errorf("the end waits for a time that was: %+v", again)
	}
	order := Order{Silences: []Silence{silenceOf("a")}, At: now.Add(time.Hour)}.AsOf(now)
	if !order.At.Equal(now) || !(Order{At: now.Add(-time.Hour)}).AsOf(now).At.Equal(now.Add(-time.Hour)) {
		t.Errorf("the order is of %s", order.At)
	}
}
