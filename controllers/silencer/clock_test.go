package silencer

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// wrongClock is ahead of the time of the bubble.
type wrongClock struct{ ahead atomic.Int64 }

func (c *wrongClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *wrongClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func TestAClockThatGoesBackMakesNoMoreRequestsAndNoLongerSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am, clock := newFakeServer(), &wrongClock{}
		clock.ahead.Store(int64(time.Hour))
		b := newBench(t, map[string]*fakeServer{"http://am": am})
		b.stop()
		b.Silencer = New(Options{
			Servers: func(*v1alpha1.AlertSilence) Server { return am }, Clock: clock, Log: logr.Discard(),
		})
		b.start(t)
		b.underWay("a")
		b.pass()
		want(t, "ahead", am.take(), "0s keep a 10m0s")
		b.goDeaf()
		clock.ahead.Store(0)
		time.Sleep(5 * time.Minute)
		want(t, "after the clock went back", am.take(), "5m0s keep a 10m0s")
		time.Sleep(time.Hour)
		want(t, "without a pass", am.take())
		if n := am.active(); n != 0 {
			t.Errorf("%d silences outlive the passes", n)
		}
		b.stop()
	})
}
