package testbed

import (
	"context"
	"errors"
	"net/http"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// errEnded is what a helper gets for everything that it asks after its process has ended.
var errEnded = errors.New("the process of this helper has ended")

// transportOfRun lets nothing through of a helper that has ended: its goroutines may still be there for a moment.
type transportOfRun struct {
	run  context.Context
	next http.RoundTripper
}

// RoundTrip asks, as long as the run lasts.
func (t *transportOfRun) RoundTrip(request *http.Request) (*http.Response, error) {
	if t.run.Err() != nil {
		return nil, errEnded
	}
	return t.next.RoundTrip(request)
}

// hostOfRun is the host as one run of its helper sees it: by a clock that may be off, and only as long as the run lasts.
type hostOfRun struct {
	*Host
	run    context.Context
	offset time.Duration
}

// BootTime is that of the host, by its clock.
func (h *hostOfRun) BootTime() (time.Time, error) {
	boot, err := h.Host.BootTime()
	return boot.Add(h.offset), err
}

// Reboot asks the host, as long as the run lasts.
func (h *hostOfRun) Reboot(ctx context.Context, bootID string, order rebooter.Order) (string, error) {
	if h.run.Err() != nil {
		return "", errEnded
	}
	return h.askToReboot(ctx, bootID, order)
}

// offClock is a clock whose time of day is off.
type offClock struct {
	clock.WithTicker
	offset time.Duration
}

// Now is the time by that clock.
func (c offClock) Now() time.Time { return c.WithTicker.Now().Add(c.offset) }

// Since is how long ago something was that happened at a time of that clock.
func (c offClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// CrashHelper ends the process of the helper where it is, and returns at once. It is started again after a second. A step of the helper
// itself may call it.
func (h *Host) CrashHelper() { h.helper.crashNow() }

// SetClockOffset chooses by how much the host's clock is off, from the next start of its helper on.
func (h *Host) SetClockOffset(offset time.Duration) { h.helper.offset.Store(int64(offset)) }

// AroundReboot has every order to reboot that the helper gives to the rebooter pass through around, which asks the host by ask or does
// not, before or after something else. Nil ends that.
func (h *Host) AroundReboot(around func(ask func() (via string, err error)) (via string, err error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.around = around
}

func (h *Host) askToReboot(ctx context.Context, bootID string, order rebooter.Order) (string, error) {
	h.mu.Lock()
	around := h.around
	h.mu.Unlock()
	if around == nil {
		return h.Reboot(ctx, bootID, order)
	}
	return around(func() (string, error) { return h.Reboot(ctx, bootID, order) })
}
