package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// waitingStory is a NodeReboot that waits, because its policy is paused.
func waitingStory(t *testing.T, options ...rebootOption) *story {
	t.Helper()
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a", options...))
	s.settle()
	return s
}

func TestFactsAreRecordedAtFirstSight(t *testing.T) {
	s := waitingStory(t)
	status := s.reboot("ra").Status
	want := v1alpha1.NodeRebootStatus{
		PolicyName: "p", Zone: "z1", NodeUID: "uid-of-node-a", RequiredSince: at(-time.Hour), TaintedTime: at(0),
		Before: &v1alpha1.BootInfo{BootID: bootOf("a", 1), KernelVersion: "6.1.0-1"},
	}
	got := v1alpha1.NodeRebootStatus{
		PolicyName: status.PolicyName, Zone: status.Zone, NodeUID: status.NodeUID, RequiredSince: status.RequiredSince,
		TaintedTime: status.TaintedTime, Before: status.Before,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestEachFactThatIsGoneIsRecordedAgain(t *testing.T) {
	for name, lose := range map[string]func(*v1alpha1.NodeRebootStatus){
		"since when it is required": func(s *v1alpha1.NodeRebootStatus) { s.RequiredSince = nil },
		"the node":                  func(s *v1alpha1.NodeRebootStatus) { s.NodeUID = "" },
		"the boot":                  func(s *v1alpha1.NodeRebootStatus) { s.Before = nil },
		"the policy":                func(s *v1alpha1.NodeRebootStatus) { s.PolicyName = "" },
		"the zone":                  func(s *v1alpha1.NodeRebootStatus) { s.Zone = "" },
	} {
		s := waitingStory(t)
		want := s.reboot("ra").Status
		ofEachStatus(lose)(s)
		s.settle()
		if diff := cmp.Diff(want, s.reboot("ra").Status); diff != "" {
			t.Errorf("without %s (-want +got):\n%s", name, diff)
		}
	}
}

// Obstacles that few nodes have are looked for once for each Node and report, so that plans do not ask all gates about all nodes.
func TestANodeWithNothingInItsWayIsUnhindered(t *testing.T) {
	for name, tc := range map[string]struct {
		node   func(*Node)
		report func(*v1alpha1.HelperReport)
		want   bool
	}{
		"nothing is in the way":               {want: true},
		"nothing asks for a reboot":           {report: func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired }, want: true},
		"nobody knows whether something asks": {report: func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelUnknown }},
		"it is not Ready":                     {node: notReady},
		"it does not say which boot it runs":  {node: func(n *Node) { n.BootID = "" }},
		"its helper is not Ready":             {node: noHelper},
		"it is skipped":                       {node: skippedNode},
		"it is being deleted":                 {node: func(n *Node) { n.Deleting = true }},
		"others are at work on it":            {node: func(n *Node) { n.OtherMaintenance = make([]OtherMaintenance, 1) }},
		"it has no method":                    {report: func(r *v1alpha1.HelperReport) { r.Methods = nil }},
		"its method has an obstacle":          {report: func(r *v1alpha1.HelperReport) { r.Methods = byLogind("systemd-logind does not run") }},
		"its helper may not evict":            {report: func(r *v1alpha1.HelperReport) { r.EvictionObstacle = "forbidden" }},
		"its helper is older":                 {report: func(r *v1alpha1.HelperReport) { r.Protocol = v1alpha1.ProtocolLevel - 1 }},
	} {
		node, reboot := newNode("a", "z1"), newReboot("ra", "a")
		if tc.node != nil {
			tc.node(node)
		}
		if tc.report != nil {
			tc.report(reboot.Status.Report)
		}
		if got := factsOf(reboot, node).unhindered; got != tc.want {
			t.Errorf("%s: it is unhindered: %t", name, got)
		}
	}
	unreported := newReboot("ra", "a", noReport)
	if factsOf(unreported, newNode("a", "z1")).unhindered || factsOf(newReboot("ra", "a"), nil).unhindered {
		t.Error("a node without a report, or a report without a node, is unhindered")
	}
}

func TestKernelVersionFitsIntoTheAPI(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1", func(n *Node) { n.KernelVersion = strings.Repeat("x", 300) }), newReboot("ra", "a"))
	s.settle()
	if got := len(s.reboot("ra").Status.Before.KernelVersion); got != 256 {
		t.Errorf("%d bytes", got)
	}
}

