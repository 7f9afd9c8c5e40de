package notify

import "github.com/reboot-operator/reboot-operator/api/v1alpha1"

var (
	// gateReasons are those of the external gates.
	gateReasons = []string{
		v1alpha1.ReasonBlockedByPod, v1alpha1.ReasonBlockedByAlert, v1alpha1.ReasonBlockedByQuery, v1alpha1.ReasonBlockedByObject,
		v1alpha1.ReasonInsufficientCapacity, v1alpha1.ReasonGateError,
	}
	// refusals are those of a node that waits because it cannot be drained, and drainFailures those of attempts that failed for that.
	refusals      = []string{v1alpha1.ReasonDrainRefused, v1alpha1.ReasonDrainImpossible, v1alpha1.ReasonEvictionForbidden}
	drainFailures = []string{v1alpha1.ReasonDrainTimedOut, v1alpha1.ReasonDrainFailed, v1alpha1.ReasonPodsNotFinished}
	// windowReasons are those of a node that waits for the schedule.
	windowReasons = []string{v1alpha1.ReasonWindowClosed, v1alpha1.ReasonFreeze, v1alpha1.ReasonWindowEnding}
	// paceReasons are the reasons of nodes that wait for the rollout's own pace, and continue without help.
	paceReasons = []string{
		"", v1alpha1.ReasonGatePending, v1alpha1.ReasonZoneBusy, v1alpha1.ReasonZoneSoaking, v1alpha1.ReasonFirstNodeAlone,
		v1alpha1.ReasonManagerNodeLast, v1alpha1.ReasonAdaptiveDelay, v1alpha1.ReasonControlPlaneTurn, v1alpha1.ReasonCanaryFirst,
		v1alpha1.ReasonCanarySoaking,
	}
	// heldReasons are those of nodes that are not part of the rollout: what they wait for is meant to keep them waiting.
	heldReasons = []string{
		v1alpha1.ReasonNoPolicy, v1alpha1.ReasonSkipped, v1alpha1.ReasonPolicyInvalid, v1alpha1.ReasonUnreadable, v1alpha1.ReasonPaused,
		v1alpha1.ReasonObserving, v1alpha1.ReasonMinInterval, v1alpha1.ReasonForeignMaintenance, v1alpha1.ReasonMarkedForDeletion,
		v1alpha1.ReasonHostUnsupported, v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonSelfApproved, v1alpha1.ReasonWindowClosed,
		v1alpha1.ReasonFreeze, v1alpha1.ReasonWindowEnding, v1alpha1.ReasonNotSelected, v1alpha1.ReasonDeleted, v1alpha1.ReasonSameNode,
	}
)
