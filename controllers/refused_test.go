package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// answered is an answer of an API server.
func answered(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

var errNoCordon = answered(http.StatusForbidden, metav1.StatusReasonForbidden,
	"nodes \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no cordon")

func TestRefusalIsToldFromTrouble(t *testing.T) {
	resource := schema.GroupResource{Resource: "nodes"}
	webhook := `admission webhook "w.example.com" denied the request: `
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"an admission policy": {errNoCordon, true},
		"an admission policy that says Unauthorized": {answered(401, metav1.StatusReasonUnauthorized,
			"ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"), true},
		"a webhook that denies":               {answered(403, metav1.StatusReasonForbidden, webhook+"no"), true},
		"a webhook that denies with a 400":    {answered(400, "", webhook+"no"), true},
		"a webhook that denies as a conflict": {answered(409, metav1.StatusReasonConflict, webhook+"no"), true},
		"a webhook that denies as trouble":    {answered(503, metav1.StatusReasonServiceUnavailable, webhook+"no"), true},
		"a webhook that is down": {apierrors.NewInternalError(errors.New(
			`failed calling webhook "w.example.com": failed to call webhook: Post "https://w": connection refused`)), true},
		"a webhook that does not answer in time": {apierrors.NewInternalError(errors.New(
			`failed calling webhook "w.example.com": failed to call webhook: context deadline exceeded`)), true},
		"validation":                        {apierrors.NewInvalid(schema.GroupKind{Kind: "NodeReboot"}, "ra", nil), true},
		"a right that is lacking":           {apierrors.NewForbidden(resource, "a", errors.New("no rights")), true},
		"a quota":                           {apierrors.NewForbidden(resource, "a", errors.New("exceeded quota")), true},
		"a request that is too large":       {apierrors.NewRequestEntityTooLargeError("limit is 3145728"), true},
		"an object that is too large":       {answered(500, "", "etcdserver: request is too large"), true},
		"one that is too large to be sent":  {answered(500, "", "rpc error: code = ResourceExhausted desc = trying to send message larger than max"), true},
		"wrapped":                           {fmt.Errorf("patch Node a: %w", errNoCordon), true},
		"nothing":                           {nil, false},
		"a conflict":                        {apierrors.NewConflict(resource, "a", errors.New("changed")), false},
		"an object that is gone":            {apierrors.NewNotFound(resource, "a"), false},
		"an object that is there":           {apierrors.NewAlreadyExists(resource, "a"), false},
		"a timeout":                         {apierrors.NewTimeoutError("slow", 1), false},
		"a timeout of the server":           {apierrors.NewServerTimeout(resource, "patch", 1), false},
		"too many requests":                 {apierrors.NewTooManyRequests("slow down", 1), false},
		"an internal error":                 {apierrors.NewInternalError(errors.New("etcdserver: leader changed")), false},
		"a server that is starting":         {apierrors.NewServiceUnavailable("not ready"), false},
		"a token that has expired":          {apierrors.NewUnauthorized("token expired"), false},
		"no server":                         {errors.New("dial tcp 10.0.0.1:443: connect: connection refused"), false},
		"the end of the pass":               {context.DeadlineExceeded, false},
		"a large request that is throttled": {apierrors.NewTooManyRequests("too many requests", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			if answer, got := refusalOf(test.err); got != test.want {
				t.Errorf("refused %t (%s), want %t", got, answer, test.want)
			}
		})
	}
}

// refuseWrites of a world that begin with any of these.
func refuseWrites(err error, prefixes ...string) func(string) error {
	return func(write string) error {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(write, prefix) }) {
			return err
		}
		return nil
	}
}

func TestExecuteSplitsAPatchThatIsRefusedAndRemembersWhatWasRefused(t *testing.T) {
	w := newWorld(t, newNode("a"), newReboot("ra", "a"))
	e, recorder := newExecutor(w)
	s := w.read(t)
	w.refuseBody = func(write, body string) error {
		if write == "patch Node a" && strings.Contains(body, "unschedulable") {
			return errNoCordon
		}
		return nil
	}
	work := start(t, s, "ra")
	work.Patch.SetTaints, work.Patch.Taints = true, []corev1.Taint{{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectNoSchedule}}
	slots := map[string]plan.Slot{"a": slotFor("ra")}
	result := e.execute(t.Context(), s, &plan.Plan{SlotsChanged: true, Slots: slots, Work: []plan.NodeWork{work}}, testNow)
	if result.err() != nil || result.stale || !result.refused {
		t.Errorf("error %v, stale %t, refused %t; want a refusal and nothing else", result.err(), result.stale, result.refused)
	}
	node := w.node(t, "a")
	if len(node.Spec.Taints) != 1 || node.Spec.Unschedulable || w.reboot(t, "ra").Status.Attempt != nil {
		t.Errorf("taints %v, cordoned %t, attempt %v; want the taint alone", node.Spec.Taints, node.Spec.Unschedulable,
			w.reboot(t, "ra").Status.Attempt)
	}
	e.refused.current(s, testNow)
	want := map[model.WriteKey]model.Refusal{{Write: model.WriteCordon, Name: "a"}: {
		WriteKey: model.WriteKey{Write: model.WriteCordon, Name: "a"}, Node: "a", Since: testNow, Until: at(5).Time, Forgotten: at(305).Time,
		Answer: "nodes \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no cordon",
		Grant:  slots["a"].Key(),
	}}
	if diff := cmp.Diff(want, s.Refusals); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	if events := emitted(recorder); len(events) != 1 || !strings.HasPrefix(events[0], "Warning WriteRefused Node a cannot be cordoned") {
		t.Errorf("events %q", events)
	}
	if got := testutil.ToFloat64(e.numbers.refused.WithLabelValues(string(model.WriteCordon))); got != 1 {
		t.Errorf("%v refusals were counted", got)
	}
}

