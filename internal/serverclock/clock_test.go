package serverclock

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// noon is what the API server's clock says when a test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// machine is a host and the API server that it talks to. Time passes for both; the host's wall clock can be off and can be stepped.
type machine struct {
	*Clock
	t      *testing.T
	local  *clocktesting.FakeClock
	off    time.Duration
	server time.Duration
}

func newMachine(t *testing.T, off time.Duration) *machine {
	m := &machine{t: t, local: clocktesting.NewFakeClock(noon), off: off}
	m.Clock = New(m.local, func() time.Time { return m.local.Now().Add(m.off) })
	return m
}

func (m *machine) pass(d time.Duration) { m.local.SetTime(m.local.Now().Add(d)) }

// serverNow is the API server's time.
func (m *machine) serverNow() time.Time { return m.local.Now().Add(m.server) }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// ask makes a request that takes so long until it is answered, and then until the answer is here.
func (m *machine) ask(there, back time.Duration, change ...func(*http.Response)) {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, "https://api", http.NoBody)
	if err != nil {
		m.t.Fatal(err)
	}
	response, err := m.WrapTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		m.pass(there)
		response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}
		response.Header.Set("Date", m.serverNow().UTC().Format(http.TimeFormat))
		for _, c := range change {
			c(response)
		}
		m.pass(back)
		return response, nil
	})).RoundTrip(request)
	if err != nil {
		m.t.Fatal(err)
	}
	_ = response.Body.Close()
}

// wantClose checks that the clock says what the API server's says.
func (m *machine) wantClose(within time.Duration) {
	m.t.Helper()
	if diff := m.Now().Sub(m.serverNow()).Abs(); diff > within {
		m.t.Errorf("the clock says %s and the API server's %s, which differ by more than %s", m.Now(), m.serverNow(), within)
	}
}

func (m *machine) wantOffset(want time.Duration) {
	m.t.Helper()
	got, ok := m.Offset()
	if !ok || (got-want).Abs() > time.Second {
		m.t.Errorf("offset %s (known: %v), want %s", got, ok, want)
	}
}

func TestBeforeTheFirstResponseItIsTheLocalClock(t *testing.T) {
	m := newMachine(t, 2*time.Hour)
	if want := noon.Add(2 * time.Hour); !m.Now().Equal(want) {
		t.Errorf("the clock says %s, want %s", m.Now(), want)
	}
	if _, ok := m.Offset(); ok {
		t.Error("the offset is known before the API server has answered")
	}
}

func TestTheTimeIsTheAPIServersWhateverTheHostsClockSays(t *testing.T) {
	for name, off := range map[string]time.Duration{
		"right": 0, "two hours ahead": 2 * time.Hour, "two hours behind": -2 * time.Hour, "of 1970": -noon.Sub(time.Unix(0, 0)),
		"a second ahead": time.Second, "a bit behind": -700 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, off)
			m.pass(300 * time.Millisecond)
			m.ask(10*time.Millisecond, 10*time.Millisecond)
			m.wantClose(1100 * time.Millisecond)
			m.wantOffset(off)
			m.pass(time.Hour)
			m.wantClose(1100 * time.Millisecond)
			if m.Now().Location() != time.UTC {
				t.Errorf("the time is in %s", m.Now().Location())
			}
		})
	}
}

func TestAHostsClockThatIsRightIsNotMovedByTheFirstResponse(t *testing.T) {
	m := newMachine(t, 0)
	m.pass(123 * time.Millisecond)
	m.ask(10*time.Millisecond, 10*time.Millisecond)
	if got := m.Now().Sub(m.serverNow()); got != 0 {
		t.Errorf("it was moved by %s", got)
	}
}

func TestAStepOfTheHostsClockChangesNothingButTheOffset(t *testing.T) {
	for name, step := range map[string]time.Duration{"ahead": 8 * time.Hour, "back": -8 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 0)
			m.ask(0, 0)
			before := m.Now()
			m.off += step
			if !m.Now().Equal(before) {
				t.Errorf("the clock says %s after the step, and %s before", m.Now(), before)
			}
			m.wantOffset(step)
			m.pass(time.Minute)
			m.ask(0, 0)
			if got := m.Since(before); got != time.Minute {
				t.Errorf("%s passed, want a minute", got)
			}
		})
	}
}

func TestAStepOfTheHostsClockBeforeTheFirstResponseDoesNoHarm(t *testing.T) {
	for name, step := range map[string]time.Duration{"ahead": 8 * time.Hour, "back": -8 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 0)
			_ = m.Now()
			m.off += step
			m.pass(time.Second)
			m.ask(0, 0)
			m.wantClose(time.Second)
			m.wantOffset(step)
		})
	}
}

