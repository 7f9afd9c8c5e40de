package v1alpha1

// Condition types. Ready, Reconciling and Stalled follow kstatus: Ready is the summary, the other two exist only while they are true.
const (
	// ConditionReady is True when the object is where it should be: a policy is in force, a reboot is proved.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the operator works on the object or the object waits.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when a person has to do something.
	ConditionStalled = "Stalled"
	// ConditionDrained of a NodeReboot is True when the drain of the current attempt is complete.
	ConditionDrained = "Drained"
	// ConditionRebooted of a NodeReboot is True when the node reported another boot ID.
	ConditionRebooted = "Rebooted"
	// ConditionCancelled of a NodeReboot is True when it is no longer needed. It is then neither Ready, because nothing was proved,
	// nor Stalled, because nobody has to do anything.
	ConditionCancelled = "Cancelled"
	// ConditionOverdue of a NodeReboot is True when it has been required for longer than the policy allows.
	ConditionOverdue = "Overdue"
	// ConditionOverlapping of a RebootPolicy is True while it selects nodes that another policy owns.
	ConditionOverlapping = "Overlapping"
	// ConditionHalted of a RebootPolicy is True while nothing starts because too many nodes did not come back, or too many drains failed.
	ConditionHalted = "Halted"
	// ConditionGivenUp of a RebootPolicy is True while reboots were given up that are still needed.
	ConditionGivenUp = "GivenUp"
	// ConditionNameOfOtherNode of a NodeReboot is True while it has a name that the helper of another node uses.
	ConditionNameOfOtherNode = "NameOfOtherNode"
	// ConditionClockOff of a NodeReboot is True while the clock of its host is off by more than a minute.
	ConditionClockOff = "ClockOff"
	// ConditionOtherRebooter of a NodeReboot is True while something else on its host would reboot the host, too.
	ConditionOtherRebooter = "OtherRebooter"
	// ConditionHelpersNotReady of a RebootPolicy is True while helpers on its nodes have not been Ready for some time.
	ConditionHelpersNotReady = "HelpersNotReady"
	// ConditionNoDetector of a RebootPolicy is True while the helper of one of its nodes was installed with nothing that could detect that its
	// host needs a reboot.
	ConditionNoDetector = "NoDetector"
	// ConditionWritesRefused of a RebootPolicy is True while the API server refuses writes about its nodes.
	ConditionWritesRefused = "WritesRefused"
	// ConditionNamesTaken of a RebootPolicy is True while a node of it has no name left by which its helper can ask for a reboot.
	ConditionNamesTaken = "NamesTaken"
	// ConditionCanaryTooLarge of a RebootPolicy is True while it asks for more canaries than it has nodes.
	ConditionCanaryTooLarge = "CanaryTooLarge"
	// ConditionNotificationsFailing of a RebootPolicy is True while a receiver of its notifications cannot be notified.
	ConditionNotificationsFailing = "NotificationsFailing"
	// ConditionUnknownZones of a RebootPolicy is True while its zone order names a zone that none of its nodes is in.
	ConditionUnknownZones = "UnknownZones"
	// ConditionSilencesFailing of a RebootPolicy is True while alerts of its nodes under way cannot be silenced, or a silence cannot be ended.
	ConditionSilencesFailing = "SilencesFailing"
)

