package policies_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

func key(kind model.GateKind, name string) model.GateKey {
	return model.GateKey{Policy: "p", Generation: 7, Kind: kind, Gate: name}
}

func withGates(s *v1alpha1.RebootPolicySpec) {
	s.Gates.Objects = []v1alpha1.ObjectGate{{Name: "o", OnError: v1alpha1.Require}}
	block, ignore := v1alpha1.GateConnection{OnError: v1alpha1.Require}, v1alpha1.GateConnection{OnError: v1alpha1.Ignore}
	s.Gates.Alertmanager = []v1alpha1.AlertmanagerGate{{Name: "am", GateConnection: ignore}}
	s.Gates.Prometheus = []v1alpha1.PrometheusGate{
		{Name: "q", Query: "up", GateConnection: block}, {Name: "al", Alerts: &v1alpha1.AlertFilter{}, GateConnection: ignore},
	}
	s.Recovery.Objects = []v1alpha1.ObjectGate{{Name: "r1", OnError: v1alpha1.Ignore}, {Name: "r2"}}
}

func TestAPolicyHasTheGatesOfItsSpecInTheirOrder(t *testing.T) {
	t.Parallel()
	about := func(k model.GateKey) model.GateKey { k.About = "uid/3"; return k }
	full := parse(withGates)
	tests := map[string]struct {
		gates []policies.Gate
		want  []model.GateKey
	}{
		"none": {gates: parse().Gates()},
		"of each kind": {gates: full.Gates(), want: []model.GateKey{
			key(model.GatePrometheus, "q"), key(model.GatePrometheus, "al"), key(model.GateAlertmanager, "am"), key(model.GateObjects, "o"),
		}},
		"none after a reboot": {gates: parse().RecoveryGates("uid/3")},
		"after a reboot":      {gates: full.RecoveryGates("uid/3"), want: []model.GateKey{about(key(model.GateRecovery, "r1")), about(key(model.GateRecovery, "r2"))}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []model.GateKey
			for i := range test.gates {
				got = append(got, test.gates[i].Key)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("other gates (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(key(model.GateCapacity, ""), full.Key(model.GateCapacity, "")); diff != "" {
		t.Errorf("another key of the gate of capacity (-want +got):\n%s", diff)
	}
}

func TestAnAnswerIsJudgedAsItsGateSays(t *testing.T) {
	t.Parallel()
	full := parse(withGates)
	gates := map[string]policies.Gate{}
	for _, g := range append(full.Gates(), full.RecoveryGates("uid/3")...) {
		gates[g.Key.Gate] = g
	}
	again := noon.Add(time.Minute)
	obstacle := model.GateAnswer{Obstacle: "Something is in the way.", Until: again}
	failure := model.GateAnswer{Failure: "No route.", Since: noon, Until: again}
	both := model.GateAnswer{Failure: "No route.", Obstacle: "Something is in the way.", Until: again}
	tests := map[string]struct {
		gate   string
		answer model.GateAnswer
		want   string
		wake   time.Time
		says   string
	}{
		"nothing is in the way":                  {gate: "q", answer: model.GateAnswer{Until: again}},
		"a query":                                {gate: "q", answer: obstacle, want: v1alpha1.ReasonBlockedByQuery, wake: again, says: "Something is in the way."},
		"an alert":                               {gate: "al", answer: obstacle, want: v1alpha1.ReasonBlockedByAlert, wake: again},
		"an alert of Alertmanager":               {gate: "am", answer: obstacle, want: v1alpha1.ReasonBlockedByAlert, wake: again},
		"an object":                              {gate: "o", answer: obstacle, want: v1alpha1.ReasonBlockedByObject, wake: again},
		"an object after the reboot":             {gate: "r1", answer: obstacle, want: v1alpha1.ReasonRecoveryGateFailing, wake: again},
		"a failure":                              {gate: "q", answer: failure, want: v1alpha1.ReasonGateError, wake: again, says: "Gate q of gates.prometheus of RebootPolicy p"},
		"a failure counts more than an obstacle": {gate: "o", answer: both, want: v1alpha1.ReasonGateError, wake: again, says: "No route."},
		"a failure of what says nothing":         {gate: "r2", answer: failure, want: v1alpha1.ReasonGateError, wake: again, says: "12:00:00Z"},
		"a failure that is ignored":              {gate: "am", answer: failure},
		"a failure that is ignored with what it was in the way": {gate: "al", answer: both},
		"an obstacle whose gate tells by itself":                {gate: "o", answer: model.GateAnswer{Obstacle: "Wait."}, want: v1alpha1.ReasonBlockedByObject},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moment, gate := model.NewMoment(noon), gates[test.gate]
			v := gate.Judge(&moment, test.answer)
			if v.Reason != test.want || !strings.Contains(v.Message, test.says) {
				t.Errorf("it is %q: %q, want %q: %q", v.Reason, v.Message, test.want, test.says)
			}
			if !moment.Wake.Equal(test.wake) {
				t.Errorf("it is looked at again at %s, want %s", moment.Wake, test.wake)
			}
		})
	}
}

func TestAGateThatIsBeingAskedIsNamed(t *testing.T) {
	t.Parallel()
	for k, words := range map[model.GateKey]string{
		key(model.GateObjects, "ceph"): "Gate ceph of gates.objects ", key(model.GateCapacity, ""): "Gate gates.capacity ",
	} {
		if v := policies.Pending(k); v.Reason != v1alpha1.ReasonGatePending || !strings.Contains(v.Message, words) {
			t.Errorf("it is %q: %q, want %q", v.Reason, v.Message, words)
		}
	}
}
