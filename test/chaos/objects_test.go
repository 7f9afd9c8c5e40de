package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/chaos/wire"
)

// writesRefused refuses one write of a rollout in each run, as an admission webhook does, and all like it for some seconds.
func writesRefused(r *run) {
	r.nodes("a", "b")
	r.app(2)
	manager := r.alone()
	r.policy()
	rules := judge.Rules{Grace: grace, TaintsMayFail: true}
	manager.Wire().Reset()
	r.rollout("nothing goes wrong", rules, nil)
	writes := manager.Wire().Writes()
	step := max(1, len(writes)/r.scaled(2, 18))
	refused := &atomic.Int64{}
	for number := 1 + r.rand.IntN(step); number <= len(writes); number += step {
		r.must(r.ForgetReboots(r.ctx))
		manager.Wire().Reset()
		var until atomic.Pointer[time.Time]
		var like atomic.Pointer[string]
		manager.Wire().SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
			now, name := r.Clock.Now(), call.String()
			if call.Number == number {
				end := now.Add(6 * time.Second)
				until.Store(&end)
				like.Store(&name)
			}
			if end := until.Load(); end == nil || !call.Write || now.After(*end) || *like.Load() != name {
				return next()
			}
			refused.Add(1)
			return wire.Answer(call, http.StatusForbidden, metav1.StatusReasonForbidden,
				`admission webhook "chaos.example.com" denied the request: for no reason`), nil
		})
		r.rollout(fmt.Sprintf("write %d was refused (in the run before: %s)", number, writes[number-1]), rules, nil)
		manager.Wire().SetHook(nil)
	}
	r.note = fmt.Sprintf("%d writes, %d refusals", len(writes), refused.Load())
}

// teamLabel divides a pool among two policies.
const teamLabel = "team"

// policiesEdited has two policies edited, paused, swapped, deleted and made again while they roll out.
func policiesEdited(r *run) {
	r.nodes("a", "a", "b", "b", "c", "c")
	r.app(5)
	r.alone()
	teams := []string{"x", "y"}
	team := func(of string) rig.PolicyOption {
		return func(s *v1alpha1.RebootPolicySpec) {
			s.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{
				rig.PoolLabel: v1alpha1.LabelValue(r.pool), teamLabel: v1alpha1.LabelValue(of),
			}}
		}
	}
	for i, host := range r.hosts {
		r.label(host, teamLabel, teams[i%2])
	}
	name := func(of string) string { return r.pool + "-" + of }
	create := func(of string) {
		policy := rig.Policy(name(of), r.pool, rig.Patient(20), team(of))
		r.check(client.IgnoreAlreadyExists(r.Client().Create(r.ctx, policy)))
	}
	change := func(of string, options ...rig.PolicyOption) {
		r.check(client.IgnoreNotFound(r.ChangePolicy(r.ctx, name(of), options...)))
	}
	create("x")
	create("y")
	r.rollout("policies were edited", judge.Rules{Grace: grace}, func(*rig.Trial) {
		for range r.scaled(10, 30) {
			r.pause(time.Duration(200+r.rand.IntN(1500)) * time.Millisecond)
			of := teams[r.rand.IntN(2)]
			switch r.rand.IntN(7) {
			case 0:
				change(of, rig.Mode(v1alpha1.ModePaused))
			case 1:
				change(of, rig.Mode(v1alpha1.ModeObserve))
			case 2:
				change(of, rig.MaxUnavailable(r.rand.IntN(4)))
			case 3:
				change("x", team("y"))
				change("y", team("x"))
			case 4:
				policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name(of)}}
				r.check(client.IgnoreNotFound(r.Client().Delete(r.ctx, policy)))
			case 5:
				create(of)
			default:
				change(of, enforced, rig.MaxUnavailable(1))
			}
		}
		for _, of := range teams {
			create(of)
			change(of, team(of), enforced, rig.MaxUnavailable(1))
		}
	})
}

// hostileLabel is on objects that were made to do harm.
const hostileLabel = "chaos.example.com/hostile"

// hostileContent gives objects of all kinds unexpected content. It does no harm if the API server refuses it.
func hostileContent(r *run) {
	r.nodes("a", "a", "b")
	r.app(2)
	manager := r.alone()
	r.policy()
	taken := 0
	// Who overwrites what the operator remembers of a node takes it away: so that is done while there is nothing to remember.
	for _, do := range r.falseMemories() {
		r.check(do())
	}
	r.rollout("objects had hostile content", judge.Rules{Grace: grace, SlotsMayVanish: true}, func(*rig.Trial) {
		harm := r.harms()
		r.rand.Shuffle(len(harm), func(i, j int) { harm[i], harm[j] = harm[j], harm[i] })
		for i, do := range harm {
			if do() == nil {
				taken++
			}
			r.pause(time.Duration(r.rand.IntN(600)) * time.Millisecond)
			if i == len(harm)/2 {
				manager.Kill() // so that the next one begins with it
			}
		}
		r.check(r.Client().DeleteAllOf(r.ctx, &v1alpha1.NodeReboot{}, client.HasLabels{hostileLabel}))
		r.check(r.Client().DeleteAllOf(r.ctx, &v1alpha1.RebootPolicy{}, client.HasLabels{hostileLabel}))
	})
	r.note = fmt.Sprintf("%d objects taken", taken)
}

