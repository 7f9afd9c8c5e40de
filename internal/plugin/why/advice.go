package why

import "github.com/reboot-operator/reboot-operator/api/v1alpha1"

// advice says what a person can do about a reason.
type advice struct {
	// text says so in a sentence or two.
	text string
	// commands to type. {node}, {reboot}, {policy}, and {namespace}, {helpers} and {manager} of the operator are names; a command is left
	// out if the name is not known. {objects} is one command for each object that the message names.
	commands []string
}

// Commands that several reasons have in common.
const (
	editPolicy   = "kubectl edit rebootpolicy {policy}"
	whyPolicy    = "kubectl reboots why rebootpolicy/{policy}"
	deleteReboot = "kubectl delete nodereboot {reboot}"
	objects      = "{objects}"
	helperPods   = "kubectl -n {namespace} get pods -l app.kubernetes.io/component=helper -o wide --field-selector spec.nodeName={node}"
	helperLogs   = "kubectl -n {namespace} logs -l app.kubernetes.io/component=helper --all-containers --prefix --tail=20"
	managerLogs  = "kubectl -n {namespace} logs -l app.kubernetes.io/component=manager --tail=50"
	updateHelper = "kubectl -n {namespace} rollout status daemonset {helpers}"
	editHelper   = "kubectl -n {namespace} edit daemonset {helpers}"
	waitProved   = "kubectl reboots wait {node} --for=proved"
	timeline     = "kubectl reboots timeline {node}"
	rightNow     = `kubectl reboots now {node} --immediate --reason="it cannot wait"`
	plan         = "kubectl reboots plan"
	windows      = "kubectl reboots windows {policy}"
	retry        = "kubectl reboots retry {node}"
	describeNode = "kubectl describe node {node}"
	status       = "kubectl reboots status {policy}"
	enforce      = `kubectl patch rebootpolicy {policy} --type=merge -p '{"spec":{"mode":"Enforce"}}'`
	podsOfNode   = "kubectl get pods -A -o wide --field-selector spec.nodeName={node}"
)

func do(text string, commands ...string) advice { return advice{text, commands} }

