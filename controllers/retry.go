package controllers

import (
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// firstRetry is how soon a pass follows one that could not write everything; the time doubles with every further one.
	firstRetry = 50 * time.Millisecond
	// lastStaleRetry bounds that time after conflicts, which end when the cache catches up.
	lastStaleRetry = 2 * time.Second
	// lastErrorRetry bounds it after errors.
	lastErrorRetry = 30 * time.Second
)

// retryLimiter says when to try again after a pass that could not write everything. As the controller's rate limiter it does so for errors.
// It never lets one failing write delay what the plan does for others: the plan's wake-up time comes first.
type retryLimiter struct {
	// errors is reset by the controller after a pass without an error.
	errors workqueue.TypedRateLimiter[reconcile.Request]
	// stale is reset by settled.
	stale workqueue.TypedRateLimiter[reconcile.Request]
	// wake is how long until the plan's wake-up time; 0 means forever. The queue asks from a goroutine of its own.
	wake atomic.Int64
}

var _ workqueue.TypedRateLimiter[reconcile.Request] = &retryLimiter{}

func newRetryLimiter() *retryLimiter {
	return &retryLimiter{
		errors: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastErrorRetry),
		stale:  workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastStaleRetry),
	}
}

// wakeIn sets how long until the plan's wake-up time; 0 means forever.
func (l *retryLimiter) wakeIn(wake time.Duration) { l.wake.Store(int64(wake)) }

// afterStale is how long to wait after a pass that met conflicts.
func (l *retryLimiter) afterStale(request reconcile.Request) time.Duration {
	return l.notAfterWake(l.stale.When(request))
}

// settled says that a pass wrote everything.
func (l *retryLimiter) settled(request reconcile.Request) { l.stale.Forget(request) }

// When implements workqueue.TypedRateLimiter.
func (l *retryLimiter) When(request reconcile.Request) time.Duration {
	return l.notAfterWake(l.errors.When(request))
}

// Forget implements workqueue.TypedRateLimiter.
func (l *retryLimiter) Forget(request reconcile.Request) { l.errors.Forget(request) }

// NumRequeues implements workqueue.TypedRateLimiter.
func (l *retryLimiter) NumRequeues(request reconcile.Request) int {
	return l.errors.NumRequeues(request)
}

func (l *retryLimiter) notAfterWake(delay time.Duration) time.Duration {
	if wake := time.Duration(l.wake.Load()); wake > 0 && wake < delay {
		return wake
	}
	return delay
}
