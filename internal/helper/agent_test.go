package helper

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// world is a node with its API server, in a bubble. Helpers come and go in it.
type world struct {
	t        *testing.T
	reboots  *fakeReboots
	pods     *fakePods
	rights   *fakeRights
	host     *fakeHost
	sentinel *fakeSentinel
	// requests are the EvictionRequests of the helpers, nil if they use none.
	requests *countedWithdrawals
	// agent is the helper that was started last.
	agent *agent
	// clock is that of the helpers, clockOffset what they know about the host's.
	clock       clock.WithTicker
	clockOffset func() (time.Duration, bool)
}

func newWorld(t *testing.T) *world {
	return &world{
		t:        t,
		reboots:  &fakeReboots{fakeStore: newFakeStore[*v1alpha1.NodeReboot](func() list { return &v1alpha1.NodeRebootList{} })},
		pods:     newFakePods(),
		rights:   newFakeRights(),
		host:     &fakeHost{bootID: bootA},
		sentinel: newFakeSentinel(v1alpha1.SentinelRequired),

		clock:       clock.RealClock{},
		clockOffset: func() (time.Duration, bool) { return 0, false },
	}
}

// start runs a helper until the returned function is called.
func (w *world) start() (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	a := &agent{
		Options: Options{
			NodeName: testNode, Host: w.host, Sentinel: w.sentinel, Log: logr.Discard(), PollInterval: time.Minute, Clock: w.clock,
		},
		api:         w.reboots,
		source:      w.reboots,
		pods:        w.pods,
		rights:      w.rights,
		neighbors:   w.rights,
		clockOffset: w.clockOffset,
		reboots:     newMirror[*v1alpha1.NodeReboot](),
		written:     map[types.UID]string{},
		allowance:   newAllowance(),
		jobs:        map[types.UID]*running{},
		progress:    make(chan struct{}, 1),
		self:        newInstance("helper-1"),
	}
	if w.requests != nil {
		a.requests = w.requests
	}
	w.agent = a
	go a.follow(ctx)
	go a.work(ctx)
	synctest.Wait()
	return func() {
		cancel()
		synctest.Wait()
	}
}

// order gives an order as the manager does.
func (w *world) order(sequence int64, action v1alpha1.OrderAction, change ...func(*v1alpha1.RebootOrder)) {
	w.t.Helper()
	w.reboots.edit(w.t, "x", func(r *v1alpha1.NodeReboot) {
		ordered(sequence, action, append([]func(*v1alpha1.RebootOrder){func(o *v1alpha1.RebootOrder) {
			o.Deadline = metav1.NewMicroTime(time.Now().Add(drainTimeout))
		}}, change...)...)(r)
	})
	synctest.Wait()
}

func (w *world) withdraw() {
	w.t.Helper()
	w.reboots.edit(w.t, "x", func(r *v1alpha1.NodeReboot) { r.Status.Order = nil })
	synctest.Wait()
}

func (w *world) report() *v1alpha1.HelperReport {
	w.t.Helper()
	reboot, ok := w.reboots.get("x")
	if !ok {
		w.t.Fatal("the NodeReboot is gone")
	}
	return reboot.Status.Report
}

// ofAnyRun looks at what a report says, and neither at which run of a helper wrote it nor at the path of a reboot: instance_test.go and
// orders_test.go do.
var ofAnyRun = cmpopts.IgnoreFields(v1alpha1.HelperReport{}, "Instance", "Via")

func (w *world) wantReport(change ...func(*v1alpha1.HelperReport)) {
	w.t.Helper()
	if diff := cmp.Diff(newReport(change...), w.report(), ofAnyRun); diff != "" {
		w.t.Errorf("report (-want +got):\n%s", diff)
	}
}

func (w *world) wantReboots(want int) {
	w.t.Helper()
	if got := len(w.host.reboots()); got != want {
		w.t.Errorf("the host was ordered to reboot %d times, want %d", got, want)
	}
}

// inWorld runs a test in a bubble, with a NodeReboot x that carries the need.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.reboots.put(newReboot("x", before(bootA)))
		test(w)
		synctest.Wait()
	})
}

