package plan

import (
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// facts are what plans ask most about a NodeReboot. They follow from it and its Node alone, so they are found once until one of the two
// changes: with thousands of NodeReboots, most of the time of a plan would be spent on fetching them from all over the memory.
type facts struct {
	// done, attempting and deleting say whether it is complete, has an open attempt, is being deleted.
	done, attempting, deleting bool
	// atRest: see atRest.
	atRest bool
	// immediate: it waits for no window.
	immediate bool
	// current: its node is the one that it is about, and runs the boot that it is about. unhindered: see unhindered.
	current, unhindered bool
	// settled: see settled.
	settled bool
	// ofSentinel: the sentinel of its node asks for it.
	ofSentinel bool
	// untried: no attempt was made before this plan. identified: its node, its boot, and since when it is required are recorded.
	untried, identified bool
	// required is since when the reboot has been required; zero if that is not recorded.
	required time.Time
	// said is what the helper has reported since the node's current boot.
	said *v1alpha1.HelperReport
}

// factsOf a NodeReboot of a Node; nil if there is no such Node.
func factsOf(obj *v1alpha1.NodeReboot, node *model.Node) facts {
	draft := model.NewDraft(obj)
	f := facts{
		done: draft.Completed(), attempting: draft.Open(), deleting: draft.Deleted(), atRest: atRest(obj), immediate: draft.Immediate(),
		settled: settled(obj), said: draft.Report(node), ofSentinel: obj.Spec.Trigger == v1alpha1.TriggerSentinel,
		untried:    obj.Status.Attempt == nil && obj.Status.Failures == nil,
		identified: obj.Status.RequiredSince != nil && obj.Status.NodeUID != "" && obj.Status.Before != nil,
	}
	if since := obj.Status.RequiredSince; since != nil {
		f.required = since.Time
	}
	if node != nil {
		before := obj.Status.Before
		f.current = obj.Status.NodeUID == node.UID && before != nil && before.BootID == node.BootID
		f.unhindered = unhindered(node, f.said)
	}
	return f
}

// unhindered says that a node could be drained and rebooted at once as far as the node and its helper say, for any policy that is content
// with the installed method.
func unhindered(node *model.Node, said *v1alpha1.HelperReport) bool {
	switch {
	case !node.Ready, node.BootID == "", !node.HelperReady, node.Skipped(), node.MarkedForDeletion(), len(node.OtherMaintenance) > 0:
		return false
	case said == nil || len(said.Methods) == 0 || said.EvictionObstacle != "" || said.Protocol < v1alpha1.ProtocolLevel:
		return false
	case said.Sentinel != v1alpha1.SentinelRequired && said.Sentinel != v1alpha1.SentinelNotRequired:
		return false
	}
	return !slices.ContainsFunc(said.Methods, func(m v1alpha1.MethodReport) bool { return m.Obstacle != "" })
}

// activeReboot is a NodeReboot that is not past. Plans begin with copies of its draft: to make one, they would have to read the object.
type activeReboot struct {
	draft model.Draft
	facts
}

func activeReboots(objects []*v1alpha1.NodeReboot, node *model.Node) []activeReboot {
	active := make([]activeReboot, len(objects))
	for i, obj := range objects {
		active[i] = activeReboot{model.NewDraft(obj), factsOf(obj, node)}
	}
	return active
}
