package helper

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func by(id string, term int64) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) {
		r.Instance = v1alpha1.HelperInstance{ID: id, Term: term, PodName: "helper-" + id}
	}
}

func TestTheTermOfARunIsTheTimeOrHigherThanWhatItHasSeen(t *testing.T) {
	t.Parallel()
	now := testNow.UnixMilli()
	for name, test := range map[string]struct {
		now     time.Time
		reboots []*v1alpha1.NodeReboot
		want    int64
	}{
		"there is no NodeReboot":          {now: testNow, want: now},
		"nobody has reported":             {now: testNow, reboots: []*v1alpha1.NodeReboot{newReboot("x")}, want: now},
		"reports of before there were":    {now: testNow, reboots: []*v1alpha1.NodeReboot{newReboot("x", reported())}, want: now},
		"an earlier run":                  {now: testNow, reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("a", 7)))}, want: now},
		"a clock that was ahead":          {now: testNow, reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("a", now+7)))}, want: now + 8},
		"the highest of several":          {now: testNow, reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("a", now+9))), newReboot("y", reported(by("b", now)))}, want: now + 10},
		"one that is complete":            {now: testNow, reboots: []*v1alpha1.NodeReboot{newReboot("x", completed(v1alpha1.OutcomeSucceeded), reported(by("a", now+7)))}, want: now + 8},
		"there is no higher one":          {now: testNow, reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("a", maxTerm)))}, want: maxTerm},
		"a clock of before there was any": {now: time.Unix(-5, 0), want: 1},
	} {
		if got := nextTerm(test.now, test.reboots); got != test.want {
			t.Errorf("%s: term %d, want %d", name, got, test.want)
		}
	}
}

func TestWhichRunGoesOn(t *testing.T) {
	t.Parallel()
	self := v1alpha1.HelperInstance{ID: "m", Term: 10}
	for name, test := range map[string]struct {
		reboots []*v1alpha1.NodeReboot
		want    string
	}{
		"there is no other":              {},
		"nobody has reported":            {reboots: []*v1alpha1.NodeReboot{newReboot("x")}},
		"a helper of an earlier version": {reboots: []*v1alpha1.NodeReboot{newReboot("x", reported())}},
		"its own report":                 {reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("m", 10)))}},
		"a lower term":                   {reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("z", 9)))}},
		"a higher term":                  {reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("a", 11)))}, want: "a"},
		"the same term, a greater ID":    {reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("z", 10)))}, want: "z"},
		"the same term, a smaller ID":    {reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("a", 10)))}},
		"on another NodeReboot": {
			reboots: []*v1alpha1.NodeReboot{
				newReboot("x", reported(by("m", 10))), newReboot("y", completed(v1alpha1.OutcomeFailed), reported(by("a", 11))),
			},
			want: "a",
		},
		"the highest of several": {
			reboots: []*v1alpha1.NodeReboot{newReboot("x", reported(by("b", 12))), newReboot("y", reported(by("a", 11)))}, want: "b",
		},
	} {
		f := newFacts(test.reboots...)
		f.self = self
		got := ""
		if successor := f.successor(); successor != nil {
			got = successor.ID
		}
		if got != test.want {
			t.Errorf("%s: its successor is %q, want %q", name, got, test.want)
		}
		if d := decide(f); test.want != "" && (len(d.steps) > 0 || d.create != nil || d.successor == nil) {
			t.Errorf("%s: it is superseded and does %+v", name, d)
		}
	}
}

// writers follows who writes reports.
func (w *world) writers() func() []string {
	var written shared[[]string]
	w.reboots.afterReport.set(func(report *v1alpha1.HelperReport) {
		written.edit(func(all *[]string) { *all = append(*all, report.Instance.ID) })
	})
	return written.get
}

// alternations is how often another one writes than before.
func alternations(written []string) int {
	count := 0
	for i := range written {
		if i > 0 && written[i] != written[i-1] {
			count++
		}
	}
	return count
}

func (a *agent) isSuperseded() bool {
	err := a.ready()
	return err != nil && strings.Contains(err.Error(), "another helper of node n1, in pod helper-1, has taken over")
}

