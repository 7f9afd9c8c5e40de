package chaos

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/chaos/wire"
)

// grantsSlot reports whether a call writes the slots object.
func grantsSlot(call *wire.Call) bool {
	return call.Write && strings.HasSuffix(call.Request.URL.Path, "/"+v1alpha1.SlotsName)
}

// grantOvertaken stalls a manager between what it read and the grant that it writes. Meanwhile another one grants the only slot to another
// node. Then the first one continues: it must not have its grant.
func grantOvertaken(r *run) {
	r.nodes("a", "a")
	stalled, other := r.alone(), r.alone()
	first, second := r.hosts[0], r.hosts[1]
	r.label(second, v1alpha1.SkipLabel, "true")
	r.policy()

	var free atomic.Bool
	other.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if grantsSlot(call) && !free.Load() {
			return nil, wire.ErrCut
		}
		return next()
	})
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	stalled.Wire().Reset()
	stalled.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if grantsSlot(call) {
			once.Do(func() {
				close(held)
				<-release
			})
		}
		return next()
	})
	var let sync.Once
	defer let.Do(func() { close(release) })
	r.rollout("a manager was overtaken while it granted a slot", judge.Rules{Grace: grace}, func(trial *rig.Trial) {
		ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
		defer cancel()
		select {
		case <-held:
		case <-ctx.Done():
			r.Fatal("the first manager granted no slot")
		}
		r.label(first, v1alpha1.SkipLabel, "true")
		r.label(second, v1alpha1.SkipLabel, "")
		free.Store(true)
		r.must(r.Poll(ctx, "the other manager has granted the slot", func() (bool, error) {
			return slices.ContainsFunc(trial.History().Slots, func(slots judge.Slots) bool {
				_, granted := slots.Grants[second.Name()]
				return granted
			}), nil
		}))
		let.Do(func() { close(release) })
		r.pause(2 * time.Second) // for the first one to do its worst
		r.label(first, v1alpha1.SkipLabel, "")
	})
}
