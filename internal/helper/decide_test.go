package helper

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestANodeRebootIsCreatedOnlyForANeedThatHasNone(t *testing.T) {
	failed, cancelled := completed(v1alpha1.OutcomeFailed), completed(v1alpha1.OutcomeCancelled)
	succeeded := completed(v1alpha1.OutcomeSucceeded)
	for name, test := range map[string]struct {
		sentinel v1alpha1.SentinelState
		reboot   *v1alpha1.NodeReboot
		want     bool
	}{
		"required and there is none":                       {sentinel: v1alpha1.SentinelRequired, want: true},
		"not required":                                     {sentinel: v1alpha1.SentinelNotRequired},
		"unknown never creates anything":                   {sentinel: v1alpha1.SentinelUnknown},
		"one that cannot be read does not":                 {v1alpha1.SentinelRequired, newReboot("x", setAside), true},
		"one that cannot be read and was given up does":    {v1alpha1.SentinelRequired, newReboot("x", setAside, failed, before(bootA)), false},
		"one of its own name that cannot be read does not": {v1alpha1.SentinelRequired, newReboot(needName, setAside), true},
		"one that the manager has not seen carries it":     {v1alpha1.SentinelRequired, newReboot("x"), false},
		"one about this boot carries it":                   {v1alpha1.SentinelRequired, newReboot("x", before(bootA)), false},
		"one whose boot is not known yet carries it":       {v1alpha1.SentinelRequired, newReboot("x", before("")), false},
		"one that began with another boot carries it":      {v1alpha1.SentinelRequired, newReboot("x", before(bootEarly)), false},
		"one that was given up in this boot carries it":    {v1alpha1.SentinelRequired, newReboot("x", failed, before(bootA)), false},
		"one that was given up after this boot began":      {v1alpha1.SentinelRequired, newReboot("x", failed, before(bootEarly), after(bootA)), false},
		"one that was given up in another boot does not":   {v1alpha1.SentinelRequired, newReboot("x", failed, before(bootEarly)), true},
		"one that a person made does not":                  {v1alpha1.SentinelRequired, newReboot("x", manual), true},
		"a complete one does not":                          {v1alpha1.SentinelRequired, newReboot("x", failed), true},
		"one that rebooted the host into this boot":        {v1alpha1.SentinelRequired, newReboot("x", succeeded, before(bootEarly), after(bootA)), true},
		"one that was cancelled in this boot":              {v1alpha1.SentinelRequired, newReboot("x", cancelled, before(bootA)), true},
		"one for a need of this boot, failed":              {v1alpha1.SentinelRequired, newReboot("x", askedIn(bootA), failed), false},
		"one for a need of this boot, cancelled":           {v1alpha1.SentinelRequired, newReboot("x", askedIn(bootA), cancelled), false},
		"one for a need of this boot, about another boot":  {v1alpha1.SentinelRequired, newReboot("x", askedIn(bootA), before(bootEarly)), false},
		"one for a need of this boot, superseded":          {v1alpha1.SentinelRequired, newReboot("x", askedIn(bootA), cancelled, superseded), true},
		"one for a need of another boot, cancelled":        {v1alpha1.SentinelRequired, newReboot("x", askedIn(bootEarly), cancelled), true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFacts()
			if test.reboot != nil {
				f.reboots = append(f.reboots, test.reboot)
			}
			f.sentinel.state = test.sentinel
			var want *v1alpha1.NodeReboot
			if test.want {
				want = &v1alpha1.NodeReboot{
					ObjectMeta: metav1.ObjectMeta{Finalizers: []string{v1alpha1.Finalizer}},
					Spec:       v1alpha1.NodeRebootSpec{NodeName: testNode, Trigger: v1alpha1.TriggerSentinel, BootID: bootA, Reason: "libc6"},
				}
			}
			if diff := cmp.Diff(want, decide(f).create); diff != "" {
				t.Errorf("create (-want +got):\n%s", diff)
			}
		})
	}
}

