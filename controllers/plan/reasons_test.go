package plan

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/detector"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// What gates of clusters answer, and what helpers do.
const (
	importRuns    = "Pod batch/import-7 runs on node a: gate g waits for it to end."
	cephAlert     = "Gate g: alerts of http://prometheus.monitoring:9090: CephHealthError."
	etcdDown      = `Gate g: the query has rows at http://prometheus.monitoring:9090.`
	unhealthyCeph = `Gate g: the expression is not true for CephCluster rook-ceph/rook-ceph: object.status.ceph.health == "HEALTH_OK"`
	noKindCeph    = "the cluster has no kind CephCluster of ceph.rook.io/v1"
	tooFullForWeb = "Pod apps/web-1 of node a would find no room: too little cpu (it needs 2) on 12 nodes, its anti-affinity on 3."
	podsForbidden = "Pods cannot be listed: forbidden."
	logindForbids = "logind refused: Access denied."
)

// reasonStories lead to each reason, of a NodeReboot, of its attempt or of a policy.
var reasonStories = map[string]func(*testing.T) *story{
	v1alpha1.ReasonNoPolicy:           waitingWith(unselected),
	v1alpha1.ReasonSkipped:            waitingWith(func(s *story) { skippedNode(s.node("a")) }),
	v1alpha1.ReasonMarkedForDeletion:  waitingWith(func(s *story) { s.node("a").Deleting = true }),
	v1alpha1.ReasonForeignMaintenance: waitingWith(func(s *story) { maintainedUntil(0)(s.node("a")) }),
	v1alpha1.ReasonNodeConditionPresent: func(t *testing.T) *story {
		t.Helper()
		return rebootForDeadlock(t)
	},
	v1alpha1.ReasonConditionStillPresent: func(t *testing.T) *story {
		t.Helper()
		s := rebootForDeadlock(t)
		s.advance(5 * time.Minute)
		return s
	},
	v1alpha1.ReasonAwaitingApproval: waitingWith(func(s *story) { s.editPolicy("p", approvalRequired()) }),
	v1alpha1.ReasonSelfApproved: waitingWith(func(s *story) {
		s.editPolicy("p", approvalRequired())
		manual(s.reboot("ra"))
		approved(s.reboot("ra"))
		s.reboot("ra").Spec.RequestedBy = "bob"
	}),
	v1alpha1.ReasonPolicyInvalid: waitingWith(invalid),
	v1alpha1.ReasonPaused:        waitingWith(paused),
	v1alpha1.ReasonObserving:     waitingWith(observed),
	v1alpha1.ReasonUnreadable:    waitingWith(func(s *story) { attemptUnreadable(s.reboot("ra")) }),
	v1alpha1.ReasonHalted: waitingWith(func(s *story) {
		s.Nodes = append(s.Nodes, newNode("b", "z1"))
		s.Reboots = append(s.Reboots, newReboot("rb", "b", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, 0)))
	}),
	v1alpha1.ReasonSameNode:        waitingWith(func(s *story) { s.Reboots = append(s.Reboots, newReboot("other", "a", immediate, manual)) }),
	v1alpha1.ReasonSuperseded:      waitingWith(func(s *story) { s.Reboots = append(s.Reboots, newReboot("other", "a", immediate)) }),
	v1alpha1.ReasonNameOfOtherNode: waitingWith(func(s *story) { s.Reboots = append(s.Reboots, newReboot("a-0", "b", manual)) }),
	v1alpha1.ReasonNotificationInvalid: waitingWith(func(s *story) {
		s.NotificationProblems = map[string]model.NotificationProblem{"p": {
			Reason:  v1alpha1.ReasonNotificationInvalid,
			Message: "Receiver slack: there is no key slack in Secret reboot-operator-system/reboot-operator-notifications, or it is empty.",
		}}
	}),
	v1alpha1.ReasonNotificationFailed: waitingWith(func(s *story) {
		s.NotificationProblems = map[string]model.NotificationProblem{"p": {
			Reason: v1alpha1.ReasonNotificationFailed,
			Message: "Receiver slack has not accepted notifications since 2026-03-01 11:58 +00:00: it answers 500 (Internal Server Error). " +
				"They are sent again.",
		}}
	}),
	v1alpha1.ReasonNamesTaken: waitingWith(func(s *story) { squat(s.Snapshot, "a", 16) }),
	v1alpha1.ReasonBackingOff: waitingWith(func(s *story) {
		failedBefore(1, 0)(s.reboot("ra"))
	}),
	v1alpha1.ReasonMinInterval: waitingWith(func(s *story) {
		s.Reboots = append(s.Reboots, newReboot("before", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, 0)))
	}),
	v1alpha1.ReasonWriteRefused: waitingWith(func(s *story) {
		s.refuse(model.WriteCordon, "a", `admission webhook "guard.example.com" denied the request: no cordon during the sale`)
	}),
	v1alpha1.ReasonHelperNotReady: waitingWith(func(s *story) { s.node("a").HelperReady = false }),
	v1alpha1.ReasonHelperTooOld: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.Protocol = 0
	})),
	v1alpha1.ReasonHostCannotReboot: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.Methods = byLogind("there is no logind")
	})),
	v1alpha1.ReasonRebootInhibited: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.Methods = inhibited("unattended-upgrades (uid 0, process 812) until 22:40: upgrading packages")
	})),
	v1alpha1.ReasonHostUnsupported: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.HostOS = "Talos (v1.11.2)"
		r.Methods = byLogind("there is no systemd-logind")
		r.Methods[0].Kind = v1alpha1.ObstacleUnsupported
	})),
	v1alpha1.ReasonEvictionForbidden: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.EvictionObstacle = "it may not act as system:node:a: apply the component before-1.36"
	})),
	v1alpha1.ReasonOtherRebooter: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.Notices = []string{"locksmithd.service is active"}
	})),
	v1alpha1.ReasonSentinelCheckFails: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.Sentinel = v1alpha1.SentinelUnknown
	})),
	v1alpha1.ReasonHelpersNotReady: waitingWith(func(s *story) {
		noHelper(s.node("a"))
		s.node("a").HelperSince = start.Add(-time.Hour)
	}),
	v1alpha1.ReasonNoDetector: waitingWith(func(s *story) {
		s.node("a").NoDetector = detector.Missing("Red Hat Enterprise Linux 9.4 (Plow)")
	}),
	v1alpha1.ReasonNodeNotReady: waitingWith(func(s *story) { s.node("a").Ready = false }),
	v1alpha1.ReasonControlPlaneNotReady: waitingWith(func(s *story) {
		controlPlane(s.node("a"))
		s.Nodes = append(s.Nodes, newNode("b", "z1", controlPlane, notReady))
	}),
	v1alpha1.ReasonWindowClosed:     waitingWith(func(s *story) { s.editPolicy("p", scheduled(opensAtOne)) }),
	v1alpha1.ReasonWindowEnding:     waitingWith(func(s *story) { s.editPolicy("p", scheduled("1 11 * * *")) }),
	v1alpha1.ReasonFreeze:           waitingWith(func(s *story) { s.editPolicy("p", frozen("f", 0, time.Hour)) }),
	v1alpha1.ReasonControlPlaneTurn: waitingWith(besides("b/z1", func(s *story) { controlPlane(s.node("a")) })),
	v1alpha1.ReasonZoneBusy:         waitingWith(besides("b/z0", nil)),
	v1alpha1.ReasonFirstNodeAlone: waitingWith(besides("A/z1", func(s *story) {
		s.editPolicy("p", maxUnavailable("2"), nodeOrder(v1alpha1.NodeOrderFewestMoves))
	})),
	v1alpha1.ReasonManagerNodeLast:     waitingWith(besides("b/z1", func(s *story) { s.LeaderNode = "a" })),
	v1alpha1.ReasonBudgetExhausted:     waitingWith(func(s *story) { s.editPolicy("p", maxUnavailable("0")) }),
	v1alpha1.ReasonZoneBudgetExhausted: waitingWith(func(s *story) { s.editPolicy("p", perZone("0")) }),
	v1alpha1.ReasonClusterBudgetExhausted: waitingWith(func(s *story) {
		s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(0))
	}),
	v1alpha1.ReasonCanaryFirst: waitingWith(besides("b/z0", func(s *story) { s.editPolicy("p", canaryOf(1, 600)) })),
	v1alpha1.ReasonCanarySoaking: waitingWith(func(s *story) {
		s.editPolicy("p", canaryOf(1, 600))
		s.Nodes = append(s.Nodes, newNode("b", "z1"))
		s.Reboots = append(s.Reboots, newReboot("rb", "b", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, 0)))
	}),
	v1alpha1.ReasonCanaryFailed: waitingWith(besides("b/z0", func(s *story) {
		s.editPolicy("p", canaryOf(1, 600))
		s.settle()
		s.answer("rb", v1alpha1.OrderFailed, "No.")
	})),
	v1alpha1.ReasonCanaryTooLarge: waitingWith(func(s *story) { s.editPolicy("p", canaryOf(2, 0)) }),
	v1alpha1.ReasonGroupNotReady: waitingWith(besides("a1/z1 a2/z1", func(s *story) {
		s.editPolicy("p", grouped(), maxUnavailable("9"))
		s.byGroups()
		s.node("a2").HelperReady = false
	})),
	v1alpha1.ReasonZoneSoaking: waitingWith(func(s *story) {
		s.editPolicy("p", soak(600))
		s.Nodes = append(s.Nodes, newNode("b", "z0"))
		s.Reboots = append(s.Reboots, newReboot("rb", "b", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, 0)))
	}),
	v1alpha1.ReasonStarting:        waitingWith(func(s *story) { delete(s.Pods, "a") }),
	v1alpha1.ReasonDrainDelayed:    in(stageCordoned, nil),
	v1alpha1.ReasonDraining:        in(stageDraining, nil),
	v1alpha1.ReasonEvictionRefused: in(stageDraining, refuse),
	v1alpha1.ReasonHookPending:     waitingWith(awaitBackup),
	v1alpha1.ReasonHookTimedOut: waitingWith(func(s *story) {
		awaitBackup(s)
		s.settle()
		s.advance(5 * time.Minute)
	}),
	v1alpha1.ReasonOverdue: waitingWith(func(s *story) { s.editPolicy("p", maxDeferral(3600)) }),
	v1alpha1.ReasonDrainRefused: waitingWith(func(s *story) {
		s.editPolicy("p", drain(refusing))
		s.Pods["a"] = []Pod{readyPod("bare", start)}
	}),
	v1alpha1.ReasonAdaptiveDelay: waitingWith(func(s *story) {
		s.editPolicy("p", adaptive(60, 60))
		s.Nodes = append(s.Nodes, newNode("b", "z1"))
		s.Reboots = append(s.Reboots, recoveredIn("rb", "b", time.Second, 0, v1alpha1.ReasonProved))
	}),
	v1alpha1.ReasonWaitingForPods: func(t *testing.T) *story {
		t.Helper()
		return preparedAttemptIn(t, stageDraining, withJobs(1), drain(waitingFor(v1alpha1.TimeoutContinue)))
	},
	v1alpha1.ReasonPodsNotFinished: func(t *testing.T) *story {
		t.Helper()
		s := preparedAttemptIn(t, stageDraining, withJobs(1), drain(waitingFor(v1alpha1.TimeoutAbort)))
		s.advance(10 * time.Minute)
		return s
	},
	v1alpha1.ReasonDrainSkipped: func(t *testing.T) *story {
		t.Helper()
		return attemptIn(t, stageDraining, drain(skipDrain))
	},
	v1alpha1.ReasonDrainForced: func(t *testing.T) *story {
		t.Helper()
		s := attemptIn(t, stageDraining, drain(forced))
		refuse(s)
		s.answer("ra", v1alpha1.OrderTimedOut, "")
		s.settle()
		return s
	},
	v1alpha1.ReasonLoadBalancerLead: func(t *testing.T) *story {
		t.Helper()
		return attemptIn(t, stageDraining, marking(30))
	},
	v1alpha1.ReasonRebootDelayed: in(stageDrained, nil),
	v1alpha1.ReasonVolumesAttached: func(t *testing.T) *story {
		t.Helper()
		return attached(t, 1, 600)
	},
	v1alpha1.ReasonRebooting:       in(stageRebooting, nil),
	v1alpha1.ReasonSentinelUnknown: in(stageBack, func(s *story) { s.node("a").Ready = true }),
	v1alpha1.ReasonPodStatusStale: in(stageBack, cameBack(agentPod(func(p *Pod) {
		p.Containers = []string{containerID("agent-a", start.Add(-24*time.Hour))}
	}))),
	v1alpha1.ReasonStaticPodsNotReady: etcdStaysDown,
	v1alpha1.ReasonDaemonSetsNotReady: in(stageBack, cameBack(agentPod(func(p *Pod) { p.Ready = false }))),
	v1alpha1.ReasonSettling:           in(stageSettling, nil),
	v1alpha1.ReasonWorkloadsNotReady: in(stageSettling, func(s *story) {
		s.Workloads[deployment("web")] = Workload{Desired: 3}
		s.advance(time.Minute)
	}),
	v1alpha1.ReasonBlockedByPod:         gateSays(podsOf("g"), GatePods, GateAnswer{Nodes: map[string]string{"a": importRuns}}),
	v1alpha1.ReasonBlockedByAlert:       gateSays(alertsOf("g"), GatePrometheus, GateAnswer{Obstacle: cephAlert}),
	v1alpha1.ReasonBlockedByQuery:       gateSays(queryOf("g", v1alpha1.Require), GatePrometheus, GateAnswer{Obstacle: etcdDown}),
	v1alpha1.ReasonBlockedByObject:      gateSays(objectsOf("g"), GateObjects, GateAnswer{Obstacle: unhealthyCeph}),
	v1alpha1.ReasonInsufficientCapacity: gateSays(capacityRequired(), GateCapacity, GateAnswer{Nodes: map[string]string{"a": tooFullForWeb}}),
	v1alpha1.ReasonGateError: gateSays(objectsOf("g"), GateObjects,
		GateAnswer{Failure: noKindCeph, Since: start.Add(-time.Minute)}),
	v1alpha1.ReasonGatePending: waitingWith(func(s *story) { s.editPolicy("p", objectsOf("g")) }),
	v1alpha1.ReasonRecoveryGateFailing: in(stageSettling, func(s *story) {
		s.editPolicy("p", recoveryOf("g"))
		s.says(GateRecovery, "g", GateAnswer{Obstacle: unhealthyCeph})
		s.advance(time.Minute)
		s.settle()
	}),
	v1alpha1.ReasonUncordoned:    in(stageDraining, uncordoned),
	v1alpha1.ReasonNotSelected:   in(stageDraining, unselected),
	v1alpha1.ReasonDrainTimedOut: in(stageDraining, func(s *story) { s.advance(10 * time.Minute) }),
	v1alpha1.ReasonDrainFailed:   in(stageDraining, func(s *story) { s.answer("ra", v1alpha1.OrderFailed, podsForbidden) }),
	v1alpha1.ReasonDrainStuck: in(stageDraining, func(s *story) {
		s.progress(v1alpha1.DrainProgress{Total: 2, Remaining: 1, Activity: v1alpha1.DrainStuck, Terminating: []v1alpha1.TerminatingPod{
			{Namespace: "apps", Name: "web-1", HeldBy: "finalizer example.com/backup"},
		}})
	}),
	v1alpha1.ReasonOrderExpired: in(stageRebooting, func(s *story) {
		ignoredOrder(s)
		s.advance(15 * time.Minute)
	}),
	v1alpha1.ReasonDrainImpossible: waitingWith(func(s *story) { s.coverWeb(Workload{Ready: 3, Desired: 3, Expected: 3}, "web") }),
	v1alpha1.ReasonClockOff: waitingWith(reported(func(r *v1alpha1.HelperReport) {
		r.ClockOffsetSeconds = ptr.To[int64](-7200)
	})),
	v1alpha1.ReasonDrainsFailing: waitingWith(besides("b/z1 c/z1", func(s *story) {
		for _, r := range s.Reboots {
			failedBefore(1, 0)(r)
		}
	})),
	v1alpha1.ReasonRebootsGivenUp: waitingWith(func(s *story) {
		s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxFailures = ptr.To(intstr.FromInt32(2)) }))
		report := *s.reboot("ra").Status.Report
		finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, 0)(s.reboot("ra"))
		s.reboot("ra").Status.Report = &report
	}),
	v1alpha1.ReasonRebootFailed:      in(stageRebooting, func(s *story) { s.answer("ra", v1alpha1.OrderFailed, logindForbids) }),
	v1alpha1.ReasonRebootNotObserved: in(stageRebooting, func(s *story) { s.advance(16 * time.Minute) }),
	v1alpha1.ReasonSentinelStillPresent: in(stageSettling, func(s *story) {
		reported(func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelRequired })(s)
		s.settle()
		s.advance(time.Minute)
	}),
	v1alpha1.ReasonNodeNotBack: in(stageRebooting, func(s *story) {
		s.node("a").Ready = false
		s.advance(15 * time.Minute)
	}),
	v1alpha1.ReasonRecoveryTimedOut: in(stageBack, func(s *story) { s.advance(30 * time.Minute) }),
	v1alpha1.ReasonDeleted: in(stageDraining, func(s *story) {
		deletedAt(time.Minute)(s.reboot("ra"))
	}),
	v1alpha1.ReasonNodeGone: in(stageDraining, nodeDeleted),
	v1alpha1.ReasonNodeNotFound: func(t *testing.T) *story {
		t.Helper()
		return newStory(t, newPolicy("p"), newReboot("ra", "a", noReport))
	},
	v1alpha1.ReasonProved: in(stageSettling, func(s *story) { s.advance(time.Minute) }),
	v1alpha1.ReasonRebootedMeanwhile: waitingWith(func(s *story) {
		paused(s)
		s.settle()
		s.boot("a", 2)
		s.comeBack("ra", v1alpha1.SentinelNotRequired)
	}),
	v1alpha1.ReasonNeedWithdrawn: waitingWith(reported(func(r *v1alpha1.HelperReport) { r.Sentinel = v1alpha1.SentinelNotRequired })),
	v1alpha1.ReasonInForce:       waitingWith(func(*story) {}),
	v1alpha1.ReasonNoNodes:       waitingWith(func(s *story) { s.editPolicy("p", selecting("pool", "blue")) }),
	v1alpha1.ReasonShadowed: func(t *testing.T) *story {
		t.Helper()
		s := newStory(t, newPolicy("all"), newPolicy("idle", selecting("pool", "x"), priority(-1)),
			newNode("a", "z1", labeled("pool", "x")), newNode("b", "z1", labeled("pool", "x")))
		s.settle()
		return s
	},
	v1alpha1.ReasonOverlap: waitingWith(func(s *story) { s.Policies = append(s.Policies, newPolicy("q")) }),
	v1alpha1.ReasonSilencesFailing: waitingWith(func(s *story) {
		s.SilenceFailures = map[string][]model.SilenceFailure{"p": {{
			Silence: "node-alerts", Message: "http://alertmanager.monitoring:9093: the connection is refused.", Since: start,
		}}}
	}),
	v1alpha1.ReasonSilencesNotEnded: waitingWith(func(s *story) {
		s.SilenceFailures = map[string][]model.SilenceFailure{"p": {{
			Ending: true, Silence: "node-alerts", Node: "worker-7", Nodes: 1, Since: start, Until: start.Add(10 * time.Minute),
			Message: "http://alertmanager.monitoring:9093: it answers 403 Forbidden.",
		}}}
	}),
	v1alpha1.ReasonZoneNotFound: waitingWith(func(s *story) { s.editPolicy("p", zoneOrder("z7")) }),
	v1alpha1.ReasonNodesNotBack: waitingWith(func(s *story) {
		s.Reboots = append(s.Reboots, newReboot("rb", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, 0)))
	}),
}