func TestWhatIsInTheWayOfARebootIsReportedAndRemoved(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.obstacle.set("there is no logind")
		defer w.start()()
		inTheWay := func(r *v1alpha1.HelperReport) {
			r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: "there is no logind"}}
		}
		w.wantReport(inTheWay)
		w.host.obstacle.set("")
		pass(9 * time.Second)
		w.wantReport(inTheWay)
		pass(time.Second)
		w.wantReport()
		writes := w.reboots.writes.Load()
		w.host.obstacle.set(strings.Repeat("x", 2*maxObstacle))
		pass(49 * time.Second)
		w.wantReport()
		pass(11 * time.Second)
		if got := len(w.report().Methods[0].Obstacle); got != maxObstacle || w.reboots.writes.Load() != writes+1 {
			t.Errorf("an obstacle of %d characters, %d writes", got, w.reboots.writes.Load()-writes)
		}
	})
}

func TestWhatComesInTheWayWithAHintIsReportedAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.wantReport()
		w.host.obstacle.set("a lock")
		w.sentinel.set(v1alpha1.SentinelRequired, true)
		pass(0)
		w.wantReport(func(r *v1alpha1.HelperReport) {
			r.Methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: "a lock"}}
		})
	})
}

// A host that does not say what is in the way, because its bus hangs, does not hold up what the helper does.
func TestAHostThatIsSlowToAnswerHoldsUpNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		stop := w.start()
		w.host.slow.Store(true)
		pass(time.Minute)
		w.sentinel.set(v1alpha1.SentinelNotRequired, true)
		pass(0)
		w.wantReport(sentinelIs(v1alpha1.SentinelNotRequired))
		stop()
	})
}

func TestAHelperIsNotReadyWhileItsSentinelIsUnknown(t *testing.T) {
	inWorld(t, func(w *world) {
		a := &agent{Options: Options{Sentinel: w.sentinel, Log: logr.Discard()}, reboots: newMirror[*v1alpha1.NodeReboot](), source: w.reboots}
		ctx, cancel := context.WithCancel(w.t.Context())
		defer cancel()
		go a.follow(ctx)
		synctest.Wait()
		if err := a.ready(); err == nil || err.Error() != "the sentinel has not been read yet" {
			t.Errorf("the rebooter has not answered, and it says %v", err)
		}
		for state, want := range map[v1alpha1.SentinelState]string{
			v1alpha1.SentinelRequired: "", v1alpha1.SentinelNotRequired: "", v1alpha1.SentinelUnknown: "sentinel unknown: libc6",
		} {
			w.sentinel.set(state, false)
			a.readSentinel(ctx)
			if err := a.ready(); (err == nil) != (want == "") || err != nil && err.Error() != want {
				t.Errorf("%s: error %v, want %q", state, err, want)
			}
		}
	})
}

func TestTheSentinelMakesANodeRebootAndIsReported(t *testing.T) {
	inWorld(t, func(w *world) {
		w.reboots.remove("x")
		w.sentinel.set(v1alpha1.SentinelNotRequired, false)
		defer w.start()()
		if w.reboots.writes.Load() != 0 {
			t.Fatalf("%d writes without a need", w.reboots.writes.Load())
		}
		w.sentinel.set(v1alpha1.SentinelRequired, true)
		pass(0)
		made, ok := w.reboots.get(needName)
		if !ok {
			t.Fatal("no NodeReboot was made")
		}
		want := v1alpha1.NodeRebootSpec{NodeName: testNode, Trigger: v1alpha1.TriggerSentinel, BootID: bootA, Reason: "libc6"}
		if diff := cmp.Diff(want, made.Spec); diff != "" {
			t.Errorf("spec (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(newReport(), made.Status.Report, ofAnyRun); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
		w.sentinel.set(v1alpha1.SentinelNotRequired, false)
		pass(59 * time.Second)
		if made, _ = w.reboots.get(needName); made.Status.Report.Sentinel != v1alpha1.SentinelRequired {
			t.Errorf("the sentinel was read before the poll interval ended")
		}
		pass(time.Second)
		if made, _ = w.reboots.get(needName); made.Status.Report.Sentinel != v1alpha1.SentinelNotRequired {
			t.Errorf("sentinel %s is reported although it is gone", made.Status.Report.Sentinel)
		}
	})
}

func TestAnIdleHelperWritesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		writes := w.reboots.writes.Load()
		pass(time.Hour)
		w.reboots.edit(t, "x", func(r *v1alpha1.NodeReboot) { r.Status.Reason = v1alpha1.ReasonZoneBusy })
		pass(time.Hour)
		if w.reboots.writes.Load() != writes {
			t.Errorf("%d writes with nothing to say", w.reboots.writes.Load()-writes)
		}
	})
}

func TestARebootIsRecordedBeforeTheHostIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.host.onReboot.set(func() error {
			w.wantReport(recorded(1, v1alpha1.OrderStarted))
			return nil
		})
		w.order(1, v1alpha1.ActionReboot, func(o *v1alpha1.RebootOrder) { o.Method = v1alpha1.RebootSignal })
		if diff := cmp.Diff([]v1alpha1.RebootMethod{v1alpha1.RebootSignal}, w.host.reboots()); diff != "" {
			t.Errorf("methods (-want +got):\n%s", diff)
		}
		w.wantReport(recorded(1, v1alpha1.OrderStarted)) // What follows is another boot, and no report.
		pass(time.Hour)
		w.wantReboots(1)
		w.host.onReboot.set(nil)
		w.order(2, v1alpha1.ActionReboot)
		w.wantReboots(2)
	})
}

func TestAHostThatRefusesToRebootIsReportedAndNotAskedAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		stop := w.start()
		w.host.onReboot.set(func() error { return errors.New("inhibited by backup") })
		w.order(1, v1alpha1.ActionReboot)
		w.wantReport(recorded(1, v1alpha1.OrderFailed), saying("inhibited by backup"))
		stop()
		defer w.start()()
		pass(time.Hour)
		w.wantReboots(1)
		w.wantReport(recorded(1, v1alpha1.OrderFailed), saying("inhibited by backup"))
	})
}

func TestAnUncertainAnswerIsNoFailure(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.host.onReboot.set(func() error { return fmt.Errorf("%w: connection closed", ErrUncertain) })
		w.order(1, v1alpha1.ActionReboot)
		w.wantReport(recorded(1, v1alpha1.OrderStarted), saying("the host may still reboot: connection closed"))
		pass(time.Hour)
		w.wantReboots(1)
	})
}

// A crash is the end of the goroutine that makes the passes: nothing after that point happens.
func TestARebootIsGivenToTheHostAtMostOnceWhereverTheHelperCrashes(t *testing.T) {
	note := "order not carried out: order 1 to reboot was recorded before this helper started, and the host still runs boot boot-a; " +
		"it is never given to the host twice"
	for name, test := range map[string]struct {
		crash       func(w *world)
		recover     func(w *world)
		wantReboots int
		wantReport  []func(*v1alpha1.HelperReport)
	}{
		"before the order is recorded": {
			crash: func(w *world) {
				w.reboots.onReport.set(func(r *v1alpha1.HelperReport) error {
					crashIf(r.Sequence == 1)
					return nil
				})
			},
			wantReboots: 1,
			wantReport:  []func(*v1alpha1.HelperReport){recorded(1, v1alpha1.OrderStarted), saying(note)},
		},
		"after the order is recorded": {
			crash: func(w *world) {
				w.reboots.afterReport.set(func(r *v1alpha1.HelperReport) { crashIf(r.Sequence == 1) })
			},
			wantReboots: 0,
			wantReport:  []func(*v1alpha1.HelperReport){recorded(1, v1alpha1.OrderStarted), saying(note)},
		},
		"after the host was ordered": {
			crash:       func(w *world) { w.host.onReboot.set(crash) },
			wantReboots: 1,
			wantReport:  []func(*v1alpha1.HelperReport){recorded(1, v1alpha1.OrderStarted), saying(note)},
		},
		"after the host was ordered, and it rebooted": {
			crash:       func(w *world) { w.host.onReboot.set(crash) },
			recover:     func(w *world) { w.host.setBootID(bootB) },
			wantReboots: 1,
			wantReport:  []func(*v1alpha1.HelperReport){recorded(1, v1alpha1.OrderStarted), func(r *v1alpha1.HelperReport) { r.BootID = bootB }},
		},
		"after the path that the host takes is recorded": {
			crash: func(w *world) {
				w.host.via.set("Kexec")
				w.reboots.afterReport.set(func(r *v1alpha1.HelperReport) { crashIf(r.Via == v1alpha1.RebootViaKexec) })
			},
			wantReboots: 1,
			wantReport: []func(*v1alpha1.HelperReport){
				recorded(1, v1alpha1.OrderStarted), through(v1alpha1.RebootViaKexec), saying(note),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				stop := w.start()
				test.crash(w)
				w.order(1, v1alpha1.ActionReboot)
				stop()
				w.reboots.onReport.set(nil)
				w.reboots.afterReport.set(nil)
				w.host.onReboot.set(nil)
				if test.recover != nil {
					test.recover(w)
				}
				for range 3 {
					stop = w.start()
					pass(time.Minute)
					stop()
				}
				w.wantReboots(test.wantReboots)
				w.wantReport(test.wantReport...)
			})
		})
	}
}