// A name says nothing about what a NodeReboot is about.
func TestANameThatIsTakenKeepsNoNeedFromBeingAskedFor(t *testing.T) {
	names := v1alpha1.SentinelRebootNames(testNode, bootA)
	f := newFacts(newReboot(names[0], manual), newReboot(names[2], askedIn(bootEarly), completed(v1alpha1.OutcomeSucceeded)),
		newReboot(names[3], askedIn(bootA), setAside))
	d := decide(f)
	if d.create == nil {
		t.Fatal("nothing is asked for")
	}
	if want := append([]string{names[1]}, names[4:]...); !slices.Equal(d.names, want) {
		t.Errorf("names are %v, want %v", d.names, want)
	}
}

// wantStep is what is expected to be done about one NodeReboot; nothing at all when it is zero.
type wantStep struct {
	report *v1alpha1.HelperReport
	start  bool
}

type stepTest struct {
	reboot *v1alpha1.NodeReboot
	facts  func(*facts)
	want   wantStep
}

func runStepTests(t *testing.T, tests map[string]stepTest) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFacts(test.reboot)
			if test.facts != nil {
				test.facts(&f)
			}
			original := test.reboot.DeepCopy()
			var got wantStep
			for _, s := range decide(f).steps {
				got = wantStep{report: s.report, start: s.start}
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(wantStep{})); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(original, test.reboot); diff != "" {
				t.Errorf("the NodeReboot was changed (-before +after):\n%s", diff)
			}
		})
	}
}

const (
	noteOtherBoot = "order not carried out: order 3 is about boot boot-b, and the host runs boot boot-a"
	noteDeadline  = "order not carried out: the deadline of order 3 was 2026-03-01T12:00:00Z"
	noteOnce      = "order not carried out: order 3 to reboot was recorded before this helper started, and the host still runs boot boot-a; " +
		"it is never given to the host twice"
	badSelector = `invalid pod selector: "=x" is not a valid label selector operator`
)

func TestOrdersThatAreNew(t *testing.T) {
	runStepTests(t, map[string]stepTest{
		"a first drain is started": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain)),
			want:   wantStep{newReport(), true},
		},
		"a first reboot is recorded and started": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported()),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderStarted), through(v1alpha1.RebootViaFirmware)), true},
		},
		"a later drain is started, and nothing is said about it yet": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain),
				reported(recorded(2, v1alpha1.OrderFailed), drained(4, 1), saying("too late"))),
			want: wantStep{nil, true},
		},
		"a reboot keeps the progress of the drain before it": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(recorded(2, v1alpha1.OrderDone), drained(4, 0))),
			want: wantStep{
				newReport(recorded(3, v1alpha1.OrderStarted), drained(4, 0), through(v1alpha1.RebootViaFirmware)), true,
			},
		},
		"one about another boot is only noted": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot, aboutBoot(bootB)), reported(recorded(2, v1alpha1.OrderDone))),
			want:   wantStep{newReport(recorded(2, v1alpha1.OrderDone), saying(noteOtherBoot)), false},
		},
		"one past its deadline is only noted": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot, expired), reported(recorded(2, v1alpha1.OrderDone))),
			want:   wantStep{newReport(recorded(2, v1alpha1.OrderDone), saying(noteDeadline)), false},
		},
		"what was noted is not noted again": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot, expired), reported(recorded(2, v1alpha1.OrderDone), saying(noteDeadline))),
		},
		"a note goes when the order goes": {
			reboot: newReboot("x", reported(recorded(2, v1alpha1.OrderFailed), saying(noteDeadline))),
			want:   wantStep{newReport(recorded(2, v1alpha1.OrderFailed)), false},
		},
		"one for a NodeReboot that is being deleted is left alone": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(), deleting),
		},
		"one for a complete NodeReboot is left alone": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(), completed(v1alpha1.OutcomeFailed)),
		},
		"one older than what was recorded is left alone": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(recorded(4, v1alpha1.OrderDone))),
		},
		"one older than what was begun is left alone": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported(recorded(4, v1alpha1.OrderStarted))),
		},
		"one with a bad selector fails at once": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain, selecting("=x")), reported()),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderFailed), saying("order 3 was not carried out: "+badSelector+ofThisHelper)), false},
		},
		"one that is not understood fails at once": {
			reboot: newReboot("x", ordered(3, "Dance"), reported()),
			want: wantStep{newReport(recorded(3, v1alpha1.OrderFailed),
				saying(`order 3 was not carried out: unknown action "Dance": this helper knows Drain and Reboot`+ofThisHelper)), false},
		},
		"a copy older than what this process wrote is not acted on": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot)),
			facts:  func(f *facts) { f.behind = map[types.UID]bool{"uid-x": true} },
		},
	})
}