// A slot whose grant a refusal names may be given back: nothing was begun in it. That is not so for an attempt that is under way.
func TestARefusalNamesTheGrantThatThePlanMakesAndNoOther(t *testing.T) {
	forOther := plan.Slot{Reboot: "other", UID: "uid-of-another", Attempt: 1}
	for name, tc := range map[string]struct {
		refused model.Write
		granted bool
		slot    plan.Slot
		want    model.GrantKey
	}{
		"the cordon of an attempt that begins":             {model.WriteCordon, true, slotFor("ra"), slotFor("ra").Key()},
		"the cordon of one that is under way":              {model.WriteCordon, false, slotFor("ra"), model.GrantKey{}},
		"the order of an attempt that begins":              {model.WriteOrder, true, slotFor("ra"), slotFor("ra").Key()},
		"the order of one that is under way":               {model.WriteOrder, false, slotFor("ra"), model.GrantKey{}},
		"the order of one beside another that was granted": {model.WriteOrder, true, forOther, model.GrantKey{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newNode("a"), newReboot("ra", "a"))
			e, _ := newExecutor(w)
			s := w.read(t)
			about, write := "a", "patch Node a"
			if tc.refused == model.WriteOrder {
				about, write = "ra", "patch status NodeReboot ra"
			}
			w.refuse = func(tried string) error {
				if tried == write {
					return errNoCordon
				}
				return nil
			}
			work := start(t, s, "ra")
			work.Granted = tc.granted
			slots := map[string]plan.Slot{"a": tc.slot}
			e.execute(t.Context(), s, &plan.Plan{SlotsChanged: true, Slots: slots, Work: []plan.NodeWork{work}}, testNow)
			e.refused.current(s, testNow)
			refusal, is := s.Refusals[model.WriteKey{Write: tc.refused, Name: about}]
			if !is || refusal.Grant != tc.want {
				t.Errorf("the refusal is %+v, want one with the grant %+v", refusal, tc.want)
			}
		})
	}
}

// No refusal makes passes follow each other without end, and each is over when its cause is.
func TestReconcileRestsAfterARefusalAndTriesAgainLater(t *testing.T) {
	for name, writes := range map[string][]string{
		"the cordon, the taint":   {"patch Node a"},
		"the finalizer":           {"patch NodeReboot ra"},
		"the status":              {"patch status NodeReboot ra"},
		"the conditions":          {"patch status Node a"},
		"the status of a policy":  {"patch status RebootPolicy p"},
		"the slots":               {"create ConfigMap", "update ConfigMap"},
		"all about the node":      {"patch Node a", "patch NodeReboot ra", "patch status NodeReboot ra", "patch status Node a"},
		"all that an admin could": {"patch", "create", "update", "delete"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fleet(v1alpha1.ModeEnforce, "a")...)
			w.refuse = refuseWrites(errNoCordon, writes...)
			clock := clocktesting.NewFakePassiveClock(testNow)
			r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": {}}})
			r.clock = clock
			pass := func() {
				t.Helper()
				if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
					t.Fatal(err)
				}
			}
			for range 6 {
				pass()
			}
			w.writes = nil
			pass()
			if len(w.writes) > 0 {
				t.Errorf("writes %v: want rest until the next try", w.writes)
			}
			w.refuse = func(string) error { return nil }
			clock.SetTime(testNow.Add(firstMinute))
			for range 6 {
				pass()
			}
			node, reboot := w.node(t, "a"), w.reboot(t, "ra")
			if len(node.Spec.Taints) != 1 || !node.Spec.Unschedulable || reboot.Status.Order == nil {
				t.Errorf("taints %v, cordoned %t, reason %s: want a drain", node.Spec.Taints, node.Spec.Unschedulable, reboot.Status.Reason)
			}
			if s := w.read(t); len(s.Slots) != 1 || s.Slots["a"].UID != "uid-ra" {
				t.Errorf("slots %v", s.Slots)
			}
		})
	}
}

// firstMinute is enough for the first tries.
const firstMinute = 60e9

