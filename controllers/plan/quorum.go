package plan

import (
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// controlPlaneGate keeps control-plane nodes from going while another one is down: etcd needs its quorum.
func controlPlaneGate(p *planning, r *rebootView) model.Verdict {
	if !r.node.controlPlane {
		return model.Verdict{}
	}
	for _, other := range p.nodeOrder {
		if other == r.node || !other.controlPlane || (other.Ready && !other.underWay()) {
			continue
		}
		return model.Blocked(v1alpha1.ReasonControlPlaneNotReady,
			"Control-plane node %s is under way or not Ready, and two of them are never down at once.", other.Name)
	}
	return model.Verdict{}
}