func TestOrdersThatAnEarlierProcessRecorded(t *testing.T) {
	runStepTests(t, map[string]stepTest{
		"a drain is resumed": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported(recorded(3, v1alpha1.OrderStarted), drained(4, 1))),
			want:   wantStep{nil, true},
		},
		"a reboot is never repeated, and that is said": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(recorded(3, v1alpha1.OrderStarted))),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderStarted), saying(noteOnce)), false},
		},
		"a reboot past its deadline is not repeated either": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot, expired), reported(recorded(3, v1alpha1.OrderStarted), saying(noteOnce))),
		},
		"a reboot that worked needs no words": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot, aboutBoot(bootB)),
				reported(recorded(3, v1alpha1.OrderStarted), func(r *v1alpha1.HelperReport) { r.BootID = bootB })),
			want: wantStep{newReport(recorded(3, v1alpha1.OrderStarted)), false},
		},
		"a drain past its deadline failed": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain, expired), reported(recorded(3, v1alpha1.OrderStarted), drained(4, 1))),
			want: wantStep{newReport(recorded(3, v1alpha1.OrderFailed), drained(4, 1),
				saying("the drain was interrupted, and its deadline 2026-03-01T12:00:00Z has passed")), false},
		},
		"a drain of another boot is not resumed": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain, aboutBoot(bootB)), reported(recorded(3, v1alpha1.OrderStarted))),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderStarted), saying(noteOtherBoot)), false},
		},
		"a withdrawn drain is not resumed": {
			reboot: newReboot("x", reported(recorded(3, v1alpha1.OrderStarted), drained(4, 1))),
		},
		"a finished drain is not repeated": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported(recorded(3, v1alpha1.OrderDone))),
		},
		"a failed reboot is not repeated, and keeps its message": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(recorded(3, v1alpha1.OrderFailed), saying("inhibited"))),
		},
	})
}

func TestOrdersThatThisProcessWorksOn(t *testing.T) {
	working := func(j job) func(*facts) {
		return func(f *facts) { f.jobs = map[types.UID]job{"uid-x": j} }
	}
	progress := newReport(drained(4, 2)).Drain
	runStepTests(t, map[string]stepTest{
		"a drain that has nothing new is not reported": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported(recorded(3, v1alpha1.OrderStarted), drained(4, 2))),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderStarted, drain: progress}),
		},
		"a drain's progress is reported": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported(recorded(3, v1alpha1.OrderStarted))),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderStarted, drain: progress}),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderStarted), drained(4, 2)), false},
		},
		"a drain that has only begun is not reported": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported(recorded(2, v1alpha1.OrderFailed), drained(4, 1), saying("late"))),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderStarted}),
		},
		"the first report on a drain forgets the progress and the failure of the one before": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported(recorded(2, v1alpha1.OrderFailed), drained(4, 1), saying("late"))),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderStarted, message: "no pods are known"}),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderStarted), saying("no pods are known")), false},
		},
		"the end of a drain that was never reported on": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionDrain), reported()),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderDone, drain: progress}),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderDone), drained(4, 2)), false},
		},
		"a failure is reported": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(recorded(3, v1alpha1.OrderStarted), drained(4, 0))),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderFailed, message: "inhibited"}),
			want:   wantStep{newReport(recorded(3, v1alpha1.OrderFailed), drained(4, 0), saying("inhibited")), false},
		},
		"what came of a withdrawn order is not reported": {
			reboot: newReboot("x", reported(recorded(3, v1alpha1.OrderStarted))),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderFailed, message: "inhibited"}),
		},
		"a long message is cut": {
			reboot: newReboot("x", ordered(3, v1alpha1.ActionReboot), reported(recorded(3, v1alpha1.OrderStarted))),
			facts:  working(job{sequence: 3, state: v1alpha1.OrderFailed, message: strings.Repeat("ü", 2000)}),
			want: wantStep{newReport(recorded(3, v1alpha1.OrderFailed),
				saying(strings.Repeat("ü", maxMessage-3)+"...")), false},
		},
	})
}

