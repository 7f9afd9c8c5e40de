package helper

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

func TestThePathOfARebootIsRecordedBeforeItAndCorrectedByWhatTheHostSays(t *testing.T) {
	const firmware, kexec = v1alpha1.RebootViaFirmware, v1alpha1.RebootViaKexec
	for name, test := range map[string]struct {
		ordered v1alpha1.RebootVia
		loaded  bool
		says    string
		want    []v1alpha1.RebootVia
	}{
		"nothing is ordered":                  {want: []v1alpha1.RebootVia{firmware}},
		"the firmware":                        {ordered: firmware, loaded: true, says: "Firmware", want: []v1alpha1.RebootVia{firmware}},
		"kexec":                               {ordered: kexec, loaded: true, says: "Kexec", want: []v1alpha1.RebootVia{kexec}},
		"kexec, and the host does not say it": {ordered: kexec, loaded: true, want: []v1alpha1.RebootVia{kexec}},
		"kexec, and no kernel is loaded":      {ordered: kexec, says: "Firmware", want: []v1alpha1.RebootVia{firmware}},
		"kexec, and the kernel was unloaded":  {ordered: kexec, loaded: true, says: "Firmware", want: []v1alpha1.RebootVia{kexec, firmware}},
		"a path that nobody knows":            {ordered: kexec, loaded: true, says: "Warm", want: []v1alpha1.RebootVia{kexec, "Warm"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.host.about.set(HostDescription{KexecLoaded: test.loaded})
				w.host.via.set(test.says)
				defer w.start()()
				var paths shared[[]v1alpha1.RebootVia]
				w.reboots.afterReport.set(func(r *v1alpha1.HelperReport) {
					paths.edit(func(all *[]v1alpha1.RebootVia) { *all = append(*all, r.Via) })
				})
				w.order(1, v1alpha1.ActionReboot, func(o *v1alpha1.RebootOrder) { o.Via = test.ordered })
				pass(time.Minute)
				if diff := cmp.Diff(test.want, slices.Compact(paths.get())); diff != "" {
					t.Errorf("paths in the reports (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{string(test.ordered)}, w.host.asked.get()); diff != "" {
					t.Errorf("the host was ordered to reboot (-want +got):\n%s", diff)
				}
				if n := len(paths.get()); n != len(test.want) {
					t.Errorf("%d writes, want one that records the order, and one more only if the host takes another path", n)
				}
			})
		})
	}
}

func TestThePathThatACommandTakesIsNotKnown(t *testing.T) {
	f := newFacts(newReboot("x", ordered(1, v1alpha1.ActionReboot), reported()))
	f.methods = []v1alpha1.MethodReport{{Name: v1alpha1.RebootCommand}, {Name: v1alpha1.RebootLogind}}
	if s := f.step(f.reboots[0]); s.report.Via != "" {
		t.Errorf("recorded is %s", s.report.Via)
	}
	f.reboots[0].Status.Order.Method = v1alpha1.RebootLogind
	if s := f.step(f.reboots[0]); s.report.Via != v1alpha1.RebootViaFirmware {
		t.Errorf("recorded is %q with logind", s.report.Via)
	}
}

func TestThePathIsKeptAfterTheBootAndForgottenWithTheNextOrder(t *testing.T) {
	report := reported(recorded(2, v1alpha1.OrderDone), through(v1alpha1.RebootViaKexec))
	f := newFacts(newReboot("x", report))
	f.boot.id = bootB
	if s := f.step(f.reboots[0]); s.report == nil || s.report.Via != v1alpha1.RebootViaKexec {
		t.Errorf("after the boot it reports %+v", s.report)
	}
	f = newFacts(newReboot("x", report, ordered(3, v1alpha1.ActionDrain)))
	f.jobs = map[types.UID]job{"uid-x": {sequence: 3, state: v1alpha1.OrderDone}}
	if s := f.step(f.reboots[0]); s.report == nil || s.report.Via != "" {
		t.Errorf("with the next order it reports %+v", s.report)
	}
}

