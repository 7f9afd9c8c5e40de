package controllers

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// nodeSeries are NodeReboots, of which those called "needed" were given up and are still needed.
type nodeSeries struct {
	reboots []*v1alpha1.NodeReboot
	limit   int
}

func (nodeSeries) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{nodeRequiredDesc, nodeStateDesc, nodesLeftOutDesc} {
		descs <- desc
	}
}

func (s nodeSeries) Collect(metrics chan<- prometheus.Metric) {
	collectNodes(metrics, s.reboots, func(r *v1alpha1.NodeReboot) bool { return r.Name == "needed" }, s.limit)
}

func TestNodesThatNeedARebootAreShownByName(t *testing.T) {
	reboot := func(
		name, node string, since int, phase v1alpha1.Phase, reason string, options ...option[*v1alpha1.NodeReboot],
	) *v1alpha1.NodeReboot {
		r := newReboot(name, node, func(r *v1alpha1.NodeReboot) {
			r.Status = v1alpha1.NodeRebootStatus{PolicyName: "p", Phase: phase, Reason: reason, RequiredSince: at(since)}
		})
		for _, option := range options {
			option(r)
		}
		return r
	}
	ended := func(outcome v1alpha1.Outcome) option[*v1alpha1.NodeReboot] {
		return func(r *v1alpha1.NodeReboot) { r.Status.Outcome = outcome }
	}
	all := []*v1alpha1.NodeReboot{
		reboot("needed", "given-up", -500, v1alpha1.PhaseFailed, "RebootNotObserved", ended(v1alpha1.OutcomeFailed)),
		reboot("d", "failed-and-well", -600, v1alpha1.PhaseFailed, "NodeGone", ended(v1alpha1.OutcomeFailed)),
		reboot("e", "done", -700, v1alpha1.PhaseSucceeded, "Proved", ended(v1alpha1.OutcomeSucceeded)),
		reboot("a", "waits", -30, v1alpha1.PhasePending, "ZoneBusy"),
		reboot("lost", "lost", -400, v1alpha1.PhaseFailed, "NodeNotBack"),
		reboot("f", "two", -300, v1alpha1.PhasePending, "SameNode"),
		reboot("g", "two", -200, v1alpha1.PhaseDraining, "Draining"),
		reboot("h", "two-waiting", -100, v1alpha1.PhasePending, "WindowClosed"),
		reboot("i", "two-waiting", -150, v1alpha1.PhasePending, "Freeze"),
		newReboot("new", "new"),
	}
	for name, test := range map[string]struct {
		limit int
		want  string
	}{
		"all": {10, `
reboot_operator_node_reboot_required{node="given-up",policy="p"} 1
reboot_operator_node_reboot_required{node="lost",policy="p"} 1
reboot_operator_node_reboot_required{node="two",policy="p"} 1
reboot_operator_node_reboot_required{node="two-waiting",policy="p"} 1
reboot_operator_node_reboot_required{node="waits",policy="p"} 1
reboot_operator_node_reboot_state{node="given-up",phase="Failed",policy="p",reason="RebootNotObserved"} 1
reboot_operator_node_reboot_state{node="lost",phase="Failed",policy="p",reason="NodeNotBack"} 1
reboot_operator_node_reboot_state{node="two",phase="Draining",policy="p",reason="Draining"} 1
reboot_operator_node_reboot_state{node="two-waiting",phase="Pending",policy="p",reason="Freeze"} 1
reboot_operator_node_reboot_state{node="waits",phase="Pending",policy="p",reason="ZoneBusy"} 1
reboot_operator_nodes_left_out 0
`},
		"those that have needed it longest": {2, `
reboot_operator_node_reboot_required{node="given-up",policy="p"} 1
reboot_operator_node_reboot_required{node="lost",policy="p"} 1
reboot_operator_node_reboot_state{node="given-up",phase="Failed",policy="p",reason="RebootNotObserved"} 1
reboot_operator_node_reboot_state{node="lost",phase="Failed",policy="p",reason="NodeNotBack"} 1
reboot_operator_nodes_left_out 3
`},
	} {
		t.Run(name, func(t *testing.T) {
			// What a metric is of what type and for, before its series.
			want := test.want
			for name, help := range map[string]string{
				"node_reboot_required": "1 for a node that needs a reboot, from when that is known until it is proved.",
				"node_reboot_state":    "1 for a node that needs a reboot, with what it waits for.",
				"nodes_left_out":       "Nodes that need a reboot and have no series, because of the limit to their number.",
			} {
				name = "reboot_operator_" + name
				want = strings.Replace(want, "\n"+name, "\n# HELP "+name+" "+help+"\n# TYPE "+name+" gauge\n"+name, 1)
			}
			if err := testutil.CollectAndCompare(nodeSeries{all, test.limit}, strings.NewReader(want)); err != nil {
				t.Error(err)
			}
		})
	}
	if count := testutil.CollectAndCount(nodeSeries{all, 0}); count != 0 {
		t.Errorf("%d series that nobody asked for", count)
	}
}

func TestANeedOfWhichTheTimeIsNotKnownIsNeitherOlderNorYounger(t *testing.T) {
	known := nodeNeed{status: &v1alpha1.NodeRebootStatus{RequiredSince: at(0)}}
	later := nodeNeed{status: &v1alpha1.NodeRebootStatus{RequiredSince: at(1)}}
	unknown := nodeNeed{status: &v1alpha1.NodeRebootStatus{}}
	for name, tc := range map[string]struct {
		a, b nodeNeed
		want int
	}{
		"both known, the first is older": {known, later, -1},
		"both known, the other is older": {later, known, 1},
		"the first is not known":         {unknown, known, 0},
		"the other is not known":         {known, unknown, 0},
		"neither is known":               {unknown, unknown, 0},
	} {
		if got := tc.a.since(tc.b); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