// etcdStaysDown after the boot of a node that runs it.
func etcdStaysDown(t *testing.T) *story {
	t.Helper()
	s := preparedAttemptIn(t, stageBack, func(s *story) {
		controlPlane(s.node("a"))
		s.Pods["a"] = append([]Pod{staticPod("etcd-a", start.Add(-time.Hour))}, s.Pods["a"]...)
	})
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.Pods["a"][0].Ready = false
	return s
}

// progress reports how far the drain of ra is.
func (s *story) progress(drain v1alpha1.DrainProgress) {
	s.answer("ra", v1alpha1.OrderStarted, "")
	s.report("ra", func(report *v1alpha1.HelperReport) { report.Drain = &drain })
}

// coverWeb puts a pod of Deployment web on node a that budgets cover.
func (s *story) coverWeb(budget Workload, names ...string) {
	pod := readyPod("web-1", start.Add(-time.Hour), deployment("web"))
	for _, name := range names {
		key := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: name}
		pod.Workloads = append(pod.Workloads, key)
		s.Workloads[key] = budget
	}
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	s.Pods["a"] = append(s.Pods["a"], pod)
}

func awaitBackup(s *story) {
	s.editPolicy("p", hookIn(stageCordoned, hook(backupDone, v1alpha1.TimeoutAbort)))
}

