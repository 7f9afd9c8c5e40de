package helper

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// A helper reports at most reportBurst changes of what is so on its host at once, and then one every reportPause: a sentinel may come and
	// go as often as whatever makes it likes, and each report goes to every watch. See step.urgent for what is not held up.
	reportBurst = 10
	reportPause = 6 * time.Second
)

func newAllowance() *rate.Limiter { return rate.NewLimiter(rate.Every(reportPause), reportBurst) }

// older compares resource versions of one object. Those that cannot be compared are not older: the precondition of every write catches
// what is stale.
func older(version, than string) bool {
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && order < 0
}

func (a *agent) execute(ctx context.Context, s step) error {
	if s.report != nil && !s.urgent() && !a.mayReport() {
		return nil
	}
	if s.report != nil {
		version, err := a.api.Report(ctx, s.reboot, s.report)
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			a.Log.V(1).Info("NodeReboot changed in the meantime", "nodeReboot", s.reboot.Name, "resourceVersion", s.reboot.ResourceVersion)
			return nil // The watch brings what changed.
		}
		if err != nil {
			return fmt.Errorf("report to NodeReboot %s: %w", s.reboot.Name, err)
		}
		a.written[s.reboot.UID] = version
	}
	switch {
	case s.start && s.reboot.Status.Order.Action == v1alpha1.ActionDrain:
		return a.startDrain(ctx, s.reboot)
	case s.start:
		a.start(ctx, s.reboot)
	}
	return nil
}

// mayReport takes one of the reports that are allowed now, or notes when there is one.
func (a *agent) mayReport() bool {
	now := a.Clock.Now()
	reservation := a.allowance.ReserveN(now, 1)
	pause := reservation.DelayFrom(now)
	if pause == 0 {
		return true
	}
	reservation.CancelAt(now)
	a.unsaid = now.Add(pause)
	return false
}

// whenAllowed fires when a report may be made that was held up; nil if none was.
func (a *agent) whenAllowed() <-chan time.Time {
	if a.unsaid.IsZero() {
		return nil
	}
	return a.Clock.After(a.unsaid.Sub(a.Clock.Now()))
}

// startDrain begins to carry out an order to drain that is in force, and no other: the watch may be behind the manager, which has withdrawn
// the order. A drain is not recorded before it begins, because nothing happens if it begins twice.
func (a *agent) startDrain(ctx context.Context, reboot *v1alpha1.NodeReboot) error {
	latest, err := a.api.Find(ctx, reboot.Name)
	if err != nil {
		return fmt.Errorf("look whether the order of NodeReboot %s is in force: %w", reboot.Name, err)
	}
	if latest == nil || latest.UID != reboot.UID {
		return nil // The watch brings what changed.
	}
	a.written[latest.UID] = latest.ResourceVersion
	if order := orderInForce(latest); order == nil || order.Sequence != reboot.Status.Order.Sequence || validate(order) != nil {
		return nil // The watch brings it as well, and what this helper does not know is refused then.
	}
	a.start(ctx, latest)
	return nil
}
