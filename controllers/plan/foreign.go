package plan

import (
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// deletionTaints are what autoscalers put on a node that they are about to remove. A node that is only a candidate for removal
// (DeletionCandidateOfClusterAutoscaler) is not among them: it may stay one for long, and to reboot it does no harm.
var deletionTaints = []string{
	"ToBeDeletedByClusterAutoscaler",
	"karpenter.sh/disrupted",
	"karpenter.sh/disruption",
}

// deletionGate leaves nodes alone that will not be there for long.
func deletionGate(_ *pass, r *rebootView) verdict {
	if r.node.Deleting {
		return verdict{reason: v1alpha1.ReasonMarkedForDeletion, message: fmt.Sprintf("Node %s is being deleted.", r.node.Name)}
	}
	for i := range r.node.Taints {
		if key := r.node.Taints[i].Key; slices.Contains(deletionTaints, key) {
			return verdict{reason: v1alpha1.ReasonMarkedForDeletion, message: fmt.Sprintf(
				"An autoscaler is about to remove node %s: it has the taint %s.", r.node.Name, key)}
		}
	}
	return verdict{}
}

// foreignGate waits while another tool maintains the node.
func foreignGate(p *pass, r *rebootView) verdict {
	for _, foreign := range r.node.Foreign {
		if foreign.Until.IsZero() || !p.passed(foreign.Until) {
			return verdict{reason: v1alpha1.ReasonForeignMaintenance, message: fmt.Sprintf(
				"Node %s is maintained by somebody else: %s.", r.node.Name, foreign.Object)}
		}
	}
	return verdict{}
}