// Reasons of a NodeReboot that is Pending.
const (
	// ReasonNoPolicy: no policy selects the node.
	ReasonNoPolicy = "NoPolicy"
	// ReasonSkipped: the node has the label reboot-operator.io/skip.
	ReasonSkipped = "Skipped"
	// ReasonPolicyInvalid: the policy that owns the node cannot be understood.
	ReasonPolicyInvalid = "PolicyInvalid"
	// ReasonUnreadable: a part of the object cannot be decoded, so the operator leaves it alone.
	ReasonUnreadable = "Unreadable"
	// ReasonPaused: the policy is paused.
	ReasonPaused = "Paused"
	// ReasonObserving: the policy only observes; this node would start now.
	ReasonObserving = "Observing"
	// ReasonHalted: too many nodes did not come back, or too many drains failed in a row. It also rolls back an attempt whose host was not
	// ordered to reboot.
	ReasonHalted = "Halted"
	// ReasonSameNode: another NodeReboot of the same node goes first, and may satisfy this one.
	ReasonSameNode = "SameNode"
	// ReasonBackingOff: an attempt failed and the next one has to wait.
	ReasonBackingOff = "BackingOff"
	// ReasonMinInterval: the node was rebooted too recently.
	ReasonMinInterval = "MinInterval"
	// ReasonHelperNotReady: the node has no Ready helper pod that has reported whether the host can reboot.
	ReasonHelperNotReady = "HelperNotReady"
	// ReasonHelperTooOld: the helper is of a version that does not know a field that the policy uses. It also rolls back an attempt whose
	// host was not ordered to reboot.
	ReasonHelperTooOld = "HelperTooOld"
	// ReasonHostCannotReboot: the helper says what keeps its host from rebooting.
	ReasonHostCannotReboot = "HostCannotReboot"
	// ReasonHostUnsupported: hosts of this kind cannot be rebooted by the method.
	ReasonHostUnsupported = "HostUnsupported"
	// ReasonRebootInhibited: an inhibitor lock keeps the host from rebooting. It is looked at again before the host is ordered to reboot.
	ReasonRebootInhibited = "RebootInhibited"
	// ReasonEvictionForbidden: the helper may not list or evict the pods of its node.
	ReasonEvictionForbidden = "EvictionForbidden"
	// ReasonSentinelCheckFails: the helper cannot tell whether its host asks for a reboot, so none could be proved.
	ReasonSentinelCheckFails = "SentinelCheckFails"
	// ReasonNodeNotReady: the node is not Ready.
	ReasonNodeNotReady = "NodeNotReady"
	// ReasonForeignMaintenance: another tool maintains the node.
	ReasonForeignMaintenance = "ForeignMaintenance"
	// ReasonMarkedForDeletion: an autoscaler is about to remove the node, or the Node is being deleted.
	ReasonMarkedForDeletion = "MarkedForDeletion"
	// ReasonControlPlaneNotReady: another control-plane node is not Ready or under way.
	ReasonControlPlaneNotReady = "ControlPlaneNotReady"
	// ReasonAwaitingApproval: the policy requires an approval, and nobody has given it, or the window that it was given for has closed. An
	// attempt whose approval is withdrawn before its reboot is rolled back.
	ReasonAwaitingApproval = "AwaitingApproval"
	// ReasonSelfApproved: the user who asked for the reboot approved it, or may have, and the policy requires someone else to approve it. It
	// also rolls back an attempt whose host was not ordered to reboot.
	ReasonSelfApproved = "SelfApproved"
	// ReasonWindowClosed: no window of the policy is open. It also rolls back an attempt whose host was not ordered to reboot.
	ReasonWindowClosed = "WindowClosed"
	// ReasonFreeze: the policy has a freeze. It also rolls back an attempt whose host was not ordered to reboot.
	ReasonFreeze = "Freeze"
	// ReasonWindowEnding: a window is open and closes too soon.
	ReasonWindowEnding = "WindowEnding"
	// ReasonCanaryFirst: other nodes go first, as canaries, and are not proved yet.
	ReasonCanaryFirst = "CanaryFirst"
	// ReasonCanarySoaking: the canaries are proved, and are watched.
	ReasonCanarySoaking = "CanarySoaking"
	// ReasonCanaryFailed: a canary failed.
	ReasonCanaryFailed = "CanaryFailed"
	// ReasonGroupNotReady: another node of the same group needs a reboot and cannot go.
	ReasonGroupNotReady = "GroupNotReady"
	// ReasonControlPlaneTurn: control-plane nodes, or worker nodes, go first.
	ReasonControlPlaneTurn = "ControlPlaneTurn"
	// ReasonZoneBusy: it is another zone's turn.
	ReasonZoneBusy = "ZoneBusy"
	// ReasonFirstNodeAlone: the first node of the zone goes alone until it is back.
	ReasonFirstNodeAlone = "FirstNodeAlone"
	// ReasonManagerNodeLast: a manager runs on the node, which waits a moment for others.
	ReasonManagerNodeLast = "ManagerNodeLast"
	// ReasonZoneSoaking: the last zone has finished, and is still watched.
	ReasonZoneSoaking = "ZoneSoaking"
	// ReasonWriteRefused: the API server refuses a write that the reboot needs, because of admission, validation or size. It also rolls back
	// an attempt that has evicted nothing.
	ReasonWriteRefused = "WriteRefused"
	// ReasonBlockedByPod: a pod runs on the node that must end before the node goes down.
	ReasonBlockedByPod = "BlockedByPod"
	// ReasonBlockedByAlert: an alert is active.
	ReasonBlockedByAlert = "BlockedByAlert"
	// ReasonBlockedByQuery: a query of Prometheus has an answer.
	ReasonBlockedByQuery = "BlockedByQuery"
	// ReasonBlockedByObject: an object is not in the required state.
	ReasonBlockedByObject = "BlockedByObject"
	// ReasonInsufficientCapacity: the pods of the node would not fit on the other nodes.
	ReasonInsufficientCapacity = "InsufficientCapacity"
	// ReasonGateError: a gate gives no answer, so nothing starts.
	ReasonGateError = "GateError"
	// ReasonGatePending: a gate is being asked.
	ReasonGatePending = "GatePending"
	// ReasonZoneBudgetExhausted: as many nodes of the zone are unavailable as its limit allows.
	ReasonZoneBudgetExhausted = "ZoneBudgetExhausted"
	// ReasonDrainRefused: a pod on the node must not be evicted, as the policy says.
	ReasonDrainRefused = "DrainRefused"
	// ReasonDrainImpossible: a drain is bound to fail, so nothing is cordoned or evicted.
	ReasonDrainImpossible = "DrainImpossible"
	// ReasonAdaptiveDelay: the delay after the last node that recovered has not passed.
	ReasonAdaptiveDelay = "AdaptiveDelay"
	// ReasonBudgetExhausted: as many nodes of the policy are unavailable as maxUnavailable allows.
	ReasonBudgetExhausted = "BudgetExhausted"
	// ReasonClusterBudgetExhausted: as many nodes of the cluster are unavailable as the cluster-wide limit allows.
	ReasonClusterBudgetExhausted = "ClusterBudgetExhausted"
)