// pending is what can be done about a NodeReboot that waits for its start.
var pending = map[string]advice{
	v1alpha1.ReasonNoPolicy: do("Write a policy that selects the node, or correct the labels of the node or the selector of a policy.",
		"kubectl get node {node} --show-labels", "kubectl get rebootpolicies"),
	v1alpha1.ReasonSkipped: do("Remove the label when the node may be rebooted again; it keeps its place.", "kubectl reboots unskip {node}"),
	v1alpha1.ReasonPolicyInvalid: do("Correct what the message names. To find every mistake in the policy, lint it.",
		editPolicy, "kubectl get rebootpolicy {policy} -o yaml | kubectl reboots lint -f -"),
	v1alpha1.ReasonUnreadable: do("Repair the field that is named, or delete the object.", "kubectl edit nodereboot {reboot}", deleteReboot),
	v1alpha1.ReasonPaused:     do("It continues when you resume the policy.", "kubectl reboots resume {policy}"),
	v1alpha1.ReasonObserving:  do("The policy only reports what it would do. To let it reboot nodes, write mode: Enforce.", enforce),
	v1alpha1.ReasonHalted: do("Fix the cause on the nodes that are named. The policy continues when they come back, or when "+
		"their NodeReboots are retried or deleted.",
		objects, whyPolicy),
	v1alpha1.ReasonSameNode:   do("No action is needed: one reboot may satisfy both.", objects),
	v1alpha1.ReasonBackingOff: do("Fix what made the attempt fail. To try again before that time, retry it.", retry, timeline),
	v1alpha1.ReasonMinInterval: do("No action is needed. To reboot the node sooner, lower rollout.minIntervalSeconds of the policy.",
		editPolicy),
	v1alpha1.ReasonHelperNotReady: do("Look at the helper's pod on that node.", helperPods, helperLogs),
	v1alpha1.ReasonHelperTooOld: do("Update the helpers to the version of the manager, and wait until all of them run it.", updateHelper,
		"kubectl reboots check"),
	v1alpha1.ReasonHostCannotReboot: do("Fix on the host what the message names. The node starts when its helper finds the obstacle gone.",
		helperPods, helperLogs),
	v1alpha1.ReasonHostUnsupported: do("Leave such nodes out of the policy, or install helpers with another method there.",
		"kubectl reboots skip {node}", editPolicy),
	v1alpha1.ReasonRebootInhibited: do("Wait until the program has released its lock. To see all locks, type "+
		"systemd-inhibit --list on the host.", waitProved),
	v1alpha1.ReasonEvictionForbidden: do("Give helpers the right that is missing.", "kubectl reboots check", helperLogs),
	v1alpha1.ReasonSentinelCheckFails: do("Correct the sentinel on the host, or the flags of the helpers.", helperLogs,
		editHelper),
	v1alpha1.ReasonNodeNotReady: do("Repair the node. It starts when it is Ready.", describeNode),
	v1alpha1.ReasonForeignMaintenance: do("Wait until the other tool has finished, or end its maintenance.", objects, describeNode,
		"kubectl get leases -A"),
	v1alpha1.ReasonMarkedForDeletion: do("No action is needed: either the node is removed soon, or the mark is.", describeNode),
	v1alpha1.ReasonControlPlaneNotReady: do("Repair the node or the static pod that is named: two nodes that may run etcd "+
		"are never down at once.",
		objects, "kubectl get nodes -l node-role.kubernetes.io/control-plane"),
	v1alpha1.ReasonAwaitingApproval: do("Approve it, or cancel it.", "kubectl reboots approve {node}", "kubectl reboots cancel {node}"),
	v1alpha1.ReasonSelfApproved: do("Another person has to approve it, or the policy has to allow it.", "kubectl reboots approve {node}",
		`kubectl patch rebootpolicy {policy} --type=merge -p '{"spec":{"selfApproval":"Allow"}}'`),
	v1alpha1.ReasonWindowClosed: do("No action is needed. If it cannot wait for the window, ask for it now.", rightNow, windows),
	v1alpha1.ReasonFreeze: do("No action is needed. If it cannot wait for the end of the freeze, ask for it now.", rightNow,
		windows),
	v1alpha1.ReasonWindowEnding: do("No action is needed: it goes in the next window. If it cannot wait, ask for it now.", rightNow,
		windows),
	v1alpha1.ReasonCanaryFirst: do("No action is needed: it goes when the canaries are proved.", objects, status),
	v1alpha1.ReasonCanarySoaking: do("No action is needed. To watch the canaries for less time, lower rollout.canary.soakSeconds.",
		editPolicy),
	v1alpha1.ReasonCanaryFailed: do("Find out why the canary failed. If what is rolled out is at fault, pause the policy; "+
		"if the node is, retry it, or delete its NodeReboot to let another node be the canary.", objects, "kubectl reboots pause {policy}"),
	v1alpha1.ReasonGroupNotReady: do("Fix what keeps the other node of the group, or leave that node out with the skip label.", objects),
	v1alpha1.ReasonControlPlaneTurn: do("No action is needed: its turn comes. The order is rollout.controlPlane of the policy.",
		status, plan),
	v1alpha1.ReasonZoneBusy:        do("No action is needed, unless a node of that zone is stuck.", objects, status, plan),
	v1alpha1.ReasonFirstNodeAlone:  do("No action is needed, unless the first node is stuck.", objects),
	v1alpha1.ReasonManagerNodeLast: do("No action is needed: it goes in a moment.", waitProved),
	v1alpha1.ReasonZoneSoaking: do("No action is needed. To watch zones for less time, lower rollout.zones.soakSeconds.", editPolicy,
		plan),
	v1alpha1.ReasonWriteRefused: do("Look at the admission policy or webhook that is named: let the operator's "+
		"ServiceAccount pass it, or repair it.",
		"kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies", managerLogs),
	v1alpha1.ReasonBlockedByPod: do("Wait until the pod has ended, or delete it.", objects),
	v1alpha1.ReasonBlockedByAlert: do("Resolve the alert, silence it in Alertmanager, or have the gate ignore it.",
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.gates}'", editPolicy),
	v1alpha1.ReasonBlockedByQuery: do("Fix what the query measures, or correct the query.",
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.gates.prometheus}'", editPolicy),
	v1alpha1.ReasonBlockedByObject: do("Bring the object into the state that the gate requires, or correct the gate.",
		objects, "kubectl get rebootpolicy {policy} -o jsonpath='{.spec.gates.objects}'"),
	v1alpha1.ReasonInsufficientCapacity: do("Add nodes, or lower what pods request. Other nodes go first.", objects,
		"kubectl get nodes", editPolicy),
	v1alpha1.ReasonGateError: do("Fix what keeps the gate from answering: its server, credentials, query or rights.",
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.gates}'",
		managerLogs),
	v1alpha1.ReasonGatePending: do("No action is needed: the answer comes within the gate's timeout.",
		"kubectl reboots why {node}"),
	v1alpha1.ReasonZoneBudgetExhausted: do("Look at the nodes of the zone that are unavailable, or raise "+
		"rollout.zones.maxUnavailablePerZone.", objects, "kubectl get nodes", editPolicy),
	v1alpha1.ReasonDrainRefused: do("Delete the pod or move it to another node. Alternatively, let the policy evict such pods.", objects,
		editPolicy),
	v1alpha1.ReasonDrainImpossible: do("Let the budget allow a disruption, add replicas, or delete the pod. Other nodes continue.", objects,
		editPolicy),
	v1alpha1.ReasonAdaptiveDelay: do("No action is needed. To wait less, lower rollout.adaptiveDelay.maxSeconds.", editPolicy),
	v1alpha1.ReasonBudgetExhausted: do("Look at the nodes that are unavailable, or raise rollout.maxUnavailable.",
		objects, "kubectl get nodes", editPolicy),
	v1alpha1.ReasonClusterBudgetExhausted: do("Look at the nodes that are unavailable, or raise --max-unavailable of the manager.",
		objects, "kubectl get nodes", "kubectl -n {namespace} edit deployment {manager}"),
}