// gateSays is a NodeReboot that would start but for a gate g.
func gateSays(policy policyOption, kind GateKind, answer GateAnswer) func(*testing.T) *story {
	return waitingWith(func(s *story) {
		s.editPolicy("p", policy)
		gate := "g"
		if kind == GateCapacity {
			gate = ""
		}
		s.says(kind, gate, answer)
	})
}

// waitingWith is a NodeReboot that would start if nothing happened.
func waitingWith(event func(*story)) func(*testing.T) *story {
	return func(t *testing.T) *story {
		t.Helper()
		s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
		event(s)
		s.noteGrants()
		return s
	}
}

// besides adds nodes that also need a reboot.
func besides(words string, event func(*story)) func(*story) {
	return func(s *story) {
		more := newSnapshot(fleet(words)...)
		s.Nodes, s.Reboots = append(s.Nodes, more.Nodes...), append(s.Reboots, more.Reboots...)
		for node, pods := range more.Pods {
			s.Pods[node] = pods
		}
		if event != nil {
			event(s)
		}
	}
}

func cameBack(event func(*story)) func(*story) {
	return func(s *story) {
		s.comeBack("ra", v1alpha1.SentinelNotRequired)
		event(s)
	}
}

func in(stage stage, event func(*story)) func(*testing.T) *story {
	return func(t *testing.T) *story {
		t.Helper()
		s := attemptIn(t, stage)
		if event != nil {
			event(s)
		}
		return s
	}
}