func crashIf(now bool) {
	if now {
		runtime.Goexit()
	}
}

func crash() error {
	runtime.Goexit()
	return nil
}

func TestAnOrderThatIsWithdrawnWhileItIsRecordedIsNotCarriedOut(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.reboots.onReport.set(func(r *v1alpha1.HelperReport) error {
			if r.Sequence == 1 {
				w.reboots.onReport.set(nil)
				w.reboots.edit(t, "x", func(r *v1alpha1.NodeReboot) { r.Status.Order = nil })
			}
			return nil
		})
		w.order(1, v1alpha1.ActionReboot)
		pass(time.Hour)
		w.wantReboots(0)
		w.wantReport()
	})
}

func TestAnOrderIsCarriedOutOnceTheAPIServerAcceptsItsRecord(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.reboots.onReport.set(func(*v1alpha1.HelperReport) error {
			return apierrors.NewInternalError(errors.New("no quorum"))
		})
		w.order(1, v1alpha1.ActionReboot)
		pass(3 * time.Minute)
		w.wantReboots(0)
		w.reboots.onReport.set(nil)
		pass(40 * time.Second)
		w.wantReboots(1)
	})
}

func TestARecordThatTakesUntilTheDeadlineIsTooLate(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.reboots.afterReport.set(func(*v1alpha1.HelperReport) {
			w.reboots.afterReport.set(nil)
			<-time.After(drainTimeout) // In the bubble this takes no time.
		})
		w.order(1, v1alpha1.ActionReboot)
		pass(drainTimeout)
		w.wantReboots(0)
		if report := w.report(); report.State != v1alpha1.OrderFailed || !strings.Contains(report.Message, "passed before the host was ordered") {
			t.Errorf("state %s, message %q", report.State, report.Message)
		}
	})
}

func TestOrdersThatAreNotForNowAreNotedOnceAndNotCarriedOut(t *testing.T) {
	bubbleBegins := metav1.NewMicroTime(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, test := range map[string]struct {
		change func(*v1alpha1.RebootOrder)
		note   string
	}{
		"another boot": {
			change: aboutBoot(bootB),
			note:   "order not carried out: order 1 is about boot boot-b, and the host runs boot boot-a",
		},
		"past its deadline": {
			change: func(o *v1alpha1.RebootOrder) { o.Deadline = bubbleBegins },
			note:   "order not carried out: the deadline of order 1 was 2000-01-01T00:00:00Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				defer w.start()()
				writes := w.reboots.writes.Load()
				w.order(1, v1alpha1.ActionReboot, test.change)
				pass(time.Hour)
				w.wantReport(saying(test.note))
				w.wantReboots(0)
				if got := w.reboots.writes.Load() - writes; got != 1 {
					t.Errorf("%d writes, want 1", got)
				}
			})
		})
	}
}

func TestABrokenHostIsNotReportedAbout(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.setBootID("")
		defer w.start()()
		pass(time.Minute)
		if report := w.report(); report != nil {
			t.Errorf("reported %v without knowing the boot", report)
		}
		w.host.setBootID(bootA)
		pass(40 * time.Second)
		w.wantReport()
	})
}

func TestARestartedHelperKnowsWhatItRecorded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()()
		writes, before := w.reboots.writes.Load(), w.report()
		w.start()()
		if diff := cmp.Diff(before, w.report(), ofAnyRun); diff != "" || w.reboots.writes.Load() != writes+1 {
			t.Errorf("a restart wrote %d times, want once, and nothing but which run it is (-before +after):\n%s",
				w.reboots.writes.Load()-writes, diff)
		}
	})
}

func TestAHelperLogsWhatTheSentinelSaysOnlyWhenItSaysSomethingElse(t *testing.T) {
	sentinel := newFakeSentinel(v1alpha1.SentinelNotRequired)
	var logged []string
	a := &agent{Options: Options{Sentinel: sentinel, Log: funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})}}
	for _, step := range []struct {
		what   string
		change func()
		want   int
	}{
		{"the first time", func() {}, 1},
		{"nothing changed", func() {}, 0},
		{"another state", func() { sentinel.set(v1alpha1.SentinelRequired, false) }, 1},
		{"another message", func() { sentinel.reading.message = "linux-image" }, 1},
		{"nothing changed again", func() {}, 0},
	} {
		logged = nil
		step.change()
		if a.readSentinel(t.Context()); len(logged) != step.want {
			t.Errorf("%s: it logs %q, want %d lines", step.what, logged, step.want)
		}
	}
}
