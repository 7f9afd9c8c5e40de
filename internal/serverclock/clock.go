// Package serverclock tells the time of the API server. Programs on different machines that compare times with each other, or with those in
// objects, all take it from there, so that no clock of a host has to be right.
package serverclock

import (
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// resolution is that of a Date header.
	resolution = time.Second
	// maxHold is how far the clock may be ahead and then stands still, instead of going back, until the API server's has caught up. If it is
	// further ahead, either clock was wrong and it does go back.
	maxHold = time.Minute
)

// Clock says what the API server's clock says, to about a second. It learns that from the responses to requests made through WrapTransport,
// and between them runs with the host's monotonic time: steps of the host's wall clock do not matter. Before the first response it is the
// host's wall clock. Timers and tickers are the host's.
type Clock struct {
	clock.WithTicker
	began time.Time
	wall  func() time.Time

	mu    sync.Mutex
	known bool
	// base is the API server's time when began was taken. Only meaningful if known.
	base time.Time
	// last is the latest time that Now returned.
	last time.Time
}

var _ clock.WithTicker = &Clock{}

// New returns a clock that runs with the monotonic time of local. The wall clock is that of local, too, if wall is nil.
func New(local clock.WithTicker, wall func() time.Time) *Clock {
	if wall == nil {
		wall = local.Now
	}
	return &Clock{WithTicker: local, began: local.Now(), wall: wall}
}

// elapsed is the host's monotonic time since began.
func (c *Clock) elapsed() time.Duration {
	return c.WithTicker.Since(c.began)
}

// hostTime is what the host's wall clock says. Rounding removes the monotonic reading.
func (c *Clock) hostTime() time.Time {
	return c.wall().Round(0).UTC()
}

// Now is the API server's time. It does not go back, except when a clock was off by more than a minute.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	now := c.hostTime()
	if c.known {
		now = c.base.Add(c.elapsed())
	}
	if ahead := c.last.Sub(now); ahead > 0 && ahead < maxHold {
		return c.last
	}
	c.last = now
	return now
}

// Since is how long ago t was.
func (c *Clock) Since(t time.Time) time.Duration {
	return c.Now().Sub(t)
}

// Offset is how far the host's wall clock is ahead of the API server's; negative if it is behind. It is false before the first response.
func (c *Clock) Offset() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return 0, false
	}
	return c.hostTime().Sub(c.base.Add(c.elapsed())), true
}

// WrapTransport returns a transport that notes the time in each response. It is meant for rest.Config.Wrap.
func (c *Clock) WrapTransport(next http.RoundTripper) http.RoundTripper {
	return &transport{clock: c, next: next}
}

type transport struct {
	clock *Clock
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := t.clock.elapsed()
	response, err := t.next.RoundTrip(request)
	if err == nil {
		t.clock.observe(response, sent, t.clock.elapsed())
	}
	return response, err
}

// WrappedRoundTripper lets client-go find the transport below.
func (t *transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// observe learns from a response. Its Date was taken at some time between sent and received, and cut to whole seconds: both make the
// estimate uncertain. The clock stays as it is unless it is off by more than that and half a second, so that it runs smoothly, and so that
// the order of responses does not matter.
func (c *Clock) observe(response *http.Response, sent, received time.Duration) {
	if response.StatusCode >= http.StatusInternalServerError {
		return // It may be from something in between, which has a clock of its own.
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return
	}
	base := date.UTC().Add(resolution/2 - (sent+received)/2)
	tolerance := resolution + (received-sent)/2
	c.mu.Lock()
	defer c.mu.Unlock()
	current := c.base
	if !c.known {
		current = c.hostTime().Add(-c.elapsed())
	}
	if current.Sub(base).Abs() > tolerance {
		current = base
	}
	c.base, c.known = current, true
}