// ongoing is what can be done about a NodeReboot that holds a slot.
var ongoing = map[string]advice{
	v1alpha1.ReasonStarting:     do("No action is needed. If that lasts longer than a minute, look at the manager.", managerLogs),
	v1alpha1.ReasonDrainDelayed: do("No action is needed. To stop it before its drain, cancel it.", "kubectl reboots cancel {node}"),
	v1alpha1.ReasonWaitingForPods: do("No action is needed, but you can end the pods that are named.", podsOfNode,
		"kubectl reboots cancel {node}"),
	v1alpha1.ReasonLoadBalancerLead: do("No action is needed. To stop it before its drain, cancel it.", "kubectl reboots cancel {node}"),
	v1alpha1.ReasonDraining: do("No action is needed. To stop it before its reboot, cancel it.",
		"kubectl reboots cancel {node}", podsOfNode),
	v1alpha1.ReasonDrainStuck: do("Look at the pods that are named: what holds them is a finalizer, a grace period or a "+
		"container, or their owner puts them back.",
		objects, podsOfNode),
	v1alpha1.ReasonEvictionRefused: do("Give the application another replica, or let its budget allow a disruption.",
		objects, "kubectl get pdb -A"),
	v1alpha1.ReasonHookPending: do("Look at the program that sets the condition on the NodeReboot.",
		"kubectl get nodereboot {reboot} -o jsonpath='{.status.pendingHooks}'",
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.hooks}'"),
	v1alpha1.ReasonDrainSkipped: do("No action is needed. To drain nodes of the policy, write drain.mode: Drain.", editPolicy),
	v1alpha1.ReasonDrainForced: do("Fix the PodDisruptionBudget or the pod that did not terminate, or write drain.onTimeout: "+
		"Abort.", podsOfNode,
		editPolicy),
	v1alpha1.ReasonRebootDelayed: do("No action is needed. To stop it before its reboot, cancel it.", "kubectl reboots cancel {node}"),
	v1alpha1.ReasonVolumesAttached: do("No action is needed. If volumes stay, find out what keeps them.",
		"kubectl get volumeattachments"),
	v1alpha1.ReasonRebooting: do("No action is needed: the host reboots now.", waitProved),
	v1alpha1.ReasonSentinelUnknown: do("Look at the helper's pod on the node: it has to run, and to read the sentinel.",
		helperPods, helperLogs),
	v1alpha1.ReasonPodStatusStale: do("No action is needed. If that lasts longer than five minutes, look at the pod and at the kubelet.",
		objects),
	v1alpha1.ReasonDaemonSetsNotReady:   do("Look at the pod of that DaemonSet on the node.", objects, podsOfNode),
	v1alpha1.ReasonStaticPodsNotReady:   do("Look at the static pod, and at the log of the kubelet on the node.", objects, describeNode),
	v1alpha1.ReasonNodeConditionPresent: do("Look at the program that sets the condition of the node.", describeNode),
	v1alpha1.ReasonSettling:             do("No action is needed.", waitProved),
	v1alpha1.ReasonWorkloadsNotReady: do("Look at the workload that is named: its pods may lack room, or crash for a "+
		"reason that is not the reboot.",
		objects),
	v1alpha1.ReasonRecoveryGateFailing: do("Bring the object into the state that recovery.objects of the policy requires.", objects,
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.recovery.objects}'"),
}