// Responses have whole seconds. The clock must not follow them up and down.
func TestTheClockRunsSmoothlyAlthoughResponsesHaveWholeSeconds(t *testing.T) {
	m := newMachine(t, -time.Minute)
	m.pass(990 * time.Millisecond)
	m.ask(0, 0)
	base := m.Now().Add(-m.local.Since(noon))
	for range 1000 {
		m.ask(37*time.Millisecond, 150*time.Millisecond)
		if got := m.Now().Add(-m.local.Since(noon)); !got.Equal(base) {
			t.Fatalf("the clock was moved by %s", got.Sub(base))
		}
	}
	m.wantClose(time.Second)
}

// Each of several API servers has its own clock.
func TestTheClockDoesNotGoBackBecauseAPIServersDiffer(t *testing.T) {
	m := newMachine(t, 0)
	last := m.Now()
	for i := range 100 {
		m.server = time.Duration(i%2) * 5 * time.Second
		m.ask(5*time.Millisecond, 5*time.Millisecond)
		if now := m.Now(); now.Before(last) {
			t.Fatalf("it went back by %s", last.Sub(now))
		}
		last = m.Now()
		m.pass(200 * time.Millisecond)
	}
	m.server = 5 * time.Second
	m.wantClose(6 * time.Second)
}

func TestTheClockFollowsWhenTheAPIServersIsStepped(t *testing.T) {
	for name, step := range map[string]time.Duration{"ahead": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 0)
			m.ask(0, 0)
			_ = m.Now()
			m.server += step
			m.ask(0, 0)
			m.wantClose(time.Second)
			m.wantOffset(-step)
		})
	}
}

// A suspended machine's monotonic clock stands still.
func TestTheClockIsRightAgainAfterASuspend(t *testing.T) {
	m := newMachine(t, 0)
	m.ask(0, 0)
	m.server += 3 * time.Hour
	m.off += 3 * time.Hour // the wall clock is set from the hardware's
	m.ask(time.Millisecond, time.Millisecond)
	m.wantClose(time.Second)
	m.wantOffset(0)
}

func TestAResponseThatTookLongMovesNothingThatFitsIt(t *testing.T) {
	for name, test := range map[string]struct{ there, back time.Duration }{
		"the answer was late":  {0, time.Minute},
		"the request was late": {time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 10*time.Minute)
			m.ask(0, 0)
			m.ask(test.there, test.back)
			m.wantClose(time.Second)
		})
	}
}

func TestResponsesOutOfOrderDoNoHarm(t *testing.T) {
	m := newMachine(t, -2*time.Hour)
	m.ask(time.Second, time.Second, func(*http.Response) {
		m.ask(0, 0) // A later request is answered before.
		m.wantClose(time.Second)
		m.pass(20 * time.Second)
		m.ask(0, 0)
	})
	m.wantClose(time.Second)
}

func TestAFirstResponseThatTookLongIsCorrectedByTheNext(t *testing.T) {
	m := newMachine(t, -2*time.Hour)
	m.ask(0, 40*time.Second)
	m.wantClose(21 * time.Second)
	m.ask(0, 0)
	m.pass(30 * time.Second) // The clock may have stood still for so long.
	m.wantClose(time.Second)
}

func TestWhatTellsNoTimeIsIgnored(t *testing.T) {
	for name, change := range map[string]func(*http.Response){
		"no Date header":           func(r *http.Response) { r.Header.Del("Date") },
		"a Date that is none":      func(r *http.Response) { r.Header.Set("Date", "yesterday") },
		"an error of some gateway": func(r *http.Response) { r.StatusCode = http.StatusBadGateway },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 2*time.Hour)
			m.ask(0, 0, change)
			if want := noon.Add(2 * time.Hour); !m.Now().Equal(want) {
				t.Errorf("the clock says %s, want that of the host, %s", m.Now(), want)
			}
			if _, ok := m.Offset(); ok {
				t.Error("the offset is known")
			}
			m.ask(0, 0)
			m.server += time.Hour
			m.ask(0, 0, change)
			m.server -= time.Hour
			m.wantClose(time.Second)
		})
	}
}

func TestAnErrorIsPassedOn(t *testing.T) {
	want := errors.New("connection refused")
	transport := New(clock.RealClock{}, nil).WrapTransport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, want }))
	response, err := transport.RoundTrip(&http.Request{})
	if !errors.Is(err, want) {
		t.Errorf("error %v", err)
	}
	if response != nil {
		_ = response.Body.Close()
		t.Errorf("response %v", response)
	}
}

// client-go looks below the transport for its TLS configuration.
func TestTheTransportBelowCanBeFound(t *testing.T) {
	below := &http.Transport{}
	wrapped, ok := New(clock.RealClock{}, nil).WrapTransport(below).(utilnet.RoundTripperWrapper)
	if !ok || wrapped.WrappedRoundTripper() != below {
		t.Error("the transport hides the one below")
	}
}

func TestTimersRunByTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(clock.RealClock{}, nil)
		began := c.Now()
		timer := c.NewTimer(time.Minute)
		<-timer.C()
		if diff := cmp.Diff(time.Minute, c.Since(began)); diff != "" {
			t.Errorf("passed (-want +got):\n%s", diff)
		}
	})
}
