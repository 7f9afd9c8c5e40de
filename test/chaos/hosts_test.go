package chaos

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/helper"
	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/chaos/wire"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// steps counts what the helper of a node does: its writes, and its orders to the host. At one of them it dies.
type steps struct {
	host *testbed.Host
	at   int // the step; 0 is never
	// before says on which side of the step.
	before bool

	mu    sync.Mutex
	count int
	died  bool
}

// step does one, and reports whether the helper has died in the meantime.
func (s *steps) step(do func()) (died bool) {
	s.mu.Lock()
	s.count++
	now := s.count == s.at && !s.died
	s.died = s.died || now
	s.mu.Unlock()
	if !now || !s.before {
		do()
	}
	if now {
		s.host.CrashHelper()
	}
	return now
}

func (s *steps) taken() (count int, died bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.died
}

// errDied is what nobody reads, because the process is gone.
var errDied = errors.New("the helper has died")

// count has the steps of some hosts counted.
func (r *run) count(all map[string]*steps) {
	r.SetHelperHook(func(node string) wire.Hook {
		steps := all[node]
		if steps == nil {
			return nil
		}
		return func(call *wire.Call, next func() (*http.Response, error)) (response *http.Response, err error) {
			if !call.Write {
				return next()
			}
			if steps.step(func() { response, err = next() }) {
				if response != nil {
					_ = response.Body.Close() // nobody reads it
				}
				return nil, errDied
			}
			return response, err
		}
	})
	for _, steps := range all {
		steps.host.AroundReboot(func(ask func() (string, error)) (via string, err error) {
			if steps.step(func() { via, err = ask() }) {
				return "", errDied
			}
			return via, err
		})
	}
}

// helperKilledAtEachStep kills the helpers of many nodes, each at another one of its steps.
func helperKilledAtEachStep(r *run) {
	zones := make([]string, r.scaled(6, 12))
	for i := range zones {
		zones[i] = "a"
	}
	r.nodes(zones...)
	r.app(len(zones) - 1)
	r.alone()
	r.policy(rig.AnyOrder(), rig.MaxUnavailable(len(zones)))
	all := map[string]*steps{}
	for _, host := range r.hosts {
		all[host.Name()] = &steps{host: host}
	}
	r.count(all)
	r.rollout("nothing goes wrong", judge.Rules{Grace: grace}, nil)
	most := 0
	for _, steps := range all {
		count, _ := steps.taken()
		most = max(most, count)
	}
	died, total := 0, 0
	sides := r.rand.Perm(2 * most)
	for len(sides) > 0 {
		r.must(r.ForgetReboots(r.ctx))
		for _, host := range r.hosts {
			all[host.Name()] = &steps{host: host}
			if len(sides) > 0 {
				all[host.Name()] = &steps{host: host, at: 1 + sides[0]/2, before: sides[0]%2 == 0}
				sides = sides[1:]
			}
		}
		r.count(all)
		r.rollout("helpers were killed between their steps", judge.Rules{Grace: grace}, nil)
		for _, steps := range all {
			total++
			if _, is := steps.taken(); is {
				died++
			}
		}
		if !r.full {
			break
		}
	}
	r.note = fmt.Sprintf("%d steps, %d of %d helpers killed", most, died, total)
}

// rebooterKilledAtEachStep ends the rebooter before the host is asked, after it was asked and before it heard, and after it said yes.
func rebooterKilledAtEachStep(r *run) {
	r.nodes("a", "a", "a")
	r.app(2)
	r.alone()
	r.policy(rig.AnyOrder(), rig.MaxUnavailable(3))
	deaths := []func(ask func() (string, error)) (string, error){
		func(func() (string, error)) (string, error) { return "", errors.New("the rebooter is not there") },
		func(func() (string, error)) (string, error) { return "", helper.ErrUncertain },
		func(ask func() (string, error)) (string, error) {
			_, err := ask()
			return "", errors.Join(helper.ErrUncertain, err)
		},
	}
	for i, host := range r.hosts {
		var once sync.Once
		host.AroundReboot(func(ask func() (string, error)) (via string, err error) {
			first := false
			once.Do(func() { first = true })
			if first {
				return deaths[i](ask)
			}
			return ask()
		})
	}
	r.rollout("rebooters were killed", judge.Rules{Grace: grace}, nil)
}

// clocksOff has each host's clock off by hours, another way in each boot.
func clocksOff(r *run) {
	offsets := []time.Duration{2 * time.Hour, -2 * time.Hour, 13 * time.Hour, -9 * time.Hour}
	r.nodes("a", "a", "b", "b")
	r.app(3)
	r.alone()
	for i, host := range r.hosts {
		host.SetClockOffset(offsets[i])
		host.CrashHelper() // so that the clock is off from its start on
	}
	r.policy()
	r.rollout("clocks of hosts were off", judge.Rules{Grace: grace}, func(*rig.Trial) {
		for i, host := range r.hosts {
			host.SetClockOffset(offsets[(i+1+r.rand.IntN(3))%len(offsets)]) // of the next boot
		}
	})
}

