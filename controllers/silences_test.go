package controllers

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/silencer"
	"github.com/reboot-operator/reboot-operator/test/alertmanager"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// silencingManager makes passes over a world and keeps silences in real Alertmanagers, until it is killed.
type silencingManager struct {
	*reconciler
	keeper *silencer.Silencer
	kill   context.CancelFunc
	asked  chan struct{}
}

func newSilencingManager(t *testing.T, w *world) *silencingManager {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	asker := gates.New(gates.Options{
		Live: w, Namespace: testNamespace, Clock: testClock, Log: logr.Discard(),
		AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	m := &silencingManager{reconciler: newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": nil, "b": nil}}), kill: kill}
	m.keeper = silencer.New(silencer.Options{
		Servers: func(entry *v1alpha1.AlertSilence) silencer.Server { return asker.Silences(entry) },
		Clock:   clock.RealClock{}, Log: logr.Discard(),
	})
	m.asked = make(chan struct{}, 100)
	m.keeper.Start(ctx, func() { m.asked <- struct{}{} })
	m.silences = m.keeper
	return m
}

func (m *silencingManager) pass(t *testing.T) {
	t.Helper()
	if _, err := m.Reconcile(t.Context(), clusterKey); err != nil {
		t.Fatal(err)
	}
}

// silencedFleet is one whose policy silences alerts with the label node.
func silencedFleet(t *testing.T, url string, nodes ...string) *world {
	t.Helper()
	objects := fleet(v1alpha1.ModeEnforce, nodes...)
	policy, _ := objects[0].(*v1alpha1.RebootPolicy)
	policy.Spec.Silences = []v1alpha1.AlertSilence{{
		Name: "node-alerts", URL: url, DurationSeconds: ptr.To[int32](600), TimeoutSeconds: ptr.To[int32](60),
		Matchers: []v1alpha1.LabelMatcher{{Name: "node", MatchType: v1alpha1.MatchEqual, Value: ptr.To("{{ .Node }}")}},
	}}
	return newWorld(t, objects...)
}

func awaitShown(t *testing.T, am alertmanager.Server, when string, want bool) {
	t.Helper()
	await.True(t, when, func() bool { return am.Shown("NodeDown") == want })
}

// editStatus changes the status of the only NodeReboot.
func editStatus(t *testing.T, w *world, change func(*v1alpha1.NodeRebootStatus)) {
	t.Helper()
	reboot := w.reboot(t, "ra")
	change(&reboot.Status)
	if err := w.Status().Update(t.Context(), reboot); err != nil {
		t.Fatal(err)
	}
}

func TestAnAlertOfANodeIsSilencedDuringItsRebootAndComesBackAtOnceWhenThatFails(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world){
		"the node does not come back": func(t *testing.T, w *world) {
			t.Helper()
			editStatus(t, w, func(s *v1alpha1.NodeRebootStatus) {
				s.Order, s.Attempt.DrainedTime, s.Attempt.RebootOrderedTime = nil, at(-7200), at(-7200)
			})
		},
		"the drain fails": func(t *testing.T, w *world) {
			t.Helper()
			editStatus(t, w, func(s *v1alpha1.NodeRebootStatus) {
				s.Report.Sequence, s.Report.State, s.Report.Message = s.Order.Sequence, v1alpha1.OrderFailed, "no"
			})
		},
		"the policy is paused": func(t *testing.T, w *world) {
			t.Helper()
			editPolicy(t, w, func(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused })
		},
		"the policy is deleted": func(t *testing.T, w *world) {
			t.Helper()
			deleteObject(t, w, newPolicy("p"))
		},
		"the NodeReboot is deleted": func(t *testing.T, w *world) {
			t.Helper()
			deleteObject(t, w, w.reboot(t, "ra"))
		},
		"the policy silences nothing": func(t *testing.T, w *world) {
			t.Helper()
			editPolicy(t, w, func(p *v1alpha1.RebootPolicy) { p.Spec.Silences = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			am := alertmanager.Start(t)
			am.Alert(map[string]string{"alertname": "NodeDown", "node": "a"})
			am.Alert(map[string]string{"alertname": "Other", "node": "b"})
			w := silencedFleet(t, am.URL, "a")
			m := newSilencingManager(t, w)
			awaitShown(t, am, "the alert is there", true)
			m.pass(t)
			awaitShown(t, am, "the alert is silenced", false)
			if !am.Shown("Other") {
				t.Error("an alert of another node is silenced")
			}
			m.pass(t)
			end(t, w)
			m.pass(t)
			awaitShown(t, am, "the alert is back", true)
			if n := len(am.Active()); n != 0 {
				t.Errorf("%d silences are active", n)
			}
		})
	}
}

func editPolicy(t *testing.T, w *world, change func(*v1alpha1.RebootPolicy)) {
	t.Helper()
	policy := &v1alpha1.RebootPolicy{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: "p"}, policy); err != nil {
		t.Fatal(err)
	}
	change(policy)
	if err := w.Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
}

func deleteObject(t *testing.T, w *world, object client.Object) {
	t.Helper()
	if err := w.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func TestTheNextManagerGoesOnWithASilenceAndItLapsesWhenNoneComes(t *testing.T) {
	am := alertmanager.Start(t)
	am.Alert(map[string]string{"alertname": "NodeDown", "node": "a"})
	w := silencedFleet(t, am.URL, "a")
	awaitShown(t, am, "the alert is there", true)
	first := newSilencingManager(t, w)
	first.pass(t)
	awaitShown(t, am, "the alert is silenced", false)
	first.kill()

	next := newSilencingManager(t, w)
	next.pass(t)
	await.True(t, "the next manager has found it", func() bool { return next.keeper.Numbers()["p"].Silences == 1 })
	if all := am.Silences(); len(all) != 1 {
		t.Errorf("there are %d silences, want the one that the first manager made: %+v", len(all), all)
	}
	// A duration that no policy can have, so that the test takes no minutes.
	editPolicy(t, w, func(p *v1alpha1.RebootPolicy) { p.Spec.Silences[0].DurationSeconds = ptr.To[int32](3) })
	next.pass(t)
	await.True(t, "the silence is cut", func() bool {
		active := am.Active()
		return len(active) == 0 || time.Until(active[0].EndsAt) < 10*time.Second
	})
	next.kill()
	awaitShown(t, am, "the silence has lapsed", true)
}

func TestAnAlertmanagerThatIsAwayHoldsUpNoRebootAndThePolicySaysSo(t *testing.T) {
	w := silencedFleet(t, "http://127.0.0.1:1", "a")
	m := newSilencingManager(t, w)
	m.pass(t)
	if got := w.reboot(t, "ra").Status; got.Reason != v1alpha1.ReasonDraining {
		t.Errorf("%s %q, want it to drain", got.Reason, got.Message)
	}
	await.Receive(t, "a pass is asked for", m.asked)
	m.pass(t)
	policy := &v1alpha1.RebootPolicy{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: "p"}, policy); err != nil {
		t.Fatal(err)
	}
	condition := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.ConditionSilencesFailing)
	want := ": http://127.0.0.1:1: the connection is refused. Reboots do not wait for that; their alerts may page someone."
	if condition == nil || !strings.HasPrefix(condition.Message, "Silence node-alerts has been failing since ") ||
		!strings.HasSuffix(condition.Message, want) || condition.Reason != v1alpha1.ReasonSilencesFailing {
		t.Errorf("condition %+v, want %q", condition, want)
	}
	if ready := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Status != "True" {
		t.Errorf("the policy is not in force: %+v", ready)
	}
	metrics := make(chan prometheus.Metric, 10)
	silenceCollector{m.keeper}.Collect(metrics)
	var silences, overdue, failures dto.Metric
	for _, into := range []*dto.Metric{&silences, &overdue, &failures} {
		if err := (<-metrics).Write(into); err != nil {
			t.Fatal(err)
		}
	}
	if silences.Gauge.GetValue() != 0 || overdue.Gauge.GetValue() != 0 || failures.Counter.GetValue() < 3 {
		t.Errorf("metrics %v and %v", &silences, &failures)
	}
}

func TestNothingIsWantedWhileNoPolicyAsksForSilences(t *testing.T) {
	w := newWorld(t, fleet(v1alpha1.ModeEnforce, "a")...)
	m := newSilencingManager(t, w)
	m.pass(t)
	if !m.keeper.Idle() || len(m.keeper.Numbers()) != 0 {
		t.Error("something is wanted")
	}
}