func TestOfTwoHelpersOnANodeTheLaterOneGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		written := w.writers()
		stopFirst := w.start()
		first := w.agent
		pass(time.Second)
		stopSecond := w.start()
		second := w.agent
		pass(time.Hour)
		if diff := cmp.Diff([]string{first.self.ID, second.self.ID}, written()); diff != "" {
			t.Fatalf("one report each, the later one last (-want +got):\n%s", diff)
		}
		if !first.isSuperseded() || second.ready() != nil {
			t.Fatalf("the first one says %v, the second one %v", first.ready(), second.ready())
		}
		w.pods.put(newPod("web"))
		w.order(1, v1alpha1.ActionDrain)
		pass(time.Minute)
		w.order(2, v1alpha1.ActionReboot)
		pass(time.Minute)
		w.wantReboots(1)
		if diff := cmp.Diff([]string{"web"}, w.pods.takeAsked()); diff != "" {
			t.Errorf("evictions (-want +got):\n%s", diff)
		}
		if n := alternations(written()); n != 1 {
			t.Errorf("the reports alternate %d times: %v", n, written())
		}
		w.sentinel.set(v1alpha1.SentinelNotRequired, true)
		pass(time.Minute)
		w.reboots.remove("x")
		pass(time.Hour)
		if !first.isSuperseded() {
			t.Error("what superseded a helper is deleted, and it goes on")
		}
		stopSecond()
		writes := w.reboots.writes.Load()
		w.sentinel.set(v1alpha1.SentinelRequired, true)
		pass(time.Minute)
		if made := w.reboots.writes.Load() - writes; made > 0 {
			t.Errorf("the pod of the other helper is there, and the superseded one writes %d times", made)
		}
		stopFirst()
	})
}

// Nothing is written when there is nothing to report, so two helpers of an idle node learn of each other with the next need.
func TestTwoHelpersOfAnIdleNodeAskForOneReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.sentinel = newFakeSentinel(v1alpha1.SentinelNotRequired)
		stopFirst := w.start()
		first := w.agent
		pass(time.Second)
		stopSecond := w.start()
		second := w.agent
		pass(24 * time.Hour)
		if n := w.reboots.writes.Load(); n != 0 || first.ready() != nil || second.ready() != nil {
			t.Fatalf("an idle node: %d writes, the first one says %v, the second one %v", n, first.ready(), second.ready())
		}
		written := w.writers()
		w.sentinel.set(v1alpha1.SentinelRequired, false)
		pass(10 * time.Minute)
		if list, _ := w.reboots.ListWithContext(t.Context(), metav1.ListOptions{}); len(list.(*v1alpha1.NodeRebootList).Items) != 1 {
			t.Errorf("NodeReboots: %v", list)
		}
		if !first.isSuperseded() || second.ready() != nil {
			t.Errorf("the first one says %v, the second one %v", first.ready(), second.ready())
		}
		// Each looks at the sentinel once a minute, so the second one may report twice.
		if all := written(); len(all) > 3 || alternations(all) > 1 || all[len(all)-1] != second.self.ID {
			t.Errorf("reports by %v", all)
		}
		stopSecond()
		stopFirst()
	})
}

// Both see the order at the same moment, neither knows of the other.
func TestOneOfTwoHelpersActsOnAnOrder(t *testing.T) {
	for name, action := range map[string]v1alpha1.OrderAction{"drain": v1alpha1.ActionDrain, "reboot": v1alpha1.ActionReboot} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pods.refuse["web"] = budgetRefusal("web")
				w.pods.put(newPod("web"))
				w.reboots.hold(true)
				stopFirst := w.start()
				stopSecond := w.start()
				w.order(1, action)
				w.reboots.hold(false)
				pass(30 * time.Second)
				if action == v1alpha1.ActionReboot {
					w.wantReboots(1)
				}
				writes := w.reboots.writes.Load()
				pass(20 * time.Second)
				if n := w.reboots.writes.Load() - writes; n > 1 {
					t.Errorf("%d writes in 20 seconds in which little happens", n)
				}
				stopSecond()
				stopFirst()
			})
		})
	}
}

