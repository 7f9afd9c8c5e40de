package gates

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

// queue has questions take turns.
type queue struct {
	*turns
	t  *testing.T
	mu sync.Mutex
	// asked are the policies of the questions that may be asked, in the order in which they might.
	asked []string
	// give up ends a question that waits.
	giveUp map[string]context.CancelFunc
}

func newQueue(t *testing.T) *queue {
	return &queue{turns: newTurns(clock.RealClock{}), t: t, giveUp: map[string]context.CancelFunc{}}
}

// ask one question of a policy.
func (q *queue) ask(policy string) {
	ctx, cancel := context.WithCancel(q.t.Context())
	q.giveUp[policy] = cancel
	go func() {
		if q.take(ctx, policy) {
			q.mu.Lock()
			q.asked = append(q.asked, policy)
			q.mu.Unlock()
		}
	}()
	synctest.Wait()
}

// fill gives turns to policies that do not end.
func (q *queue) fill(count int) {
	for i := range count {
		q.ask(fmt.Sprint("busy-", i))
	}
}

// others are the policies that were asked about in addition to those of fill.
func (q *queue) others() string {
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	names := slices.DeleteFunc(slices.Clone(q.asked), func(name string) bool { return strings.HasPrefix(name, "busy-") })
	return strings.Join(names, " ")
}

func TestTurnsAreGivenToWhoCameFirst(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(q *queue)
		want string
	}{
		"as many policies as may": {func(q *queue) {
			q.fill(parallel - 1)
			q.ask("a")
			q.ask("b")
		}, "a"},
		"the next one when another has ended": {func(q *queue) {
			q.fill(parallel)
			q.ask("a")
			q.ask("b")
			q.leave("busy-0")
		}, "a"},
		"two when two have": {func(q *queue) {
			q.fill(parallel)
			q.ask("a")
			q.ask("b")
			q.leave("busy-3")
			synctest.Wait()
			q.leave("busy-1")
		}, "a b"},
		"one policy has all of its questions asked at once": {func(q *queue) {
			q.fill(parallel - 1)
			q.ask("a")
			q.ask("a")
			q.ask("a")
		}, "a a a"},
		"also those that waited": {func(q *queue) {
			q.fill(parallel)
			q.ask("a")
			q.ask("b")
			q.ask("a")
			q.leave("busy-0")
		}, "a a"},
		"its turn ends with the last of them": {func(q *queue) {
			q.fill(parallel - 1)
			q.ask("a")
			q.ask("a")
			q.ask("b")
			q.leave("a")
		}, "a a"},
		"and then it is another's": {func(q *queue) {
			q.fill(parallel - 1)
			q.ask("a")
			q.ask("a")
			q.ask("b")
			q.leave("a")
			q.leave("a")
		}, "a a b"},
		"a policy that has its turn does not pass others for ever": {func(q *queue) {
			q.fill(parallel - 1)
			q.ask("a")
			q.ask("b") // waits
			time.Sleep(patience)
			q.ask("a")
		}, "a"},
		"but it does for a moment": {func(q *queue) {
			q.fill(parallel - 1)
			q.ask("a")
			q.ask("b")
			time.Sleep(patience - time.Millisecond)
			q.ask("a")
		}, "a a"},
		"and as long as nobody waits": {func(q *queue) {
			q.fill(parallel - 1)
			q.ask("a")
			time.Sleep(time.Hour)
			q.ask("a")
		}, "a a"},
		"who gave up is not waited for": {func(q *queue) {
			q.fill(parallel)
			q.ask("a")
			q.ask("b")
			q.giveUp["a"]()
			synctest.Wait()
			q.leave("busy-0")
		}, "b"},
		"nor is there a turn without questions": {func(q *queue) {
			q.fill(parallel)
			q.ask("a")
			q.giveUp["a"]()
			synctest.Wait()
			q.leave("busy-0")
			q.ask("c")
		}, "c"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(t)
				test.do(q)
				if got := q.others(); got != test.want {
					t.Errorf("asked are the questions of %q, want %q", got, test.want)
				}
				if len(q.current) > parallel {
					t.Errorf("%d policies have their turn at once", len(q.current))
				}
			})
		})
	}
}

// A question whose time ends at the moment of its turn has to leave it again.
func TestATurnThatComesAtTheLastMomentIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 { // which of the two comes first is a matter of luck
			q := newTurns(clock.RealClock{})
			for i := range parallel {
				if !q.take(t.Context(), fmt.Sprint(i)) {
					t.Fatal("no turn")
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			var taken bool
			var ended sync.WaitGroup
			ended.Go(func() { taken = q.take(ctx, "late") })
			synctest.Wait()
			cancel()
			q.leave("0")
			ended.Wait()
			if taken != (q.current["late"] != nil) {
				t.Fatalf("taken: %t, and it has its turn: %t", taken, q.current["late"] != nil)
			}
			if len(q.waiting) > 0 {
				t.Fatal("it waits for another turn")
			}
		}
	})
}