// over is what can be done about an attempt or a NodeReboot that ended.
var over = map[string]advice{
	v1alpha1.ReasonNotSelected: do("Select the node again, or leave it to the policy that owns it now.",
		"kubectl get node {node} --show-labels",
		"kubectl get rebootpolicies"),
	v1alpha1.ReasonDeleted: do("No action is needed. If the host still asks for a reboot, its helper "+
		"makes a new NodeReboot.", timeline),
	v1alpha1.ReasonUncordoned: do("Find out who uncordons nodes. To keep this node in service, skip it.",
		timeline, "kubectl reboots skip {node}"),
	v1alpha1.ReasonPodsNotFinished: do("Let the pods finish, raise drain.waitForPods.timeoutSeconds, or write its "+
		"onTimeout: Continue.", podsOfNode, editPolicy),
	v1alpha1.ReasonDrainTimedOut: do("Fix what the message names, or raise drain.timeoutSeconds.",
		podsOfNode, "kubectl get pdb -A", editPolicy),
	v1alpha1.ReasonDrainFailed: do("Fix what the helper's error names.", helperLogs, retry),
	v1alpha1.ReasonHookTimedOut: do("Look at the program that sets the condition. To continue without it, remove the "+
		"hook from the policy.", "kubectl get rebootpolicy {policy} -o jsonpath='{.spec.hooks}'", editPolicy),
	v1alpha1.ReasonOrderExpired: do("The host was not asked to reboot. Look at the helper's pod and log.", helperPods, helperLogs),
	v1alpha1.ReasonRebootFailed: do("Fix what the helper's error names.", helperLogs, retry),
	v1alpha1.ReasonRebootNotObserved: do("Look at the log of the host. If the host was only slow, raise reboot.timeoutSeconds.",
		retry, editPolicy),
	v1alpha1.ReasonSentinelStillPresent:  do("Find out what sets the sentinel on the host, then retry.", helperLogs, retry),
	v1alpha1.ReasonConditionStillPresent: do("Fix what the condition of the node reports: a reboot does not fix it.", describeNode, retry),
	v1alpha1.ReasonNodeNotBack: do("Repair the host: it is watched, and proved when it comes back. To give it up, cancel it.", describeNode,
		"kubectl reboots cancel {node}"),
	v1alpha1.ReasonRecoveryTimedOut: do("Repair what the message names: it is watched, and proved when that is Ready. To "+
		"give it up, cancel it.",
		objects, describeNode, "kubectl reboots cancel {node}"),
	v1alpha1.ReasonNodeGone: do("No action is needed: the NodeReboot is removed after a day.", deleteReboot),
	v1alpha1.ReasonNodeNotFound: do("Delete the NodeReboot and create one with the name of a Node.", deleteReboot,
		"kubectl get nodes"),
	v1alpha1.ReasonProved:            do("No action is needed.", timeline),
	v1alpha1.ReasonRebootedMeanwhile: do("No action is needed.", timeline),
	v1alpha1.ReasonNeedWithdrawn:     do("No action is needed.", timeline),
	v1alpha1.ReasonSuperseded: do("If it happens again, find out who other than the helper creates NodeReboots of trigger Sentinel.",
		objects),
}

