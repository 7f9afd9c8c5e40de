package helper

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/serverclock"
)

// hostClock is the clock of a host whose time of day is off. Its monotonic time is that of the bubble.
type hostClock struct {
	clock.RealClock
	began time.Time
	off   shared[time.Duration]
}

func (c *hostClock) Now() time.Time                { return time.Now().Add(c.off.get()).Round(0) }
func (c *hostClock) Since(time.Time) time.Duration { return time.Since(c.began) }

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// onHostThatIsOff gives the world's helpers a clock that is off. In the returned function the API server, whose clock is the bubble's,
// answers a request.
func (w *world) onHostThatIsOff(off time.Duration) (*hostClock, func()) {
	host := &hostClock{began: time.Now()}
	host.off.set(off)
	known := serverclock.New(host, nil)
	w.clock, w.clockOffset = known, known.Offset
	transport := known.WrapTransport(answering(func(*http.Request) (*http.Response, error) {
		header := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: http.NoBody}, nil
	}))
	return host, func() {
		response, err := transport.RoundTrip(&http.Request{})
		if err != nil {
			w.t.Fatal(err)
		}
		_ = response.Body.Close()
	}
}

func offsetIs(seconds int64) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) { r.ClockOffsetSeconds = &seconds }
}

func TestDeadlinesAreTheAPIServersWhateverTheHostsClockSays(t *testing.T) {
	for name, test := range map[string]struct{ off, step time.Duration }{
		"two hours ahead":            {off: 2 * time.Hour},
		"two hours behind":           {off: -2 * time.Hour},
		"right, and stepped ahead":   {step: 8 * time.Hour},
		"right, and stepped back":    {step: -8 * time.Hour},
		"ahead, and then right":      {off: 8 * time.Hour, step: -8 * time.Hour},
		"behind, and then far ahead": {off: -8 * time.Hour, step: 20 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				host, respond := w.onHostThatIsOff(test.off)
				respond()
				w.pods.put(newPod("a"))
				w.pods.refuse["a"] = budgetRefusal("web")
				defer w.start()()
				w.order(1, v1alpha1.ActionDrain)
				wantAsked(t, w.pods, "a")
				pass(time.Minute)
				host.off.edit(func(off *time.Duration) { *off += test.step })
				pass(drainTimeout - time.Minute - 2*time.Second)
				if state := w.report().State; state != v1alpha1.OrderStarted {
					t.Errorf("state %s before the deadline", state)
				}
				pass(4 * time.Second)
				if state := w.report().State; state != v1alpha1.OrderTimedOut {
					t.Errorf("state %s after the deadline", state)
				}
				w.order(2, v1alpha1.ActionReboot, func(o *v1alpha1.RebootOrder) { o.Deadline = metav1.NewMicroTime(time.Now().Add(-2 * time.Second)) })
				w.wantReboots(0)
				w.order(3, v1alpha1.ActionReboot)
				w.wantReboots(1)
			})
		})
	}
}

// A deletion timestamp is a time of the API server.
func TestPodsAreAbandonedByTheAPIServersClock(t *testing.T) {
	for name, off := range map[string]time.Duration{"ahead": 2 * time.Hour, "behind": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				_, respond := w.onHostThatIsOff(off)
				respond()
				w.pods.put(newPod("a", func(p *corev1.Pod) { terminating(time.Now().Add(time.Minute))(p) }))
				defer w.start()()
				w.order(1, v1alpha1.ActionDrain, func(o *v1alpha1.RebootOrder) {
					o.Drain = &v1alpha1.DrainOrder{SkipWaitForDeleteSeconds: ptr.To[int32](30)}
				})
				pass(88 * time.Second)
				if state := w.report().State; state != v1alpha1.OrderStarted {
					t.Errorf("state %s before the time is over", state)
				}
				pass(4 * time.Second)
				if state := w.report().State; state != v1alpha1.OrderDone {
					t.Errorf("state %s after it", state)
				}
			})
		})
	}
}

func TestAClockThatIsOffIsReported(t *testing.T) {
	inWorld(t, func(w *world) {
		host, respond := w.onHostThatIsOff(2 * time.Hour)
		defer w.start()()
		w.wantReport() // Nothing is known yet.
		pass(500 * time.Millisecond)
		respond()
		pass(time.Minute)
		w.wantReport(offsetIs(7200))
		host.off.set(0)
		pass(time.Minute)
		w.wantReport()
		host.off.set(-2 * time.Hour)
		pass(time.Minute)
		w.wantReport(offsetIs(-7200))
	})
}

func TestTheOffsetOfAClockIsReportedOnlyIfItMatters(t *testing.T) {
	for name, test := range map[string]struct {
		reported *int64
		offset   *time.Duration
		want     *int64
	}{
		"nothing is known":               {},
		"right":                          {offset: ptr.To(time.Duration(0))},
		"almost a minute":                {offset: ptr.To(59400 * time.Millisecond)},
		"a minute":                       {offset: ptr.To(time.Minute), want: ptr.To[int64](60)},
		"a minute behind":                {offset: ptr.To(-time.Minute), want: ptr.To[int64](-60)},
		"it drifts":                      {ptr.To[int64](60), ptr.To(90 * time.Second), ptr.To[int64](60)},
		"it has moved":                   {ptr.To[int64](60), ptr.To(91 * time.Second), ptr.To[int64](91)},
		"a bit less than a minute now":   {ptr.To[int64](60), ptr.To(30 * time.Second), ptr.To[int64](60)},
		"much less than a minute now":    {ptr.To[int64](60), ptr.To(29 * time.Second), nil},
		"to the other side":              {ptr.To[int64](60), ptr.To(-time.Minute), ptr.To[int64](-60)},
		"not known anymore":              {ptr.To[int64](60), nil, ptr.To[int64](60)},
		"as far as a time can be apart":  {nil, ptr.To(time.Duration(1<<63 - 1)), ptr.To[int64](9223372036)},
		"as far as that the other way":   {nil, ptr.To(time.Duration(-1 << 63)), ptr.To[int64](-9223372036)},
		"half a second, to whole ones":   {nil, ptr.To(60499 * time.Millisecond), ptr.To[int64](60)},
		"it has come to be right again":  {ptr.To[int64](7200), ptr.To(time.Duration(0)), nil},
		"it is where it was a while ago": {ptr.To[int64](7200), ptr.To(2 * time.Hour), ptr.To[int64](7200)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFacts()
			f.clockOffset = test.offset
			previous := newReport(func(r *v1alpha1.HelperReport) { r.ClockOffsetSeconds = test.reported })
			if diff := cmp.Diff(test.want, f.report(newReboot("x", func(r *v1alpha1.NodeReboot) { r.Status.Report = previous }),
				verdict{}).ClockOffsetSeconds); diff != "" {
				t.Errorf("offset (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAHelperWhoseClockDriftsWritesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		host, respond := w.onHostThatIsOff(65 * time.Second)
		respond()
		defer w.start()()
		w.wantReport(offsetIs(65))
		writes := w.reboots.writes.Load()
		for i := range 60 {
			host.off.set(65*time.Second + time.Duration(i%30)*time.Second - 15*time.Second)
			pass(time.Minute)
			respond()
		}
		if got := w.reboots.writes.Load() - writes; got != 0 {
			t.Errorf("%d writes", got)
		}
	})
}
