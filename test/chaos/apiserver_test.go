package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/chaos/wire"
)

// stage is what most faults of the API server happen to: a few nodes in two zones, and a manager.
func (r *run) stage() *rig.Manager {
	r.nodes("a", "a", "b", "b")
	r.app(3)
	manager := r.alone()
	r.policy()
	return manager
}

// everywhere has what the manager and the helpers ask handled by a hook; nil ends that.
func (r *run) everywhere(hook wire.Hook) {
	for _, manager := range r.managers {
		manager.Wire().SetHook(hook)
	}
	r.SetHelperHook(func(string) wire.Hook { return hook })
}

// apiServerPaused stops the API server where it is, twice.
func apiServerPaused(r *run) {
	r.stage()
	r.rollout("the API server was stopped for a while", judge.Rules{Grace: time.Minute}, func(*rig.Trial) {
		for range r.scaled(1, 2) {
			r.pause(time.Duration(r.rand.IntN(4000)) * time.Millisecond)
			r.check(r.PauseAPIServer())
			r.pause(time.Duration(r.scaled(8, 15+r.rand.IntN(35))) * time.Second)
			r.check(r.ContinueAPIServer())
		}
	})
}

// apiServerKilled kills the API server, and starts it again.
func apiServerKilled(r *run) {
	r.stage()
	r.rollout("the API server was killed", judge.Rules{Grace: time.Minute}, func(*rig.Trial) {
		for range r.scaled(1, 3) {
			r.pause(time.Duration(r.rand.IntN(4000)) * time.Millisecond)
			r.check(r.KillAPIServer())
			r.pause(time.Duration(1+r.rand.IntN(r.scaled(4, 30))) * time.Second)
			r.check(r.StartAPIServer(r.ctx))
		}
	})
}

// mishap is one of the things that may happen to a request.
func mishap(r *run, call *wire.Call, kind int, next func() (*http.Response, error)) (*http.Response, error) {
	answer := func(code int, reason metav1.StatusReason) (*http.Response, error) {
		return wire.Answer(call, code, reason, "this answer is made up"), nil
	}
	switch kind {
	case 0:
		return answer(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
	case 1:
		return answer(http.StatusInternalServerError, metav1.StatusReasonInternalError)
	case 2:
		return answer(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
	case 3:
		return answer(http.StatusGatewayTimeout, metav1.StatusReasonTimeout)
	case 4:
		return nil, wire.ErrCut
	case 5: // done, and nobody hears of it
		if response, err := next(); err == nil {
			_ = response.Body.Close() // nobody reads it
		}
		return nil, wire.ErrCut
	case 6:
		return wire.Hang(call, r.Clock, 3*time.Second)
	default:
		if call.Write {
			return answer(http.StatusConflict, metav1.StatusReasonConflict)
		}
		return next()
	}
}

// apiServerErrors answers what it likes to one request of a few, of manager and helpers.
func apiServerErrors(r *run) {
	r.stage()
	var mu sync.Mutex
	source := rand.New(rand.NewPCG(r.rand.Uint64(), 2))
	mishaps := 0
	r.rollout("the API server answered 409, 429, 500, 503, 504, late or not at all", judge.Rules{Grace: time.Minute}, func(*rig.Trial) {
		r.everywhere(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
			mu.Lock()
			hit, kind := source.IntN(4) == 0, source.IntN(8)
			if hit {
				mishaps++
			}
			mu.Unlock()
			if !hit {
				return next()
			}
			return mishap(r, call, kind, next)
		})
		r.pause(time.Duration(r.scaled(10, 30)) * time.Second)
		r.everywhere(nil)
	})
	mu.Lock()
	defer mu.Unlock()
	r.note = fmt.Sprintf("%d mishaps", mishaps)
}

// watchesClosed closes all watches repeatedly.
func watchesClosed(r *run) {
	manager := r.stage()
	closed := 0
	r.rollout("watches were closed", judge.Rules{Grace: grace}, func(*rig.Trial) {
		for range r.scaled(8, 30) {
			r.pause(time.Duration(100+r.rand.IntN(900)) * time.Millisecond)
			closed += manager.Wire().CloseWatches() + r.CloseHelperWatches()
		}
	})
	r.note = fmt.Sprintf("%d watches", closed)
}

// staleLists has two managers see a past: what they list is of some seconds ago, and what they watch comes late. What they read by name is
// as it is, and what they write happens. They are killed now and then, so that they begin in the past.
func staleLists(r *run) {
	r.nodes("a", "a", "b", "b")
	r.app(3)
	managers := []*rig.Manager{r.alone(), r.alone()}
	r.policy()
	lists := 0
	var mu sync.Mutex
	const longest = 4 * time.Second
	r.rollout("lists were stale", judge.Rules{Grace: grace + 2*longest}, func(trial *rig.Trial) {
		for i, manager := range managers {
			late := time.Duration(1+r.rand.IntN(3))*time.Second + time.Duration(i)*500*time.Millisecond
			manager.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
				query := call.Request.URL.Query()
				switch {
				case call.Watch && query.Get("sendInitialEvents") == "true":
					return wire.Answer(call, http.StatusBadRequest, metav1.StatusReasonBadRequest, "lists are not streamed"), nil
				case call.List:
					if revision := trial.Recorder().RevisionAt(r.Clock.Now().Add(-late)); revision > 0 {
						query.Set("resourceVersion", fmt.Sprint(revision))
						query.Set("resourceVersionMatch", "Exact")
						call.Request.URL.RawQuery = query.Encode()
						mu.Lock()
						lists++
						mu.Unlock()
					}
				}
				response, err := next()
				if err == nil && call.Watch {
					response = wire.Late(response, late, r.Clock)
				}
				return response, err
			})
		}
		for range r.scaled(2, 8) {
			managers[r.rand.IntN(2)].Kill()
			r.pause(time.Duration(2000+r.rand.IntN(4000)) * time.Millisecond)
		}
		r.everywhere(nil)
		for _, manager := range managers {
			manager.Kill() // its watches would be late for ever
		}
	})
	r.note = fmt.Sprintf("%d stale lists", lists)
}
