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
		want   string
		wake   time.Duration
	}{
		"nothing":                             {},
		"one is made":                         {wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"one that is new goes first":          {held: map[string]time.Duration{"a": minute}, wanted: []Silence{silenceOf("a"), silenceOf("b")}, want: "keep b 10m0s"},
		"one is good for half its time":       {held: map[string]time.Duration{"a": 10 * minute}, wanted: []Silence{silenceOf("a")}, wake: 5 * minute},
		"the next one is waited for":          {held: map[string]time.Duration{"a": 10 * minute, "b": 8 * minute}, wanted: []Silence{silenceOf("a"), silenceOf("b")}, wake: 3 * minute},
		"one is renewed at half":              {held: map[string]time.Duration{"a": 5 * minute}, wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"one that has lapsed is made again":   {held: map[string]time.Duration{"a": 0}, wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"one that lasts too long is cut":      {held: map[string]time.Duration{"a": 60 * minute}, wanted: []Silence{silenceOf("a")}, want: "keep a 10m0s"},
		"what nobody asks for is ended":       {held: map[string]time.Duration{"a": minute}, want: "end a"},
		"what lapsed need not be ended":       {held: map[string]time.Duration{"a": 0}},
		"an attempt that failed is ended":     {held: map[string]time.Duration{"a": minute}, wanted: []Silence{silenceOf("a", over)}, want: "end a"},
		"one that failed has none":            {wanted: []Silence{silenceOf("a", over)}},
		"an end goes before what is made":     {held: map[string]time.Duration{"z": minute}, wanted: []Silence{silenceOf("a")}, want: "end z"},
		"after the proof it is cut":           {held: map[string]time.Duration{"a": 9 * minute}, wanted: []Silence{silenceOf("a", lingers(2*minute))}, want: "keep a 2m0s"},
		"after the proof it lapses":           {held: map[string]time.Duration{"a": 2 * minute}, wanted: []Silence{silenceOf("a", lingers(2*minute))}, wake: 2 * minute},
		"after the proof it is not prolonged": {held: map[string]time.Duration{"a": minute}, wanted: []Silence{silenceOf("a", lingers(2*minute))}, wake: minute},
		"after the proof none is made":        {wanted: []Silence{silenceOf("a", lingers(2*minute))}},
	} {
		t.Run(name, func(t *testing.T) {
			var l Ledger
			for node, lasts := range tc.held {
				l.Found(silenceOf(node), now.Add(lasts))
			}
			task, wake := l.Next(tc.wanted, now)
			got := ""
			if task != nil {
				got = fmt.Sprintf("keep %s %s", task.Silence.Node, task.Until.Sub(now))
				if task.End {
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

func TestAnAttemptThatFailedIsNotSilencedAgainWhenItsNodeComesBackLate(t *testing.T) {
	var l Ledger
	step := func(s ...Silence) string {
		got := ""
		for range 5 {
			task, _ := l.Next(s, now)
			if task == nil {
				break
			}
			l.Done(*task)
			got += fmt.Sprintf("%t ", task.End)
		}
		return got
	}
	got := []string{
		step(silenceOf("a")), step(silenceOf("a", over)), step(silenceOf("a")), step(), step(silenceOf("a", func(s *Silence) { s.Attempt = 2 })),
	}
	if diff := cmp.Diff([]string{"false ", "true ", "", "", "false "}, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestWhatMayHaveBeenMadeIsEndedAsWell(t *testing.T) {
	for name, wanted := range map[string][]Silence{
		"failed": {silenceOf("a", over)}, "gone": nil, "proved": {silenceOf("a", lingers(time.Minute))},
	} {
		t.Run(name, func(t *testing.T) {
			var l Ledger
			task, _ := l.Next([]Silence{silenceOf("a")}, now)
			l.Failed(*task) // there was no answer in time
			if l.Held() != 0 || l.Empty() {
				t.Errorf("%d are held", l.Held())
			}
			if again, _ := l.Next([]Silence{silenceOf("a")}, now); again == nil || again.End {
				t.Errorf("it is not tried again: %+v", again)
			}
			end, _ := l.Next(wanted, now)
			if end == nil || !end.End || !end.Unsure {
				t.Fatalf("it is not ended: %+v", end)
			}
			l.Failed(*end)
			if again, _ := l.Next(wanted, now.Add(9*time.Minute)); again == nil || !again.End {
				t.Errorf("it is not ended in the end: %+v", again)
			}
			if task, _ := l.Next(wanted, now.Add(10*time.Minute)); task != nil || !l.Empty() {
				t.Errorf("it is ended though it has lapsed: %+v", task)
			}
		})
	}
	var l Ledger
	l.Found(silenceOf("a"), now.Add(5*time.Minute))
	renewal, _ := l.Next([]Silence{silenceOf("a")}, now)
	l.Failed(*renewal)
	if end, _ := l.Next(nil, now); end == nil || end.Unsure {
		t.Errorf("one that exists is not ended for sure: %+v", end)
	}
	if end, _ := l.Next(nil, now.Add(6*time.Minute)); end == nil || !end.Unsure {
		t.Errorf("one that may have been renewed is not ended: %+v", end)
	}
}

func TestWhatFailsLetsTheOthersGoFirst(t *testing.T) {
	var l Ledger
	wanted := []Silence{silenceOf("a"), silenceOf("b")}
	var got []string
	for range 4 {
		task, _ := l.Next(wanted, now)
		got = append(got, task.Silence.Node)
		l.Failed(*task)
	}
	task, _ := l.Next(wanted, now)
	l.Done(*task)
	if len(l.failures) != 1 || l.Held() != 1 {
		t.Errorf("%v and %d held after one was done", l.failures, l.Held())
	}
	l.Next(nil, now.Add(time.Hour))
	l.Next(nil, now.Add(time.Hour))
	if diff := cmp.Diff([]string{"a", "b", "a", "b"}, got); diff != "" || len(l.failures) != 0 {
		t.Errorf("want (-), got (+):\n%s%v", diff, l.failures)
	}
}