// falseMemories are marks on nodes that the operator never set.
func (r *run) falseMemories() []func() error {
	return []func() error{
		r.patchNode(`{"metadata":{"annotations":{%q:"{"}}}`, v1alpha1.MarksAnnotation),
		r.patchNode(`{"metadata":{"annotations":{%q:"[]"}}}`, v1alpha1.MarksAnnotation),
		r.patchNode(`{"metadata":{"annotations":{%q:"nobody/\u0000"}}}`, v1alpha1.CordonAnnotation),
	}
}

func (r *run) harms() []func() error {
	long := strings.Repeat("<script>\x00ä\"'`${{ .Values }}; rm -rf / #", 20)
	harm := []func() error{
		r.patchNode(`{"metadata":{"annotations":{%q:"`+strings.Repeat("x", 200_000)+`"}}}`, "chaos.example.com/fat"),
		r.slotsEntry("no-such-node", `{"nodeReboot":"a/b","uid":"x","attempt":1}`),
		r.slotsEntry("no-such-node2", `not JSON`),
		r.slotsEntry(r.hosts[0].Name(), `{"nodeReboot":"../..","uid":"","attempt":99999999999999999999}`),
		r.slotsEntry(r.hosts[1].Name(), `{"attempt":-1}`),
		func() error {
			slots := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace(), Name: v1alpha1.SlotsName}}
			return r.Client().Delete(r.ctx, slots)
		},
		r.hostileReboot("no-such-node", long),
		r.hostileReboot(r.hosts[2].Name(), long),
		r.hostileReboot(strings.Repeat("n", 253), ""),
		r.hostilePolicy(func(s *v1alpha1.RebootPolicySpec) { s.Nodes = v1alpha1.NodesAll }),
		r.hostilePolicy(func(s *v1alpha1.RebootPolicySpec) { s.Schedule.TimeZone = "Nowhere/\u202e" }),
	}
	for _, condition := range []string{
		`{"type":"Chaos","status":"True","reason":"X","message":"","lastTransitionTime":"2026-01-01t00:00:00z"}`,
		`{"type":"Chaos","status":"True","reason":"X","message":"","lastTransitionTime":"2026-01-01T00:00:00+23:59"}`,
		`{"type":"Ready","status":"True","reason":"Proved","message":"trust me","lastTransitionTime":"2026-01-01T00:00:00Z"}`,
	} {
		harm = append(harm, func() error {
			var list v1alpha1.NodeRebootList
			if err := r.Client().List(r.ctx, &list); err != nil || len(list.Items) == 0 {
				return fmt.Errorf("list NodeReboots: %w", err)
			}
			patch := fmt.Sprintf(`[{"op":"add","path":"/status/conditions/-","value":%s}]`, condition)
			return r.Client().Status().Patch(r.ctx, &list.Items[0], client.RawPatch(types.JSONPatchType, []byte(patch)))
		})
	}
	return harm
}

// patchNode patches any node.
func (r *run) patchNode(format, key string) func() error {
	return func() error {
		node := &corev1.Node{}
		node.Name = r.hosts[r.rand.IntN(len(r.hosts))].Name()
		return r.Client().Patch(r.ctx, node, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, format, key)))
	}
}

// slotsEntry writes an entry of the slots object.
func (r *run) slotsEntry(node, entry string) func() error {
	return func() error {
		slots := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace(), Name: v1alpha1.SlotsName}}
		patch := fmt.Sprintf(`{"data":{%q:%q}}`, node, entry)
		return r.Client().Patch(r.ctx, slots, client.RawPatch(types.MergePatchType, []byte(patch)))
	}
}

func (r *run) hostileReboot(node, reason string) func() error {
	return func() error {
		reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{GenerateName: "hostile-", Labels: map[string]string{hostileLabel: "true"}}}
		reboot.Spec = v1alpha1.NodeRebootSpec{NodeName: node, Trigger: v1alpha1.TriggerManual, Reason: reason}
		return r.Client().Create(r.ctx, reboot)
	}
}

func (r *run) hostilePolicy(change rig.PolicyOption) func() error {
	return func() error {
		policy := rig.Policy("hostile", r.pool, rig.Mode(v1alpha1.ModePaused), change)
		policy.Name, policy.GenerateName, policy.Labels = "", "hostile-", map[string]string{hostileLabel: "true"}
		return r.Client().Create(r.ctx, policy)
	}
}
