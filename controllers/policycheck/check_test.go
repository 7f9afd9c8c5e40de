package policycheck_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/policycheck"
)

type change = func(*v1alpha1.RebootPolicySpec)

func newPolicy(changes ...change) *v1alpha1.RebootPolicy {
	policy := &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "p", Generation: 1},
		Spec: v1alpha1.RebootPolicySpec{
			Nodes: v1alpha1.NodesAll, Schedule: v1alpha1.ScheduleSpec{TimeZone: "UTC"},
			Rollout: v1alpha1.RolloutSpec{
				MaxUnavailable: ptr.To(intstr.FromInt32(1)), Zones: v1alpha1.ZonesSpec{TopologyKey: "topology.kubernetes.io/zone"},
			},
		},
	}
	for _, change := range changes {
		change(&policy.Spec)
	}
	return policy
}

func opening(w v1alpha1.ScheduleWindow) change {
	return func(s *v1alpha1.RebootPolicySpec) {
		opened := w
		if opened.DurationSeconds == 0 {
			opened.DurationSeconds = 3600
		}
		s.Schedule.Windows = append(s.Schedule.Windows, opened)
	}
}

func weekly(start string, days ...v1alpha1.Weekday) change {
	return opening(v1alpha1.ScheduleWindow{Weekly: &v1alpha1.WeeklyWindow{Days: days, Start: start}})
}

func cron(expression string) change { return opening(v1alpha1.ScheduleWindow{Cron: expression}) }

func pools(operator metav1.LabelSelectorOperator, values ...v1alpha1.LabelValue) v1alpha1.LabelSelector {
	return v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelRequirement{{Key: "pool", Operator: operator, Values: values}}}
}

func selecting(operator metav1.LabelSelectorOperator, values ...v1alpha1.LabelValue) change {
	return func(s *v1alpha1.RebootPolicySpec) {
		selector := pools(operator, values...)
		s.Nodes, s.NodeSelector = v1alpha1.NodesSelected, &selector
	}
}

func during(key, value string) change {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.NodeLabels = &v1alpha1.NodeLabels{During: map[string]v1alpha1.LabelValue{key: v1alpha1.LabelValue(value)}}
	}
}

func object(expression string) change {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Gates.Objects = append(s.Gates.Objects, v1alpha1.ObjectGate{Name: "ceph", APIVersion: "v1", Kind: "ConfigMap", Expression: expression})
	}
}

// cases are policies that the API server may have accepted, and what is found in each.
var cases = map[string]struct {
	with []change
	// path and message of the only finding; none if path is empty.
	path, message string
}{
	"nothing":                  {},
	"all that may be":          {with: []change{weekly("22:00", v1alpha1.Monday), object("object.data.health == 'ok'"), during("state", "down")}},
	"a time zone with a typo":  {[]change{func(s *v1alpha1.RebootPolicySpec) { s.Schedule.TimeZone = "Europe/Berln" }}, "schedule.timeZone", "such as Europe/Berlin"},
	"days over the weekend":    {[]change{cron("0 3 * * FRI-MON")}, "schedule.windows[0].cron", "write FRI,SAT,SUN,MON"},
	"hours over midnight":      {[]change{cron("0 22-2 * * *")}, "schedule.windows[0].cron", "write 22,23,0,1,2"},
	"a day that never comes":   {[]change{cron("0 3 30 2 *")}, "schedule.windows[0].cron", "never opens: write a day that the month has"},
	"a window that never ends": {[]change{opening(v1alpha1.ScheduleWindow{Cron: "0 * * * *", DurationSeconds: 7200})}, "schedule.windows[0].durationSeconds", "write 3600 or less"},
	"kured's name of a day":    {[]change{weekly("22:00", "mon")}, "schedule.windows[0].weekly.days[0]", "write one of Mon, Tue, Wed, Thu, Fri, Sat, Sun"},
	"kured's time of day":      {[]change{weekly("2am", v1alpha1.Monday)}, "schedule.windows[0].weekly.start", `write one such as "02:00"`},
	"an operator with a typo":  {[]change{selecting("Inn", "a")}, "nodeSelector", "write In, NotIn, Exists or DoesNotExist"},
	"an operator without any":  {[]change{selecting(metav1.LabelSelectorOpIn)}, "nodeSelector", "values"},
	"an empty selector": {
		[]change{func(s *v1alpha1.RebootPolicySpec) {
			s.Nodes, s.NodeSelector = v1alpha1.NodesSelected, &v1alpha1.LabelSelector{}
		}},
		"nodeSelector", "or nodes: All to take every node",
	},
	"a label of its own selector": {
		[]change{selecting(metav1.LabelSelectorOpIn, "a", "b"), during("pool", "c")}, "nodeLabels.during[pool]",
		"write a label that nodeSelector does not use",
	},
	"a value of its own selector": {with: []change{selecting(metav1.LabelSelectorOpIn, "a", "b"), during("pool", "b")}},
	"a label that may not be":     {[]change{selecting(metav1.LabelSelectorOpDoesNotExist), during("pool", "")}, "nodeLabels.during[pool]", "takes the nodes out"},
	"the label of the zones":      {[]change{during("topology.kubernetes.io/zone", "a")}, "nodeLabels.during[topology.kubernetes.io/zone]", "another zone"},
	"an operator for pods with a typo": {
		[]change{func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.Selector = &v1alpha1.PodSelector{LabelSelector: pools("Inn", "a")}
		}},
		"drain.selector", "write In, NotIn, Exists or DoesNotExist",
	},
	"a stage with a typo": {
		[]change{func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.Stages = []v1alpha1.DrainStage{
				{Selector: &v1alpha1.PodSelector{LabelSelector: pools("Exists")}}, {Selector: &v1alpha1.PodSelector{LabelSelector: pools("exists")}},
			}
		}}, "drain.stages[1].selector", "write In, NotIn, Exists or DoesNotExist",
	},
	"the label of the groups": {
		[]change{during("rack", "a"), func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Group = &v1alpha1.GroupSpec{Label: "rack", MaxSize: 2} }},
		"nodeLabels.during[rack]", "another group",
	},
	"a number of failures with a typo": {
		[]change{func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxFailures = ptr.To(intstr.FromString("one")) }},
		"failure.maxFailures", `write 1 or "10%"`,
	},
	"a limit with a typo": {
		[]change{func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = ptr.To(intstr.FromString("10 %")) }},
		"rollout.maxUnavailable", `write 1 or "10%"`,
	},
	"an expression with one =": {[]change{object("object.data.a = 'b'")}, "gates.objects[ceph].expression", "Syntax error"},
	"an expression of a number": {
		[]change{object("size(object.data)")}, "gates.objects[ceph].expression", "write one that is true or false",
	},
	"a gate after the reboot": {
		[]change{func(s *v1alpha1.RebootPolicySpec) {
			s.Recovery.Objects = []v1alpha1.ObjectGate{{Name: "r", APIVersion: "v1", Kind: "ConfigMap", Expression: "1 +"}}
		}}, "recovery.objects[r].expression", "Syntax error",
	},
	"names of alerts": {
		[]change{func(s *v1alpha1.RebootPolicySpec) {
			s.Gates.Prometheus = []v1alpha1.PrometheusGate{{Name: "a", Alerts: &v1alpha1.AlertFilter{Ignore: "("}}}
		}}, "gates.prometheus[a].alerts.ignore", "missing closing )",
	},
}