// ofThisHelper is how an answer to an order ends that is not understood.
const ofThisHelper = " (this helper is of no known version, protocol 2)"

func TestOrdersOfANewerManagerAreRefused(t *testing.T) {
	changed := func(change func(*v1alpha1.DrainOrder)) func(*v1alpha1.RebootOrder) {
		return func(o *v1alpha1.RebootOrder) {
			o.Drain = &v1alpha1.DrainOrder{}
			change(o.Drain)
		}
	}
	newer := func(o *v1alpha1.RebootOrder) { o.Protocol = v1alpha1.ProtocolLevel + 1 }
	newerLevel := fmt.Sprintf("it needs protocol %d", v1alpha1.ProtocolLevel+1)
	knownLevel := fmt.Sprintf("protocol %d", v1alpha1.ProtocolLevel)
	known := func(o *v1alpha1.RebootOrder) { o.Protocol = v1alpha1.ProtocolLevel }
	for name, test := range map[string]struct {
		order rebootOption
		why   string
	}{
		"an action":               {ordered(3, "Format"), `unknown action "Format"`},
		"no action":               {ordered(3, ""), `unknown action ""`},
		"a drain of a newer time": {ordered(3, v1alpha1.ActionDrain, newer), newerLevel},
		"a reboot of a newer one": {ordered(3, v1alpha1.ActionReboot, newer), newerLevel},
		"a path": {
			ordered(3, v1alpha1.ActionReboot, func(o *v1alpha1.RebootOrder) { o.Via = "Warm" }), `unknown value "Warm" of via`,
		},
		"what to do with emptyDir": {
			ordered(3, v1alpha1.ActionDrain, changed(func(d *v1alpha1.DrainOrder) { d.EmptyDir = "Snapshot" })),
			`unknown value "Snapshot" of drain.emptyDir`,
		},
		"what to do without a controller": {
			ordered(3, v1alpha1.ActionDrain, changed(func(d *v1alpha1.DrainOrder) { d.Unmanaged = "Move" })),
			`unknown value "Move" of drain.unmanaged`,
		},
		"what to do with pods that return": {
			ordered(3, v1alpha1.ActionDrain, changed(func(d *v1alpha1.DrainOrder) { d.ReturningPods = "Freeze" })),
			`unknown value "Freeze" of drain.returningPods`,
		},
		"a known one": {order: ordered(3, v1alpha1.ActionReboot, known)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, before := range []func(*v1alpha1.HelperReport){recorded(2, v1alpha1.OrderDone), recorded(3, v1alpha1.OrderStarted)} {
				facts := newFacts(newReboot("x", test.order, reported(before)))
				facts.version = "v1.2.3"
				s := facts.step(facts.reboots[0])
				order := facts.reboots[0].Status.Order
				if interrupted := facts.reboots[0].Status.Report.Sequence == order.Sequence; interrupted && order.Action == v1alpha1.ActionReboot {
					continue // it is not repeated anyway
				}
				if test.why == "" && s.start {
					continue
				}
				if s.start || s.report == nil || s.report.State != v1alpha1.OrderFailed || s.report.Sequence != 3 {
					t.Fatalf("it does %+v", s)
				}
				for _, words := range []string{"order 3 was not carried out: ", test.why, "v1.2.3", knownLevel} {
					if !strings.Contains(s.report.Message, words) {
						t.Errorf("it does not say %q: %s", words, s.report.Message)
					}
				}
			}
		})
	}
}