// Reasons of a NodeReboot that is under way.
const (
	// ReasonStarting: a slot was granted and the node is being cordoned.
	ReasonStarting = "Starting"
	// ReasonDrainDelayed: the drain's delay has not passed.
	ReasonDrainDelayed = "DrainDelayed"
	// ReasonWaitingForPods: pods may finish on the cordoned node.
	ReasonWaitingForPods = "WaitingForPods"
	// ReasonLoadBalancerLead: the node is being taken out of external load balancers.
	ReasonLoadBalancerLead = "LoadBalancerLead"
	// ReasonDraining: pods are being evicted.
	ReasonDraining = "Draining"
	// ReasonDrainStuck: no pod has left the node for a minute. It is the reason of a Warning, also while evictions are refused.
	ReasonDrainStuck = "DrainStuck"
	// ReasonEvictionRefused: a pod's eviction was refused, usually by a PodDisruptionBudget.
	ReasonEvictionRefused = "EvictionRefused"
	// ReasonHookPending: the operator waits for a hook, a condition that someone else sets on the NodeReboot.
	ReasonHookPending = "HookPending"
	// ReasonDrainSkipped: the policy skips drains, so the node was not drained.
	ReasonDrainSkipped = "DrainSkipped"
	// ReasonDrainForced: the drain ran out of time, and the policy reboots the node regardless.
	ReasonDrainForced = "DrainForced"
	// ReasonRebootDelayed: the reboot's delay has not passed.
	ReasonRebootDelayed = "RebootDelayed"
	// ReasonVolumesAttached: volumes are attached to the drained node.
	ReasonVolumesAttached = "VolumesAttached"
	// ReasonRebooting: the host was ordered to reboot.
	ReasonRebooting = "Rebooting"
	// ReasonSentinelUnknown: the helper has not yet said, since the boot, whether the sentinel is gone.
	ReasonSentinelUnknown = "SentinelUnknown"
	// ReasonPodStatusStale: pods of the node still show their status from before the boot.
	ReasonPodStatusStale = "PodStatusStale"
	// ReasonDaemonSetsNotReady: DaemonSet pods that were ready on the node are not ready yet.
	ReasonDaemonSetsNotReady = "DaemonSetsNotReady"
	// ReasonStaticPodsNotReady: static pods that were ready on the node, such as etcd, are not ready yet.
	ReasonStaticPodsNotReady = "StaticPodsNotReady"
	// ReasonNodeConditionPresent: the condition of the Node for which it was rebooted is still there.
	ReasonNodeConditionPresent = "NodeConditionPresent"
	// ReasonSettling: the settle time has not passed.
	ReasonSettling = "Settling"
	// ReasonWorkloadsNotReady: workloads that had pods on the node are not as ready as before.
	ReasonWorkloadsNotReady = "WorkloadsNotReady"
	// ReasonRecoveryGateFailing: an object is not in the state that it must have before the slot is freed.
	ReasonRecoveryGateFailing = "RecoveryGateFailing"
)