func TestReconcileGivesTheSlotOfARefusedNodeToAnotherOne(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		writes []string
		want   string
	}{
		"a cordon that is refused":        {errNoCordon, []string{"patch Node a"}, "b"},
		"a status that is refused":        {errNoCordon, []string{"patch status NodeReboot ra"}, "b"},
		"a status and a finalizer":        {errNoCordon, []string{"patch status NodeReboot ra", "patch NodeReboot ra"}, "b"},
		"a cordon that times out":         {apierrors.NewTimeoutError("slow", 1), []string{"patch Node a"}, "a"},
		"a status that cannot be written": {apierrors.NewInternalError(errors.New("down")), []string{"patch status NodeReboot ra"}, "a"},
		"a status in a conflict": {
			apierrors.NewConflict(schema.GroupResource{}, "ra", errors.New("changed")), []string{"patch status NodeReboot ra"}, "a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fleet(v1alpha1.ModeEnforce, "a", "b")...)
			w.refuse = refuseWrites(test.err, test.writes...)
			r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": {}, "b": {}}})
			for range 5 {
				_, _ = r.Reconcile(t.Context(), clusterKey)
			}
			s := w.read(t)
			if _, held := s.Slots[test.want]; !held || len(s.Slots) != 1 {
				t.Errorf("slots %v, want one of node %s", s.Slots, test.want)
			}
			if node := w.node(t, "a"); test.want == "b" && node.Spec.Unschedulable {
				t.Error("node a is still cordoned")
			}
		})
	}
}

func TestRefusedWriteIsDueAtOnceWhenItsObjectChanges(t *testing.T) {
	for name, test := range map[string]struct {
		key    model.WriteKey
		change func(t *testing.T, w *world)
	}{
		"a label of the Node": {model.WriteKey{Write: model.WriteCordon, Name: "a"}, func(t *testing.T, w *world) {
			node := w.node(t, "a")
			node.Labels = map[string]string{"a": "b"}
			if err := w.Update(t.Context(), node); err != nil {
				t.Fatal(err)
			}
		}},
		"an annotation of the NodeReboot": {model.WriteKey{Write: model.WriteStatus, Name: "ra"}, func(t *testing.T, w *world) {
			reboot := w.reboot(t, "ra")
			reboot.Annotations = map[string]string{"a": "b"}
			if err := w.Update(t.Context(), reboot); err != nil {
				t.Fatal(err)
			}
		}},
		"a label of the policy": {model.WriteKey{Write: model.WritePolicy, Name: "p"}, func(t *testing.T, w *world) {
			policy := &v1alpha1.RebootPolicy{}
			if err := w.Get(t.Context(), types.NamespacedName{Name: "p"}, policy); err != nil {
				t.Fatal(err)
			}
			policy.Labels = map[string]string{"a": "b"}
			if err := w.Update(t.Context(), policy); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newPolicy("p"), newNode("a"), newReboot("ra", "a"))
			refused := &refusedWrites{}
			s := w.read(t)
			object, _ := s.look(test.key)
			refused.Note(&model.Refusal{WriteKey: test.key}, object, testNow)
			refused.current(s, testNow)
			if until := s.Refusals[test.key].Until; !until.After(testNow) {
				t.Errorf("due at %s", until)
			}
			test.change(t, w)
			s = w.read(t)
			refused.current(s, testNow)
			if until := s.Refusals[test.key].Until; until.After(testNow) {
				t.Errorf("due at %s after a change", until)
			}
		})
	}
}

// Anyone who repairs a status changes neither the spec nor a label.
func TestRefusedWriteIsDueAtOnceWhenItsObjectCanBeRead(t *testing.T) {
	broken := []decode.Problem{{Path: "status.before"}}
	for name, test := range map[string]struct {
		key     model.WriteKey
		objects func(unreadable []decode.Problem) *snapshot
	}{
		"a NodeReboot": {model.WriteKey{Write: model.WriteStatus, Name: "ra"}, func(unreadable []decode.Problem) *snapshot {
			reboot := newReboot("ra", "a")
			reboot.Unreadable = unreadable
			return &snapshot{Snapshot: plan.Snapshot{Reboots: []*v1alpha1.NodeReboot{reboot}}}
		}},
		"a policy": {model.WriteKey{Write: model.WritePolicy, Name: "p"}, func(unreadable []decode.Problem) *snapshot {
			policy := newPolicy("p")
			policy.Unreadable = unreadable
			return &snapshot{Snapshot: plan.Snapshot{Policies: []*v1alpha1.RebootPolicy{policy}}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			refused, s := &refusedWrites{}, test.objects(broken)
			object, _ := s.look(test.key)
			refused.Note(&model.Refusal{WriteKey: test.key}, object, testNow)
			for _, unreadable := range [][]decode.Problem{broken, nil} {
				s = test.objects(unreadable)
				refused.current(s, testNow)
				if due := !s.Refusals[test.key].Until.After(testNow); due != (unreadable == nil) {
					t.Errorf("due: %t, unreadable: %v", due, unreadable)
				}
			}
		})
	}
}