func TestWhatTheAPIServerCannotSeeIsFoundAndSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := policycheck.Check(newPolicy(test.with...))
			switch {
			case test.path == "" && len(found) > 0:
				t.Errorf("found %q, want nothing", found)
			case test.path == "":
			case len(found) != 1 || found[0].Path != test.path || !strings.Contains(found[0].Message, test.message):
				t.Errorf("found %q, want %s: %s", found, test.path, test.message)
			case strings.HasSuffix(found[0].Message, ".") || strings.Contains(found[0].Message, "\n"):
				t.Errorf("%q is not part of a sentence", found[0].Message)
			}
		})
	}
}

func TestTheManagerRefusesThePoliciesInWhichSomethingIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy, moment := newPolicy(test.with...), model.NewMoment(time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC))
			invalid := policies.Parse(policy, &moment).Invalid
			if invalid == "" {
				invalid = gates.New(gates.Options{}).Invalid([]*v1alpha1.RebootPolicy{policy})["p"]
			}
			want := ""
			if found := policycheck.Check(policy); len(found) > 0 {
				want = found[0].String()
			}
			if invalid != want {
				t.Errorf("the manager says %q, and the check %q", invalid, want)
			}
		})
	}
}

func TestEverythingThatIsWrongIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	found := policycheck.Check(newPolicy(selecting("Inn", "a"), cron("0 3 * * FRI-MON"), weekly("2am", "mon"), object("1 +"), object("true")))
	var paths []string
	for _, f := range found {
		paths = append(paths, f.Path)
	}
	want := "nodeSelector schedule.windows[0].cron schedule.windows[1].weekly.days[0] gates.objects[ceph].expression"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
}

func TestWhatIsWrongWithSilencesIsFoundAndKeepsNoPolicyFromBeingInForce(t *testing.T) {
	t.Parallel()
	everything := ".*"
	policy := newPolicy(func(s *v1alpha1.RebootPolicySpec) {
		s.Silences = []v1alpha1.AlertSilence{{
			Name: "all", Matchers: []v1alpha1.LabelMatcher{{Name: "alertname", MatchType: v1alpha1.MatchRegexp, Value: &everything}},
		}}
	})
	found := policycheck.Check(policy)
	const want = "would silence nearly every alert"
	if len(found) != 1 || found[0].Path != "silences[all].matchers" || !strings.Contains(found[0].Message, want) {
		t.Errorf("found %q", found)
	}
	moment := model.NewMoment(time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC))
	if invalid := policies.Parse(policy, &moment).Invalid; invalid != "" {
		t.Errorf("the policy is not in force: %s", invalid)
	}
}
