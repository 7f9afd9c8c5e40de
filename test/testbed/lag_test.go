package testbed

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestWhatIsMadeOfStepsMayTakeAsMuchLongerAsTheStepsDo(t *testing.T) {
	now := second(0)
	l := &Lag{clock: clocktesting.NewFakeClock(now)}
	expect := func(when string, wantOn, wantOnAverage time.Duration) {
		t.Helper()
		if got := l.On(time.Second, 3); got != wantOn {
			t.Errorf("%s: the limit is %s, want %s", when, got, wantOn)
		}
		if got := l.OnAverage(time.Second, 3); got != wantOnAverage {
			t.Errorf("%s: the limit on average is %s, want %s", when, got, wantOnAverage)
		}
	}
	expect("nothing is measured", time.Second, time.Second)
	l.add(100 * time.Millisecond)
	l.add(300 * time.Millisecond)
	expect("the slowest counts", 1900*time.Millisecond, 1600*time.Millisecond)
	l.written = now.Add(-2 * time.Second)
	expect("a write is not seen for two seconds", 7*time.Second, 1600*time.Millisecond)
}

func (s *story) theLagIsMeasured() {
	lag, err := s.cluster.MeasureLag(s.ctx)
	s.check(err)
	for measured := 0; measured < 3; {
		lag.mu.Lock()
		measured = lag.count
		lag.mu.Unlock()
		select {
		case <-time.After(lagInterval):
		case <-s.ctx.Done():
			s.t.Fatal("the lag was never measured")
		}
	}
	s.check(lag.Stop())
	if got := lag.On(0, 1); got <= 0 || got > lateness {
		s.t.Errorf("the lag is %s", got)
	}
}
