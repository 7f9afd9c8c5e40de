package plan

import "time"

// Owners says about each node which policy owns it, by name. Nodes that no policy owns are left out.
func Owners(snapshot *Snapshot, now time.Time) map[string]string {
	p := newPlanning(nil, snapshot, now)
	p.assignPolicies()
	owners := make(map[string]string, len(p.nodeOrder))
	for _, node := range p.nodeOrder {
		if node.policy != nil {
			owners[node.Name] = node.policy.Name()
		}
	}
	return owners
}
