package main

// guard of the planner, and a change of one place that breaks it.
type guard struct {
	// name says what the guard is for.
	name string
	// file is where it stands, below controllers/plan.
	file string
	// old text stands in the file once; fresh takes its place.
	old, fresh string
}

// guards that the simulated fleets watch. Add a line for every guard that you add to the planner.
var guards = []guard{
	{"a node that may run etcd does not start while another one is down or under way", "quorum.go",
		"if obstacle.node != r.node {\n\t\t\treturn obstacle.verdict", "if obstacle.node == nil {\n\t\t\treturn obstacle.verdict"},
	{"the same before the orders to drain and to reboot", "attempts.go",
		"in.Quorum, in.Refused = p.quorumBefore(r), p.beginRefused(r)", "in.Refused = p.beginRefused(r)"},
	{"static pods of other nodes that may run etcd", "quorum.go", "down = append(down, pod.Namespace+\"/\"+pod.Name)", "_ = down"},
	{"nodes for etcd only", "quorum.go", `, "node-role.kubernetes.io/etcd"}`, `}`},
	{"labels that an administrator named", "quorum.go", " || slices.ContainsFunc(named, has)", ""},
	{"static pods are part of the proof", "attempt/proof.go", "case w.Kind == v1alpha1.WorkloadStaticPod:", "case w.Kind == \"\":"},
	{"a status from before the boot proves nothing", "attempt/proof.go",
		"stale := len(pod.Containers) == 0 || before.HasAny(pod.Containers...)", "stale := before.HasAny()"},
	{"a rollback holds its slot until the pods are back", "attempt/end.go", "wait = a.workloadsBack()", "wait = model.Verdict{}"},
	{"a rollback uncordons at once", "views.go", "n.open == nil || n.open.Status.Attempt.RolledBackTime != nil", "n.open == nil"},
	{"an attempt counts for the policy that granted it", "assign.go", "node.policy = granted", "_ = granted"},
	{"an attempt counts for the zone in which it was granted", "assign.go", "node.zone = holder.grantedIn()", "_ = holder.grantedIn()"},
	{"it is rolled back when that policy no longer owns the node", "attempt/prepare.go", "a.Policy == nil || !a.Selected", "a.Policy == nil"},
	{"a host whose Node is gone is waited for", "attempt/node.go",
		"case current.MarkedForDeletionTime != nil:\n\t\ta.failFinally", "case current != nil:\n\t\ta.failFinally"},
	{"a Node that was marked for deletion frees its slot", "attempt/node.go",
		"case current.MarkedForDeletionTime != nil:\n\t\ta.failFinally", "case current == nil:\n\t\ta.failFinally"},
	{"maxAttempts counts attempts that reached the host", "attempt/end.go",
		"failures.Reboots > 0 && failures.Reboots >=", "failures.Count > 0 && failures.Count >="},
	{"failures in a row halt a policy", "halt.go", "policy.halt.drainsFailing = row > 0 &&", "policy.halt.drainsFailing = row < 0 &&"},
	{"a halted policy tries again after a back-off only", "halt.go", "!p.Reached(policy.tryAgain())", "policy.tryAgain().IsZero()"},
	{"drains that cannot succeed do not begin", "drains.go",
		"p.impossibleEviction(r, pod); !v.OK()", "p.impossibleEviction(r, pod); !v.OK() && false"},
	{"an order to reboot that is over is withdrawn", "attempt/reboot.go", "a.expire(order)\n\t\treturn", "_ = order"},
	{"a drain under way follows its policy", "attempt/drain.go", "\ta.updateDrainOrder(answer)\n", ""},
	{"an order to reboot ends with its window", "attempt/reboot.go",
		"consent.Deadline(a.Policy, &a.Draft, back)", "model.Latest(back, consent.Deadline(a.Policy, &a.Draft, back))"},
	{"a host with an inhibitor lock is not ordered to reboot", "attempt/reboot.go", "\t(*attempt).hostBlocked,\n", ""},
	{"a node whose host has an inhibitor lock is not drained", "attempt/drain.go", "case !obstacle.OK():", "case false:"},
	{"a zone soaks", "zones.go", "return model.Blocked(v1alpha1.ReasonZoneSoaking,", "return model.Blocked(\"\","},
	{"the others wait for canaries", "nodegates.go", "\t{ask: canaryGate},\n", ""},
	{"a node waits after a failed attempt", "nodegates.go", "\t{ask: backoffGate},\n", ""},
	{"a node is not rebooted again too soon", "nodegates.go", "\t{ask: minIntervalGate},\n", ""},
	{"a node that is about to be removed does not start", "nodegates.go", "\t{ask: deletionGate, ofHost: true},\n", ""},
	{"a node that others maintain does not start", "nodegates.go", "\t{ask: otherMaintenanceGate, ofHost: true},\n", ""},
	{"the limit of a policy", "turngates.go", "\tpolicyLimitGate,\n", ""},
	{"the limit of a zone", "turngates.go", "\tzoneLimitGate,\n", ""},
	{"the limit of the cluster", "turngates.go", "\tclusterLimitGate,\n", ""},
	{"a cordon of someone else stays", "nodestatus.go",
		"if n.CordonedFor == \"\" {\n\t\treturn\n\t}\n\tpatch.CordonedFor", "patch.CordonedFor"},
	{"an order is never repeated", "attempt/attempt.go", "next.LastSequence++", "next.LastSequence = 1"},
	{"the sentinel has to be gone", "attempt/recovery.go", "case a.Sentinel(a.Node) == v1alpha1.SentinelRequired:", "case false:"},
	{"a node is cordoned and marked again only with its slot", "status.go", "\t\tp.fence(&work, n)\n", ""},
	{"a node whose attempt is not seen yet stays cordoned", "slots.go",
		"if slot.UID == uid && last < slot.Attempt {", "if slot.UID == uid && last < -slot.Attempt {"},
	{"a plan asks to be woken", "model/moment.go", "\tm.WakeAt(t)\n", ""},
	{"the taint goes with the need", "nodestatus.go", "if !n.needed || n.policy.Spec", "if n.policy == nil || n.policy.Spec"},
}
