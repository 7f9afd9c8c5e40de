package gates

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// parallel bounds of how many policies the gates are asked at once.
const parallel = 8

// turns are given to policies, first come, first served. All gates of a policy are asked at once, because all of their answers have to be
// good at one time. So neither many gates of one policy nor slow ones of others keep a policy from its answers: a turn lasts no longer than
// the time limit of a gate.
type turns struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	current map[string]*turn
	waiting []*waiter
}

// turn of a policy.
type turn struct {
	began   time.Time
	running int
}

// waiter is a question that waits for the turn of its policy.
type waiter struct {
	policy string
	// ready is closed when it may be asked.
	ready chan struct{}
}

func newTurns(c clock.PassiveClock) *turns { return &turns{clock: c, current: map[string]*turn{}} }

// take waits until a question of a policy may be asked, and says whether it may; leave has to follow then.
func (t *turns) take(ctx context.Context, policy string) bool {
	t.mu.Lock()
	w := &waiter{policy: policy, ready: make(chan struct{})}
	t.waiting = append(t.waiting, w)
	if own := t.current[policy]; own != nil && (len(t.waiting) == 1 || t.clock.Since(own.began) < patience) {
		t.admit(policy)
	}
	t.next()
	t.mu.Unlock()
	select {
	case <-w.ready:
		return true
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting, w)
	if i < 0 {
		return true // its turn has just come
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return false
}

// leave says that a question was asked.
func (t *turns) leave(policy string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.current[policy]
	if own.running--; own.running == 0 {
		delete(t.current, policy)
	}
	t.next()
}

// next gives free turns to the policies that have waited longest.
func (t *turns) next() {
	for i := 0; i < len(t.waiting) && len(t.current) < parallel; {
		if policy := t.waiting[i].policy; t.current[policy] == nil {
			t.admit(policy)
			i = 0
		} else {
			i++
		}
	}
}

// admit lets all questions of a policy be asked that wait.
func (t *turns) admit(policy string) {
	own := t.current[policy]
	if own == nil {
		own = &turn{began: t.clock.Now()}
		t.current[policy] = own
	}
	t.waiting = slices.DeleteFunc(t.waiting, func(w *waiter) bool {
		if w.policy != policy {
			return false
		}
		own.running++
		close(w.ready)
		return true
	})
}