// hostsNotBack has hosts that do not come back: the policy halts until they do.
func hostsNotBack(r *run) {
	r.nodes("a", "a", "a", "b")
	r.app(3)
	r.alone()
	lost := r.hosts[r.rand.IntN(len(r.hosts))]
	lost.SetFault(testbed.FaultNeverBack)
	r.policy(func(s *v1alpha1.RebootPolicySpec) {
		s.Failure.MaxFailures = ptr.To(intstr.FromInt(1))
		s.Reboot.TimeoutSeconds = ptr.To[int32](3)
	})
	r.rollout("a host did not come back", judge.Rules{Grace: grace}, func(*rig.Trial) {
		r.must(r.Poll(r.ctx, "the policy halts", func() (bool, error) {
			var policy v1alpha1.RebootPolicy
			err := r.Client().Get(r.ctx, client.ObjectKey{Name: r.pool}, &policy)
			for _, condition := range policy.Status.Conditions {
				if condition.Type == v1alpha1.ConditionHalted && condition.Status == "True" {
					return true, nil
				}
			}
			return false, err
		}))
		r.pause(2 * grace)
		lost.Return()
	})
}

// nodesComeAndGo has hosts crash, and Nodes relabeled in and out of the policy and between zones, cordoned and tainted by people, deleted,
// and registered again.
func nodesComeAndGo(r *run) {
	r.nodes("a", "a", "b", "b", "c", "c")
	r.app(3)
	for range 1 + r.rand.IntN(2) {
		r.alone()
	}
	r.policy(rig.MaxUnavailable(2))
	done := map[string]int{}
	r.rollout("Nodes came and went", judge.Rules{Grace: grace, LeaveWorkloads: true}, func(trial *rig.Trial) {
		for range r.scaled(10, 30) {
			r.pause(time.Duration(100+r.rand.IntN(1200)) * time.Millisecond)
			done[r.happen(trial)]++
		}
		r.restore(trial)
	})
	r.note = fmt.Sprint(done)
}

// happen has one thing happen to one node.
func (r *run) happen(trial *rig.Trial) string {
	host := r.hosts[r.rand.IntN(len(r.hosts))]
	switch r.rand.IntN(8) {
	case 0:
		host.PowerCycle()
		return "power cycles"
	case 1:
		r.label(host, rig.PoolLabel, "elsewhere")
		return "left the policy"
	case 2:
		r.label(host, rig.PoolLabel, r.pool)
		return "joined the policy"
	case 3:
		r.label(host, corev1.LabelTopologyZone, string("abc"[r.rand.IntN(3)]))
		return "changed zones"
	case 4:
		r.taint(trial, host)
		return "taints"
	case 5:
		r.label(host, v1alpha1.SkipLabel, "true")
		return "skipped"
	case 6:
		r.label(host, v1alpha1.SkipLabel, "")
		return "not skipped"
	default:
		if !host.Up() {
			r.check(client.IgnoreNotFound(host.Deregister(r.ctx)))
			return "deleted while down"
		}
		r.replace(trial, host)
		return "replaced"
	}
}

// label sets a label of a node, or removes it.
func (r *run) label(host *testbed.Host, key, value string) {
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, key, value)
	if value == "" {
		patch = fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, key)
	}
	node := &corev1.Node{}
	node.Name = host.Name()
	r.check(client.IgnoreNotFound(r.Client().Patch(r.ctx, node, client.RawPatch(types.MergePatchType, []byte(patch)))))
}

// foreignTaint is a taint that only these tests set.
const foreignTaint = "chaos.example.com/dedicated"

// taint adds a taint that is not the operator's.
func (r *run) taint(trial *rig.Trial, host *testbed.Host) {
	var node corev1.Node
	if err := r.Client().Get(r.ctx, client.ObjectKey{Name: host.Name()}, &node); err != nil {
		r.check(client.IgnoreNotFound(err))
		return
	}
	node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: foreignTaint, Effect: corev1.TaintEffectPreferNoSchedule})
	if err := r.Client().Update(r.ctx, &node); err != nil {
		return // it has changed, or has such a taint: then there is none more
	}
	trial.Did(node.ResourceVersion, judge.PersonTainted, host.Name(), foreignTaint)
}

// replace deletes a node with its machine, and adds another one of the same name that asks for a reboot.
func (r *run) replace(trial *rig.Trial, host *testbed.Host) {
	r.check(host.Delete(r.ctx))
	options := rig.Node(r.pool, host.Name(), string("abc"[r.rand.IntN(3)]))
	replaced, err := r.AddNode(r.ctx, options)
	if err != nil {
		r.Error(err)
		return
	}
	for i := range r.hosts {
		if r.hosts[i] == host {
			r.hosts[i] = replaced
		}
	}
	r.check(trial.Add(replaced))
	replaced.RequireReboot()
}

// restore brings every node back into its policy.
func (r *run) restore(*rig.Trial) {
	for _, host := range r.hosts {
		r.label(host, v1alpha1.SkipLabel, "")
		r.label(host, rig.PoolLabel, r.pool)
	}
}
