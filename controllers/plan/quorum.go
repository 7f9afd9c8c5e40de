package plan

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// etcd needs a majority of its members. Which nodes run it is not known for sure, so all that may are never down two at a time, whatever
// policies own them.

// quorumLabels are those of nodes that may run etcd: Kubernetes' own, its former name, and that of distributions with nodes for etcd only.
var quorumLabels = []string{v1alpha1.ControlPlaneLabel, "node-role.kubernetes.io/master", "node-role.kubernetes.io/etcd"}

// mayRunEtcd says that a node has one of the labels, or one that an administrator named.
func (p *planning) mayRunEtcd(node *model.Node) bool {
	has := func(key string) bool {
		_, labeled := node.Labels[key]
		return labeled
	}
	return slices.ContainsFunc(quorumLabels, has) || slices.ContainsFunc(p.snapshot.QuorumLabels, has)
}

// quorumGate keeps a node that may run etcd from starting while another one is down, or may be going down.
func quorumGate(p *planning, r *rebootView) model.Verdict {
	if !r.node.controlPlane {
		return model.Verdict{}
	}
	for _, other := range p.nodeOrder {
		if other != r.node && other.controlPlane && other.underWay() {
			return quorumVerdict(other, "is under way")
		}
	}
	return p.quorumBefore(r)
}

// quorumBefore says what keeps a node from going down although it has begun: another one that is down, or is going down. One that is only
// being drained does not count, or two of them would wait for each other.
func (p *planning) quorumBefore(r *rebootView) model.Verdict {
	if !r.node.controlPlane {
		return model.Verdict{}
	}
	for _, other := range p.nodeOrder {
		switch {
		case other == r.node || !other.controlPlane:
		case other.held != nil:
			return quorumVerdict(other, "has a NodeReboot that cannot be read, and may be going down")
		case other.open != nil && told(other.open):
			return quorumVerdict(other, "is rebooting, or has not recovered")
		case !other.Ready:
			return quorumVerdict(other, "is not Ready")
		}
	}
	return p.staticPods(r)
}

// staticPods says which static pod of another node, such as etcd, is not Ready.
func (p *planning) staticPods(r *rebootView) model.Verdict {
	var first model.Verdict
	for _, other := range p.nodeOrder {
		if other == r.node || !other.controlPlane {
			continue
		}
		p.needPods = append(p.needPods, other.Name)
		pods, known := p.snapshot.Pods[other.Name]
		if v := staticPodsOf(other, pods, known); first.OK() {
			first = v
		}
	}
	return first
}

func staticPodsOf(n *nodeView, pods []model.Pod, known bool) model.Verdict {
	if !known {
		return model.Blocked(v1alpha1.ReasonControlPlaneNotReady, "The pods of control-plane node %s are being read.", n.Name)
	}
	var down []string
	for i := range pods {
		if pod := &pods[i]; pod.Mirror && !pod.Finished && !pod.IsReady() {
			down = append(down, pod.Namespace+"/"+pod.Name)
		}
	}
	if len(down) == 0 {
		return model.Verdict{}
	}
	return quorumVerdict(n, "has a static pod that is not Ready ("+slices.Min(down)+")")
}

func quorumVerdict(other *nodeView, why string) model.Verdict {
	policy := ""
	if other.policy != nil {
		policy = " of RebootPolicy " + other.policy.Name()
	}
	return model.Blocked(v1alpha1.ReasonControlPlaneNotReady,
		"Control-plane node %s%s %s, and two of them are never down at once.", other.Name, policy, why)
}
