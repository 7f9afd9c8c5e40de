package election

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// leastLead is how long a process has to have led before it hands the lead over. If no one takes the lead, this process leads again, and
// continues with its work at once.
const leastLead = 10 * time.Second

// MayHandOver reports whether this process leads and may end for another one to lead. It does not once it has given the lease up.
func (l *Lock) MayHandOver() bool {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.leads && !l.released && l.clock.Since(l.led) >= leastLead
}

// handover releases the lease of a manager that ends.
type handover struct {
	lock  *Lock
	cache cache.Cache
	log   logr.Logger
}

// AddHandover has a manager release the lease when its controllers have ended. By itself it does so only when its webhooks have answered
// what is under way, which takes seconds.
func AddHandover(mgr manager.Manager, lock *Lock) error {
	return mgr.Add(&handover{lock: lock, cache: mgr.GetCache(), log: mgr.GetLogger().WithName("handover")})
}

// GetCache has the manager take this for a cache: those end after everything that only the leader does, and before the servers.
func (h *handover) GetCache() cache.Cache { return h.cache }

// Start implements manager.Runnable.
func (h *handover) Start(ctx context.Context) error {
	<-ctx.Done()
	if err := h.lock.Release(ctx); err != nil {
		h.log.Info("The lease was not released; the next leader waits until it runs out", "error", err.Error())
	}
	return nil
}