func TestAReportSaysOfWhatVersionTheHelperIs(t *testing.T) {
	facts := newFacts(newReboot("x", reported()))
	facts.version = strings.Repeat("v", 200)
	s := facts.step(facts.reboots[0])
	if s.report == nil || len(s.report.Version) != maxVersion || s.report.Protocol != v1alpha1.ProtocolLevel {
		t.Errorf("it reports %+v", s.report)
	}
}

func TestFactsAboutTheHostAreReportedWhenTheyChange(t *testing.T) {
	unknown := func(f *facts) { f.sentinel = reading{state: v1alpha1.SentinelUnknown, message: "permission denied"} }
	gone := func(f *facts) { f.sentinel = reading{state: v1alpha1.SentinelNotRequired} }
	without := newReport(sentinelIs(v1alpha1.SentinelNotRequired))
	failed, cancelled := completed(v1alpha1.OutcomeFailed), completed(v1alpha1.OutcomeCancelled)
	runStepTests(t, map[string]stepTest{
		"nothing was reported yet":           {reboot: newReboot("x"), want: wantStep{newReport(), false}},
		"nothing changed":                    {reboot: newReboot("x", reported())},
		"also for one that a person made":    {reboot: newReboot("x", manual), want: wantStep{newReport(), false}},
		"the sentinel went away":             {newReboot("x", reported()), gone, wantStep{without, false}},
		"a complete one is left alone":       {reboot: newReboot("x", completed(v1alpha1.OutcomeSucceeded)), facts: gone},
		"another cancelled one is too":       {reboot: newReboot("x", cancelled, reported()), facts: gone},
		"a cancelled one of this need":       {newReboot("x", askedIn(bootA), cancelled, reported()), gone, wantStep{without, false}},
		"a cancelled one of a person":        {reboot: newReboot("x", manual, askedIn(bootA), cancelled, reported()), facts: gone},
		"a superseded one of this need":      {reboot: newReboot("x", askedIn(bootA), cancelled, superseded, reported()), facts: gone},
		"a cancelled one that knows already": {reboot: newReboot("x", askedIn(bootA), cancelled, reported(saying("left over")))},
		"a failed one of this need":          {reboot: newReboot("x", askedIn(bootA), completed(v1alpha1.OutcomeFailed), reported()), facts: gone},
		"one that was given up in this boot": {newReboot("x", failed, before(bootA), reported()), gone, wantStep{without, false}},
		"one that was given up in another":   {reboot: newReboot("x", failed, before(bootEarly), reported()), facts: gone},
		"the kernel's boot time drifts within one boot": {
			reboot: newReboot("x", reported()),
			facts:  func(f *facts) { f.boot.time = &metav1.MicroTime{Time: bootedAt.Add(time.Second)} },
		},
		"another boot": {
			reboot: newReboot("x", reported(func(r *v1alpha1.HelperReport) {
				r.BootID, r.BootTime = bootEarly, &metav1.MicroTime{Time: testNow.Add(-24 * time.Hour)}
			}, recorded(2, v1alpha1.OrderDone), drained(4, 0))),
			want: wantStep{newReport(recorded(2, v1alpha1.OrderDone), drained(4, 0)), false},
		},
		"the sentinel is unknown": {
			reboot: newReboot("x", reported()),
			facts:  unknown,
			want:   wantStep{newReport(sentinelIs(v1alpha1.SentinelUnknown), saying("sentinel unknown: permission denied")), false},
		},
		"the sentinel is known again": {
			reboot: newReboot("x", reported(sentinelIs(v1alpha1.SentinelUnknown), saying("sentinel unknown: permission denied"))),
			want:   wantStep{newReport(), false},
		},
		"why an order failed matters more than an unknown sentinel": {
			reboot: newReboot("x", reported(recorded(2, v1alpha1.OrderFailed), saying("inhibited"))),
			facts:  unknown,
			want: wantStep{newReport(recorded(2, v1alpha1.OrderFailed), saying("inhibited"),
				sentinelIs(v1alpha1.SentinelUnknown)), false},
		},
	})
}

