package helper

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
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
				if n := len(paths.get()); n != 2 {
					t.Errorf("%d writes, want one that records the order and one with its result", n)
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
