// Package moves says how few pods a rollout has to move twice. A pod moves twice if it leaves its node for one that is yet to be drained.
// Pods that are drained before any node is done have no other place to go to, so some may have to, whatever the order.
package moves

// Cluster is the nodes of a cluster and their pods, before a rollout.
type Cluster struct {
	Nodes []Node
}

// Node is one node.
type Node struct {
	// Zone that the node is in.
	Zone string
	// Done: the node needs no reboot, and takes pods.
	Done bool
	// Pods that a drain evicts.
	Pods []Pod
}

// Pod is a pod that can be evicted.
type Pod struct {
	// App is whose pod it is.
	App string
	// Zonal: it has to stay in its zone, because of its volume, its affinity or the spread of its application.
	Zonal bool
	// Alone: no node takes two pods of the application.
	Alone bool
}

// Fewest is the attainable minimum: how many pods have to move twice in the best order of nodes, drained one after the other, with a
// scheduler that prefers nodes which are done. With zones one at a time it is the same for the best order of zones. It assumes that every
// node has room for what leaves another one, which is what the capacity gate makes sure of.
//
// Once a node of a zone is done, no pod of the zone has to move to another one that waits. So all that counts is the first node of each
// zone, and of all of them the first one of the cluster, whose other pods have no place in another zone either.
func Fewest(cluster Cluster) int {
	zones := map[string]bool{}
	for i := range cluster.Nodes {
		if !cluster.Nodes[i].Done {
			zones[cluster.Nodes[i].Zone] = true
		}
	}
	sum, more := 0, -1
	for zone := range zones {
		later, first := cluster.firstOf(zone)
		sum += later
		if own := first - later; more < 0 || own < more {
			more = own
		}
	}
	return sum + max(0, more)
}

// firstOf a zone is how many pods of its best first node move twice, if another zone went before, and if none did.
func (c *Cluster) firstOf(zone string) (later, first int) {
	later, first = -1, -1
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if n.Zone != zone || n.Done {
			continue
		}
		zonal, all := 0, 0
		for _, pod := range n.Pods {
			if !c.movesTwice(n, pod) {
				continue
			}
			all++
			if pod.Zonal {
				zonal++
			}
		}
		if later < 0 || zonal < later {
			later = zonal
		}
		if first < 0 || all < first {
			first = all
		}
	}
	return later, first
}

// movesTwice: no node that is done takes the pod, and one that waits does.
func (c *Cluster) movesTwice(from *Node, pod Pod) bool {
	waiting := false
	for i := range c.Nodes {
		n := &c.Nodes[i]
		switch {
		case n == from, pod.Zonal && n.Zone != from.Zone, pod.Alone && n.runs(pod.App):
		case n.Done:
			return false
		default:
			waiting = true
		}
	}
	return waiting
}

func (n *Node) runs(app string) bool {
	for _, pod := range n.Pods {
		if pod.App == app {
			return true
		}
	}
	return false
}