func TestJobsStopWhenTheirOrderIsNotInForce(t *testing.T) {
	draining := func(options ...rebootOption) *v1alpha1.NodeReboot {
		return newReboot("x", append([]rebootOption{reported(recorded(3, v1alpha1.OrderStarted))}, options...)...)
	}
	for name, test := range map[string]struct {
		reboots []*v1alpha1.NodeReboot
		want    []types.UID
	}{
		"in force":                 {[]*v1alpha1.NodeReboot{draining(ordered(3, v1alpha1.ActionDrain))}, nil},
		"withdrawn":                {[]*v1alpha1.NodeReboot{draining()}, []types.UID{"uid-x"}},
		"replaced":                 {[]*v1alpha1.NodeReboot{draining(ordered(4, v1alpha1.ActionReboot))}, []types.UID{"uid-x"}},
		"NodeReboot being deleted": {[]*v1alpha1.NodeReboot{draining(ordered(3, v1alpha1.ActionDrain), deleting)}, []types.UID{"uid-x"}},
		"NodeReboot complete": {
			[]*v1alpha1.NodeReboot{draining(ordered(3, v1alpha1.ActionDrain), completed(v1alpha1.OutcomeCancelled))}, []types.UID{"uid-x"},
		},
		"NodeReboot gone": {nil, []types.UID{"uid-x"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFacts(test.reboots...)
			f.jobs = map[types.UID]job{"uid-x": {sequence: 3, state: v1alpha1.OrderStarted}}
			if diff := cmp.Diff(test.want, decide(f).stop); diff != "" {
				t.Errorf("stop (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecidingIsIdempotent(t *testing.T) {
	reboot := newReboot("x", before(bootA), ordered(3, v1alpha1.ActionReboot))
	f := newFacts(reboot, newReboot("y", manual), newReboot("z", ordered(1, v1alpha1.ActionDrain, expired)))
	f.jobs = map[types.UID]job{}
	for _, s := range decide(f).steps {
		s.reboot.Status.Report = s.report
		if s.start {
			f.jobs[s.reboot.UID] = job{sequence: s.report.Sequence, state: v1alpha1.OrderStarted}
		}
	}
	if diff := cmp.Diff(decision{}, decide(f), cmp.AllowUnexported(decision{}, step{})); diff != "" {
		t.Errorf("a second decision (-want +got):\n%s", diff)
	}
}

func TestATextIsCutAndStaysValid(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"short":                  {"abcdefgh", "abcdefgh"},
		"too long":               {"abcdefghi", "abcde..."},
		"of as many characters":  {strings.Repeat("\U0001F54B", 8), strings.Repeat("\U0001F54B", 8)},
		"of one character more":  {strings.Repeat("\U0001F54B", 9), strings.Repeat("\U0001F54B", 5) + "..."},
		"far too long":           {strings.Repeat("\U0001F54B", 9999), strings.Repeat("\U0001F54B", 5) + "..."},
		"cut within a character": {"a" + strings.Repeat("\U0001F54B", 9999), "a" + strings.Repeat("\U0001F54B", 4) + "..."},
		"no UTF-8":               {"a\xff\xfeb", "a?b"},
		"nothing":                {},
	} {
		t.Run(name, func(t *testing.T) {
			if got := truncate(test.text, 8); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestANodeRebootThatCannotBeReadHasNoOrders(t *testing.T) {
	f := newFacts()
	f.reboots = []*v1alpha1.NodeReboot{
		newReboot("new", setAside, ordered(1, v1alpha1.ActionReboot)), newReboot("begun", setAside, ordered(2, v1alpha1.ActionDrain)),
	}
	f.jobs = map[types.UID]job{"uid-begun": {sequence: 2, state: v1alpha1.OrderStarted}}
	d := decide(f)
	if len(d.steps) > 0 || len(d.amend) > 0 || !slices.Equal(d.stop, []types.UID{"uid-begun"}) {
		t.Errorf("steps %v, amended %v, stopped %v; want nothing but that the drain stops", d.steps, d.amend, d.stop)
	}
}