// besides is what can be done about conditions of a NodeReboot, in addition to its reason.
var besides = map[string]advice{
	v1alpha1.ReasonClockOff:        do("Fix the time synchronization of the host.", describeNode),
	v1alpha1.ReasonOtherRebooter:   do("Disable on the host what would reboot it.", describeNode),
	v1alpha1.ReasonOverdue:         do("Nothing is forced. If it cannot wait, ask for it now.", rightNow),
	v1alpha1.ReasonNameOfOtherNode: do("Delete the NodeReboot, and create it again with another name.", deleteReboot),
}

// ofPolicies is what can be done about conditions of a RebootPolicy.
var ofPolicies = map[string]advice{
	v1alpha1.ReasonInForce: do("No action is needed.", status, plan),
	v1alpha1.ReasonNoNodes: do("Compare nodeSelector of the policy with the labels of the nodes.",
		"kubectl get nodes --show-labels", editPolicy),
	v1alpha1.ReasonShadowed: do("Raise priority of the policy, change its selector, or delete it.", objects, editPolicy),
	v1alpha1.ReasonOverlap: do("Make the selectors select different nodes, or set priority so that it is clear "+
		"which policy owns them.", objects, editPolicy),
	v1alpha1.ReasonZoneNotFound: do("Correct rollout.zones.order of the policy.",
		"kubectl get nodes -L topology.kubernetes.io/zone", editPolicy),
	v1alpha1.ReasonHelpersNotReady: do("Look at the pods of the helpers.",
		"kubectl -n {namespace} get pods -l app.kubernetes.io/component=helper -o wide", "kubectl reboots check"),
	v1alpha1.ReasonNoDetector:     do("Install a detector that works on such hosts.", editHelper, "kubectl reboots check"),
	v1alpha1.ReasonNamesTaken:     do("Delete the NodeReboot that is named.", "kubectl get nodereboots", objects),
	v1alpha1.ReasonCanaryTooLarge: do("Lower rollout.canary.count of the policy, or remove rollout.canary.", editPolicy),
	v1alpha1.ReasonSilencesFailing: do("Fix the Alertmanager or its address; reboots do not wait for it.",
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.silences}'", managerLogs),
	v1alpha1.ReasonSilencesNotEnded: do("End the silence in Alertmanager by hand, or wait until it expires.",
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.silences}'", managerLogs),
	v1alpha1.ReasonNodesNotBack: do("Repair the node. The policy continues when it is back and proved, or when its "+
		"NodeReboot is retried or deleted.", objects),
	v1alpha1.ReasonDrainsFailing:       do("Fix what makes drains fail, then retry.", objects, "kubectl get pdb -A"),
	v1alpha1.ReasonNotificationInvalid: do("Correct the receiver of the policy, or the Secret that it names.", objects, editPolicy),
	v1alpha1.ReasonNotificationFailed: do("Look at the receiver: it does not accept messages.",
		"kubectl get rebootpolicy {policy} -o jsonpath='{.spec.notifications}'", managerLogs),
	v1alpha1.ReasonRebootsGivenUp: do("Find out why the reboots failed, then retry them.", objects, "kubectl reboots retry --policy={policy}"),
}

// adviceFor a reason.
func adviceFor(reason string) (advice, bool) {
	for _, table := range []map[string]advice{pending, ongoing, over, besides, ofPolicies} {
		if found, is := table[reason]; is {
			return found, true
		}
	}
	return advice{}, false
}
