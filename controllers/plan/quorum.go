package plan

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// etcd needs a majority of its members. Which nodes run it is not known for sure, so all that may are never down two at a time, whatever
// policies own them.

// quorumLabels are the labels of nodes that may run etcd: Kubernetes' own label, its former name, and the label of distributions with nodes
// for etcd only.
var quorumLabels = []string{v1alpha1.ControlPlaneLabel, "node-role.kubernetes.io/master", "node-role.kubernetes.io/etcd"}

// mayRunEtcd says that a node has one of the labels, or one that an administrator named.
func mayRunEtcd(node *model.Node, named []string) bool {
	has := func(key string) bool {
		_, labeled := node.Labels[key]
		return labeled
	}
	return slices.ContainsFunc(quorumLabels, has) || slices.ContainsFunc(named, has)
}

// quorumGate keeps a node that may run etcd from starting while another one is down, or may be going down.
func quorumGate(p *planning, r *rebootView) model.Verdict {
	if !r.node.controlPlane {
		return model.Verdict{}
	}
	for _, obstacle := range p.quorumObstacles() {
		if obstacle.node != r.node {
			return obstacle.verdict
		}
	}
	return model.Verdict{}
}

// quorumObstacle is a node that keeps others that may run etcd from starting.
type quorumObstacle struct {
	node    *nodeView
	verdict model.Verdict
}

// quorumObstacles are found once for all nodes, until another one starts: what is in the way of one node is the first of another node.
func (p *planning) quorumObstacles() []quorumObstacle {
	if p.quorum.known && p.quorum.starts == p.limits.starts {
		return p.quorum.obstacles
	}
	var under, down []quorumObstacle
	for _, n := range p.controlPlaneNodes() {
		if n.underWay() {
			under = append(under, quorumObstacle{n, quorumVerdict(n, "is under way")})
		}
		if v := quorumDown(n); !v.OK() {
			down = append(down, quorumObstacle{n, v})
		}
	}
	obstacles := slices.Concat(under, down)
	if !slices.ContainsFunc(obstacles, func(o quorumObstacle) bool { return o.node != obstacles[0].node }) {
		obstacles = slices.Concat(obstacles, p.staticPods(nil)) // there may be nothing else in the way of that one node
	}
	p.quorum = quorum{known: true, starts: p.limits.starts, obstacles: obstacles}
	return obstacles
}

// quorum is what keeps nodes that may run etcd from starting, as it was after a number of starts.
type quorum struct {
	known     bool
	starts    int
	obstacles []quorumObstacle
}

func (p *planning) controlPlaneNodes() []*nodeView {
	var nodes []*nodeView
	for _, n := range p.nodeOrder {
		if n.controlPlane {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// quorumBefore says what keeps a node from going down although it has begun: another one that is down, or is going down. One that is only
// being drained does not count, or two of them would wait for each other.
func (p *planning) quorumBefore(r *rebootView) model.Verdict {
	if !r.node.controlPlane {
		return model.Verdict{}
	}
	for _, other := range p.controlPlaneNodes() {
		if v := quorumDown(other); other != r.node && !v.OK() {
			return v
		}
	}
	for _, obstacle := range p.staticPods(r.node) {
		return obstacle.verdict
	}
	return model.Verdict{}
}

// quorumDown says that a node is down, or is going down.
func quorumDown(n *nodeView) model.Verdict {
	switch {
	case n.held != nil:
		return quorumVerdict(n, "has a NodeReboot that cannot be read, and may be going down")
	case n.open != nil && told(n.open):
		return quorumVerdict(n, "is rebooting, or has not recovered")
	case !n.Ready:
		return quorumVerdict(n, "is not Ready")
	}
	return model.Verdict{}
}

// staticPods are the nodes, besides one, with a static pod, such as etcd, that is not Ready.
func (p *planning) staticPods(besides *nodeView) []quorumObstacle {
	var obstacles []quorumObstacle
	for _, n := range p.controlPlaneNodes() {
		if n == besides {
			continue
		}
		p.needPods = append(p.needPods, n.Name)
		pods, known := p.snapshot.Pods[n.Name]
		if v := staticPodsOf(n, pods, known); !v.OK() {
			obstacles = append(obstacles, quorumObstacle{n, v})
		}
	}
	return obstacles
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