// Reasons why an attempt was rolled back. It does not count as a failure; the NodeReboot waits again.
const (
	// ReasonNotSelected: the policy no longer selects the node, or is gone.
	ReasonNotSelected = "NotSelected"
	// ReasonDeleted: the NodeReboot was deleted.
	ReasonDeleted = "Deleted"
)

// Reasons of a failed attempt, and of a NodeReboot that was given up after the last one.
const (
	// ReasonUncordoned: someone uncordoned the node during the attempt, or neither the Node nor the slots object
	// shows the attempt anymore. It counts as a failure, so that the operator does not cordon the node again at once.
	ReasonUncordoned = "Uncordoned"
	// ReasonPodsNotFinished: pods that could finish did not finish in time.
	ReasonPodsNotFinished = "PodsNotFinished"
	// ReasonDrainTimedOut: the drain took too long.
	ReasonDrainTimedOut = "DrainTimedOut"
	// ReasonDrainFailed: the helper could not drain.
	ReasonDrainFailed = "DrainFailed"
	// ReasonHookTimedOut: a hook was not done in time. After the reboot the NodeReboot is still watched.
	ReasonHookTimedOut = "HookTimedOut"
	// ReasonOrderExpired: the helper did not take the order to reboot in time, and the order was withdrawn.
	ReasonOrderExpired = "OrderExpired"
	// ReasonRebootFailed: the helper could not reboot the host.
	ReasonRebootFailed = "RebootFailed"
	// ReasonRebootNotObserved: the host was ordered to reboot and did not.
	ReasonRebootNotObserved = "RebootNotObserved"
	// ReasonSentinelStillPresent: the host rebooted and still asks for a reboot.
	ReasonSentinelStillPresent = "SentinelStillPresent"
	// ReasonConditionStillPresent: the host rebooted, and the condition of the Node for which it was rebooted did not go away.
	ReasonConditionStillPresent = "ConditionStillPresent"
	// ReasonNodeNotBack: the node did not come back in time. It is still watched.
	ReasonNodeNotBack = "NodeNotBack"
	// ReasonRecoveryTimedOut: the node came back and did not recover in time. It is still watched.
	ReasonRecoveryTimedOut = "RecoveryTimedOut"
	// ReasonNodeGone: the Node was deleted.
	ReasonNodeGone = "NodeGone"
	// ReasonNodeNotFound: there is no such Node.
	ReasonNodeNotFound = "NodeNotFound"
)