// The manager waits for a lock to go, and has to know that it was one.
func TestALockForWhichTheHostRefusesIsReportedWithTheRefusal(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.host.onReboot.set(func() error {
			w.host.obstacle.set("apt holds a lock")
			w.host.kind.set(v1alpha1.ObstacleInhibited)
			return errors.New("apt holds a lock")
		})
		var failed shared[[]v1alpha1.MethodReport]
		w.reboots.afterReport.set(func(r *v1alpha1.HelperReport) {
			if r.State == v1alpha1.OrderFailed && failed.get() == nil {
				failed.set(r.Methods)
			}
		})
		w.order(1, v1alpha1.ActionReboot)
		want := []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: "apt holds a lock", Kind: v1alpha1.ObstacleInhibited}}
		if diff := cmp.Diff(want, failed.get()); diff != "" {
			t.Fatalf("methods in the first report of the failure (-want +got):\n%s", diff)
		}
		w.host.obstacle.set("")
		w.host.kind.set("")
		w.sentinel.set(v1alpha1.SentinelRequired, true) // The rebooter hints at whatever changes.
		synctest.Wait()
		if got := w.report().Methods; got[0].Obstacle != "" || got[0].Kind != "" {
			t.Errorf("the lock is gone, and the report says %+v", got)
		}
	})
}

// A lock may come between two looks at the host, and go before the next one.
func TestALockThatOnlyTheRefusalKnowsOfIsReportedUntilTheOrderIsWithdrawn(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.start()()
		w.host.onReboot.set(func() error {
			return fmt.Errorf("reboot: %w", &rebooter.RefusedError{Kind: rebooter.ObstacleInhibited, Message: "apt holds a lock"})
		})
		w.order(1, v1alpha1.ActionReboot)
		want := []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: "apt holds a lock", Kind: v1alpha1.ObstacleInhibited}}
		for range 2 {
			r := w.report()
			if diff := cmp.Diff(want, r.Methods); diff != "" || r.State != v1alpha1.OrderFailed {
				t.Fatalf("state %s, methods (-want +got):\n%s", r.State, diff)
			}
			pass(time.Hour) // The host is looked at again, and the order is still there.
		}
		w.reboots.edit(t, "x", func(r *v1alpha1.NodeReboot) { r.Status.Order = nil })
		synctest.Wait()
		if got := w.report().Methods; got[0].Obstacle != "" || got[0].Kind != "" {
			t.Errorf("the order was withdrawn, and the report says %+v", got)
		}
	})
}

func TestARefusalIsThatOfTheMethodThatWasOrdered(t *testing.T) {
	const logind, signal, installed = v1alpha1.RebootLogind, v1alpha1.RebootSignal, v1alpha1.RebootInstalled
	for name, test := range map[string]struct {
		methods []v1alpha1.RebootMethod
		ordered v1alpha1.RebootMethod
		want    string
	}{
		"the first":     {[]v1alpha1.RebootMethod{logind, signal}, logind, "[lock ]"},
		"another":       {[]v1alpha1.RebootMethod{logind, signal}, signal, "[ lock]"},
		"the installed": {[]v1alpha1.RebootMethod{logind, signal}, installed, "[lock ]"},
		"none named":    {[]v1alpha1.RebootMethod{logind, signal}, "", "[lock ]"},
		"none known":    {[]v1alpha1.RebootMethod{installed}, signal, "[lock]"},
		"not there":     {[]v1alpha1.RebootMethod{logind}, signal, "[]"},
		"no methods":    {nil, signal, "[]"},
	} {
		var methods []v1alpha1.MethodReport
		for _, method := range test.methods {
			methods = append(methods, v1alpha1.MethodReport{Name: method})
		}
		refusal := &v1alpha1.MethodReport{Name: test.ordered, Obstacle: "lock", Kind: v1alpha1.ObstacleInhibited}
		var obstacles []string
		for _, method := range withRefusal(methods, refusal) {
			obstacles = append(obstacles, method.Obstacle)
		}
		if got := fmt.Sprint(obstacles); got != test.want {
			t.Errorf("%s: obstacles %s, want %s", name, got, test.want)
		}
		if len(methods) > 0 && methods[0].Obstacle != "" {
			t.Errorf("%s: what is known of the host was changed", name)
		}
	}
}