// A process that was stopped in the middle and continues does not know what happened in the meantime.
func TestAHelperThatWasStoppedForAWhileFindsItselfSuperseded(t *testing.T) {
	inWorld(t, func(w *world) {
		stopFirst := w.start()
		first := w.agent
		pass(time.Second)
		var stopped, resume = make(chan struct{}), make(chan struct{})
		w.reboots.onReport.set(func(report *v1alpha1.HelperReport) error {
			if report.Instance.ID == first.self.ID {
				close(stopped) // just before it writes: it holds the NodeReboot as it was
				<-resume
			}
			return nil
		})
		w.order(1, v1alpha1.ActionReboot)
		<-stopped
		stopSecond := w.start()
		pass(time.Minute)
		w.wantReboots(1)
		report := w.report()
		close(resume)
		pass(time.Minute)
		w.wantReboots(1)
		if diff := cmp.Diff(report, w.report()); diff != "" || !first.isSuperseded() {
			t.Errorf("it says %v, and the report is another one (-before +after):\n%s", first.ready(), diff)
		}
		stopSecond()
		stopFirst()
	})
}

// A container that is started again is another run in the same pod, whatever the clock says in the meantime.
func TestAHelperThatIsStartedAgainGoesOn(t *testing.T) {
	for name, step := range map[string]time.Duration{"at once": 0, "with a clock that went back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				for i := range 3 {
					w.clock = steppedClock{clock.RealClock{}, time.Duration(i) * step}
					stop := w.start()
					pass(time.Minute)
					if err := w.agent.ready(); err != nil {
						t.Fatalf("run %d is not ready: %v", i, err)
					}
					if got := w.report().Instance; got != w.agent.self || got.Term == 0 || got.PodName != "helper-1" {
						t.Errorf("run %d: the report is of %+v", i, got)
					}
					stop()
				}
				if n := w.reboots.writes.Load(); n != 3 {
					t.Errorf("%d writes of three runs", n)
				}
			})
		})
	}
}

// steppedClock is ahead by a time.
type steppedClock struct {
	clock.WithTicker
	ahead time.Duration
}

func (c steppedClock) Now() time.Time { return c.WithTicker.Now().Add(c.ahead) }

func TestASupersededHelperStopsItsDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		stopFirst := w.start()
		first := w.agent
		w.pods.refuse["web"] = budgetRefusal("web")
		w.pods.put(newPod("web"))
		w.order(1, v1alpha1.ActionDrain)
		pass(10 * time.Second)
		w.reboots.edit(t, "x", func(r *v1alpha1.NodeReboot) { by("z", first.self.Term+1)(r.Status.Report) })
		synctest.Wait()
		w.pods.takeAsked()
		writes := w.reboots.writes.Load()
		pass(time.Minute)
		if asked := w.pods.takeAsked(); len(asked) > 0 || w.reboots.writes.Load() != writes {
			t.Errorf("evictions of %v, and %d writes", asked, w.reboots.writes.Load()-writes)
		}
		want := fmt.Sprintf("another helper of node n1, in pod helper-z, has taken over (term %d, this one has %d)",
			first.self.Term+1, first.self.Term)
		if err := first.ready(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %q", err, want)
		}
		stopFirst()
	})
}

func TestASupersededHelperGoesOnWhenTheOtherOneIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		stop := w.start()
		first := w.agent
		pass(time.Second)
		w.reboots.edit(t, "x", func(r *v1alpha1.NodeReboot) { by("z", first.self.Term+1)(r.Status.Report) })
		pass(10 * time.Minute)
		if err := first.ready(); err == nil {
			t.Fatal("it is not superseded")
		}
		if asked := w.rights.looked.Load(); asked < 5 || asked > 11 {
			t.Errorf("it looked for the other one's pod %d times in 10 minutes", asked)
		}
		w.order(1, v1alpha1.ActionReboot)
		pass(10 * time.Second)
		w.wantReboots(0)
		w.rights.gone.Store(true)
		pass(2 * time.Minute)
		w.wantReboots(1)
		if report := w.report(); first.ready() != nil || report.Instance.Term <= first.self.Term-1 || report.Instance.PodName != "helper-1" {
			t.Errorf("it says %v, and the report is of %+v", first.ready(), report.Instance)
		}
		stop()
	})
}