// ReasonClockOff says that the clock of the host is off by more than a minute. It is the reason of the condition ClockOff.
const ReasonClockOff = "ClockOff"

// ReasonOtherRebooter says that something else on the host would reboot it, too. It is the reason of the condition OtherRebooter.
const ReasonOtherRebooter = "OtherRebooter"

// ReasonOverdue says that the reboot has been required for longer than the policy allows. It is the reason of the condition Overdue.
const ReasonOverdue = "Overdue"

// Reasons of a NodeReboot that ended well.
const (
	// ReasonProved: another boot ID, the node Ready, the sentinel gone, its workloads ready again.
	ReasonProved = "Proved"
	// ReasonRebootedMeanwhile: the node rebooted for another reason, and the reboot was proved.
	ReasonRebootedMeanwhile = "RebootedMeanwhile"
	// ReasonNeedWithdrawn: the sentinel went away before the node was started.
	ReasonNeedWithdrawn = "NeedWithdrawn"
	// ReasonSuperseded: another NodeReboot asks for what the sentinel of the same host asked for.
	ReasonSuperseded = "Superseded"
)

// ReasonNameOfOtherNode says that the NodeReboot has a name that the helper of another node uses. It is the reason of the condition
// NameOfOtherNode.
const ReasonNameOfOtherNode = "NameOfOtherNode"

// Reasons of a RebootPolicy.
const (
	// ReasonInForce: the policy does what it says.
	ReasonInForce = "InForce"
	// ReasonNoNodes: the policy owns no node.
	ReasonNoNodes = "NoNodes"
	// ReasonShadowed: the policy owns no node, because other policies own all that it selects.
	ReasonShadowed = "Shadowed"
	// ReasonOverlap: nodes are selected by several policies.
	ReasonOverlap = "Overlap"
	// ReasonZoneNotFound: the zone order names a zone that no node is in.
	ReasonZoneNotFound = "ZoneNotFound"
	// ReasonHelpersNotReady: helpers have not been Ready for some time.
	ReasonHelpersNotReady = "HelpersNotReady"
	// ReasonNoDetector: hosts create none of the files that the default installation looks for, and no other detector was installed.
	ReasonNoDetector = "NoDetector"
	// ReasonNamesTaken: NodeReboots of other nodes use all the names by which a node's helper can ask for a reboot.
	ReasonNamesTaken = "NamesTaken"
	// ReasonCanaryTooLarge: the policy has no more nodes than canaries, so no node waits for a canary.
	ReasonCanaryTooLarge = "CanaryTooLarge"
	// ReasonSilencesFailing: an Alertmanager accepts no silences, or the matchers make no valid silence. No reboot waits for that.
	ReasonSilencesFailing = "SilencesFailing"
	// ReasonSilencesNotEnded: a silence should have ended and cannot be ended, so alerts may stay hidden until it expires.
	ReasonSilencesNotEnded = "SilencesNotEnded"
	// ReasonNodesNotBack: nodes did not come back.
	ReasonNodesNotBack = "NodesNotBack"
	// ReasonDrainsFailing: the attempts of several nodes in a row failed without a reboot.
	ReasonDrainsFailing = "DrainsFailing"
	// ReasonNotificationInvalid: a receiver of notifications is misconfigured, for example with a Secret that does not exist.
	ReasonNotificationInvalid = "NotificationInvalid"
	// ReasonNotificationFailed: a receiver of notifications does not accept them. They are sent again.
	ReasonNotificationFailed = "NotificationFailed"
	// ReasonRebootsGivenUp: reboots were given up that are still needed.
	ReasonRebootsGivenUp = "RebootsGivenUp"
)