// The host is asked for its state alongside the passes. Its answer while it was being asked to reboot is older than its refusal.
func TestAnOlderAnswerOfTheHostDoesNotHideTheLock(t *testing.T) {
	for range 10 { // the two come in any order
		inWorld(t, func(w *world) {
			defer w.start()()
			w.host.onReboot.set(func() error {
				w.host.about.set(HostDescription{OS: "Debian"})
				time.Sleep(2 * DefaultPollInterval)
				w.host.obstacle.set("apt holds a lock")
				w.host.kind.set(v1alpha1.ObstacleInhibited)
				return errors.New("apt holds a lock")
			})
			var failed shared[[]v1alpha1.MethodReport]
			w.reboots.afterReport.set(func(r *v1alpha1.HelperReport) {
				if r.State == v1alpha1.OrderFailed && failed.get() == nil {
					failed.set(r.Methods)
				}
			})
			w.order(1, v1alpha1.ActionReboot)
			pass(3 * DefaultPollInterval)
			if methods := failed.get(); len(methods) != 1 || methods[0].Kind != v1alpha1.ObstacleInhibited {
				t.Errorf("the first report of the failure has the methods %+v", methods)
			}
		})
	}
}

func TestAReportSaysWhatTheHostIsAndWhatElseWouldRebootIt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.about.set(HostDescription{
			OS:      strings.Repeat("D", 2*maxHostOS),
			Notices: []string{"", strings.Repeat("n", 2*maxNotice), "b", "c", "d", "e"},
		})
		defer w.start()()
		r := w.report()
		if len(r.HostOS) != maxHostOS || len(r.Notices) != maxNotices || len(r.Notices[0]) != maxNotice || r.Notices[1] != "b" {
			t.Errorf("reported are %q and %q", r.HostOS, r.Notices)
		}
		writes := w.reboots.writes.Load()
		w.host.about.set(HostDescription{OS: "Debian"})
		w.sentinel.set(v1alpha1.SentinelRequired, true)
		synctest.Wait()
		if r := w.report(); r.HostOS != "Debian" || r.Notices != nil || w.reboots.writes.Load() != writes+1 {
			t.Errorf("reported are %q and %q with %d writes", r.HostOS, r.Notices, w.reboots.writes.Load()-writes)
		}
	})
}

func TestThePathOfAMethodIsThatOfTheInstalledOneIfTheOrderNamesNone(t *testing.T) {
	installed := func(name v1alpha1.RebootMethod) []v1alpha1.MethodReport { return []v1alpha1.MethodReport{{Name: name}} }
	for name, test := range map[string]struct {
		methods []v1alpha1.MethodReport
		ordered v1alpha1.RebootMethod
		want    v1alpha1.RebootVia
	}{
		"a command decides itself":         {methods: installed(v1alpha1.RebootCommand), want: ""},
		"also if it is named as installed": {methods: installed(v1alpha1.RebootCommand), ordered: v1alpha1.RebootInstalled, want: ""},
		"a command is ordered":             {methods: installed(v1alpha1.RebootLogind), ordered: v1alpha1.RebootCommand, want: ""},
		"another method than the first": {
			methods: installed(v1alpha1.RebootCommand), ordered: v1alpha1.RebootLogind, want: v1alpha1.RebootViaFirmware,
		},
		"logind is installed":                {methods: installed(v1alpha1.RebootLogind), want: v1alpha1.RebootViaFirmware},
		"nobody knows what is installed yet": {want: v1alpha1.RebootViaFirmware},
	} {
		order := v1alpha1.RebootOrder{Action: v1alpha1.ActionReboot, Method: test.ordered}
		if got := (facts{methods: test.methods}).via(&order); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