func TestWaitingNodeRebootEndsWhenItIsNotNeeded(t *testing.T) {
	pending := func(reason string) summary {
		return summary{Phase: v1alpha1.PhasePending, Reason: reason, Tainted: true}
	}
	meanwhile := summary{Phase: v1alpha1.PhaseSucceeded, Reason: v1alpha1.ReasonRebootedMeanwhile, Outcome: v1alpha1.OutcomeSucceeded}
	withdrawn := summary{Phase: v1alpha1.PhaseCancelled, Reason: v1alpha1.ReasonNeedWithdrawn, Outcome: v1alpha1.OutcomeCancelled}
	nodeGone := summary{Phase: v1alpha1.PhaseCancelled, Reason: v1alpha1.ReasonNodeGone, Outcome: v1alpha1.OutcomeCancelled}
	boot := func(s *story) { s.boot("a", 2) }
	ready := func(s *story) {
		boot(s)
		s.node("a").Ready = true
	}
	back := func(sentinel v1alpha1.SentinelState) func(*story) {
		return func(s *story) {
			boot(s)
			s.comeBack("ra", sentinel)
		}
	}
	says := func(sentinel v1alpha1.SentinelState) func(*story) {
		return reported(func(r *v1alpha1.HelperReport) { r.Sentinel = sentinel })
	}
	cases := map[string]struct {
		options []rebootOption
		event   func(*story)
		want    summary
	}{
		"the sentinel goes away":                         {event: says(v1alpha1.SentinelNotRequired), want: withdrawn},
		"a check that fails withdraws nothing":           {event: says(v1alpha1.SentinelUnknown), want: pending(v1alpha1.ReasonPaused)},
		"a person's request does not need a sentinel":    {options: []rebootOption{manual}, event: says(v1alpha1.SentinelNotRequired), want: pending(v1alpha1.ReasonPaused)},
		"a new one waits for the first report":           {options: []rebootOption{noReport}, event: func(*story) {}, want: pending(v1alpha1.ReasonPaused)},
		"the node is deleted":                            {event: nodeDeleted, want: nodeGone},
		"another node takes its name":                    {event: nodeReplaced, want: nodeGone},
		"the node was rebooted and is not Ready":         {event: boot, want: pending(v1alpha1.ReasonNodeNotReady)},
		"the node was rebooted and the helper is silent": {event: ready, want: pending(v1alpha1.ReasonSentinelUnknown)},
		"the node was rebooted and the check fails":      {event: back(v1alpha1.SentinelUnknown), want: pending(v1alpha1.ReasonSentinelUnknown)},
		"the node was rebooted and no longer asks":       {event: back(v1alpha1.SentinelNotRequired), want: meanwhile},
		"the node was rebooted and asks again":           {event: back(v1alpha1.SentinelRequired), want: pending(v1alpha1.ReasonPaused)},
		"for a person another boot is enough":            {options: []rebootOption{manual}, event: ready, want: meanwhile},
		"for a person too the node has to be Ready":      {options: []rebootOption{manual}, event: boot, want: pending(v1alpha1.ReasonNodeNotReady)},
		"the node reports no boot ID for a moment":       {event: func(s *story) { s.node("a").BootID = "" }, want: pending(v1alpha1.ReasonPaused)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := waitingStory(t, tc.options...)
			tc.event(s)
			s.settle()
			if diff := cmp.Diff(tc.want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNodeRebootThatAsksAgainAfterABootKeepsItsPlace(t *testing.T) {
	s := waitingStory(t)
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelRequired)
	s.settle()
	status := s.reboot("ra").Status
	if status.Before.BootID != bootOf("a", 2) || !status.RequiredSince.Equal(at(-time.Hour)) {
		t.Errorf("the boot to end is %s and it is required since %s", status.Before.BootID, status.RequiredSince)
	}
}

func TestWithdrawnNodeRebootIsReopenedWhenTheNeedComesBack(t *testing.T) {
	s := waitingStory(t)
	reported(func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired })(s)
	s.settle()
	if hasOurTaint(s.node("a")) {
		t.Errorf("the taint stays although the need went away")
	}
	s.advance(5 * time.Minute)
	reported(func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelRequired })(s)
	s.settle()
	if diff := cmp.Diff(summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonPaused, Tainted: true}, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
	status := s.reboot("ra").Status
	if status.CompletionTime != nil || !status.RequiredSince.Equal(at(5*time.Minute)) || !status.TaintedTime.Equal(at(5*time.Minute)) {
		t.Errorf("completed %v, required since %v, tainted %v", status.CompletionTime, status.RequiredSince, status.TaintedTime)
	}
}

func TestNodeRebootWhoseNodeIsThereAfterAllIsReopened(t *testing.T) {
	for reason, outcome := range map[string]v1alpha1.Outcome{
		v1alpha1.ReasonNodeGone: v1alpha1.OutcomeCancelled, v1alpha1.ReasonNodeNotFound: v1alpha1.OutcomeFailed,
	} {
		s := newStory(t, newPolicy("p", minInterval(0)), newNode("a", "z1"), newReboot("ra", "a", finished(outcome, reason, -time.Hour),
			func(r *v1alpha1.NodeReboot) {
				r.Status.Report = &v1alpha1.HelperReport{
					Protocol: v1alpha1.ProtocolLevel, BootID: bootOf("a", 1), Sentinel: v1alpha1.SentinelRequired, Methods: byLogind(""),
				}
			}))
		s.settle()
		if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseDraining {
			t.Errorf("phase %s of one that ended with %s", got, reason)
		}
	}
}

func TestCompleteNodeRebootsStayComplete(t *testing.T) {
	required := func(r *v1alpha1.NodeReboot) {
		r.Status.Report = &v1alpha1.HelperReport{
			Protocol: v1alpha1.ProtocolLevel, BootID: bootOf("a", 1), Sentinel: v1alpha1.SentinelRequired, Methods: byLogind(""),
		}
	}
	cases := map[string][]rebootOption{
		"one that succeeded":    {finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -time.Hour), required},
		"one that was given up": {finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonDrainTimedOut, -time.Hour), required},
		"one whose node was replaced": {finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNodeGone, -time.Hour), func(r *v1alpha1.NodeReboot) {
			r.Status.Report = &v1alpha1.HelperReport{
				Protocol: v1alpha1.ProtocolLevel, BootID: "boot-of-another", Sentinel: v1alpha1.SentinelRequired, Methods: byLogind(""),
			}
			r.Status.NodeUID = "another"
		}},
		"one that was withdrawn":               {finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, -time.Hour)},
		"one that was withdrawn and deleted":   {finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, -time.Hour), required, deletedAt(0)},
		"one of an earlier boot, asking again": {finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, -time.Hour), required, func(r *v1alpha1.NodeReboot) { r.Status.Report.BootID = bootOf("a", 0) }},
	}
	for name, options := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a", options...))
			before := s.reboot("ra").Status
			s.settle()
			after := s.reboot("ra").Status
			if after.Outcome != before.Outcome || after.OutcomeReason != before.OutcomeReason || !after.CompletionTime.Equal(before.CompletionTime) {
				t.Errorf("outcome %s %s at %v, before %s %s",
					after.Outcome, after.OutcomeReason, after.CompletionTime, before.Outcome, before.OutcomeReason)
			}
		})
	}
}

func TestNodeThatIsNotThereIsWaitedForAMoment(t *testing.T) {
	s := newStory(t, newPolicy("p"), newReboot("ra", "a", noReport, requiredFor(0)))
	s.settle()
	s.advance(30 * time.Second)
	want := summary{Phase: v1alpha1.PhaseFailed, Reason: v1alpha1.ReasonNodeNotFound, Outcome: v1alpha1.OutcomeFailed}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
}

func TestNodeThatTurnsUpInTimeIsFound(t *testing.T) {
	s := newStory(t, newPolicy("p"), newReboot("ra", "a", noReport, requiredFor(0)))
	s.settle()
	s.advance(29 * time.Second)
	s.Nodes = append(s.Nodes, newNode("a", "z1"))
	s.Pods["a"] = nil
	s.report("ra", func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelRequired })
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonDraining {
		t.Errorf("reason %s", got)
	}
}
