package testbed

import (
	"maps"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// UnderWay reports whether a NodeReboot in this phase holds a slot.
func UnderWay(phase v1alpha1.Phase) bool {
	return phase == v1alpha1.PhaseDraining || phase == v1alpha1.PhaseRebooting || phase == v1alpha1.PhaseRecovering
}

// fleet is the state of all nodes at one moment of a recording.
type fleet struct {
	nodes   map[string]NodeRecord
	reboots map[string]RebootRecord
	policy  map[string]string // by node
}

// addFleet plays the recording again, change by change, and counts after each.
func (s *Summary) addFleet(recording Recording) {
	s.DownByPolicy, s.DownByZone = map[string]Peak{}, map[string]Peak{}
	state := fleet{nodes: map[string]NodeRecord{}, reboots: map[string]RebootRecord{}, policy: policies(recording.Reboots)}
	nodes, reboots := recording.Nodes, recording.Reboots
	for len(nodes) > 0 || len(reboots) > 0 {
		var now Moment
		if len(reboots) == 0 || len(nodes) > 0 && nodes[0].Version <= reboots[0].Version {
			now = nodes[0].Moment
			state.setNode(nodes[0])
			nodes = nodes[1:]
		} else {
			now = reboots[0].Moment
			state.setReboot(reboots[0])
			reboots = reboots[1:]
		}
		s.count(state, now)
	}
}

// policies finds for each node the last policy that a NodeReboot of it names.
func policies(reboots []RebootRecord) map[string]string {
	byNode := map[string]string{}
	for _, record := range reboots {
		if record.Status.PolicyName != "" {
			byNode[record.Node] = record.Status.PolicyName
		}
	}
	return byNode
}

func (f fleet) setNode(record NodeRecord) {
	if record.Gone {
		delete(f.nodes, record.Name)
		return
	}
	f.nodes[record.Name] = record
}

func (f fleet) setReboot(record RebootRecord) {
	if record.Gone {
		delete(f.reboots, record.Name)
		return
	}
	f.reboots[record.Name] = record
}

// underWay lists the nodes that hold a slot, by name.
func (f fleet) underWay() []string {
	var names []string
	for _, reboot := range f.reboots {
		if _, exists := f.nodes[reboot.Node]; exists && UnderWay(reboot.Status.Phase) && !slices.Contains(names, reboot.Node) {
			names = append(names, reboot.Node)
		}
	}
	slices.Sort(names)
	return names
}

// down lists the nodes that are not to be counted on, by name.
func (f fleet) down(underWay []string) []string {
	names := slices.Clone(underWay)
	for name, node := range f.nodes {
		if (!node.Ready || node.Cordoned) && !slices.Contains(underWay, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Summary) count(state fleet, now Moment) {
	underWay := state.underWay()
	down := state.down(underWay)
	s.Down.raise(down, now)
	byPolicy, byZone := map[string][]string{}, map[string][]string{}
	var controlPlane []string
	for _, name := range down {
		node := state.nodes[name]
		byZone[node.Zone] = append(byZone[node.Zone], name)
		if policy, known := state.policy[name]; known {
			byPolicy[policy] = append(byPolicy[policy], name)
		}
		if node.ControlPlane {
			controlPlane = append(controlPlane, name)
		}
	}
	raiseAll(s.DownByPolicy, byPolicy, now)
	raiseAll(s.DownByZone, byZone, now)
	s.ControlPlaneDown.raise(controlPlane, now)
	s.visit(state, underWay, now)
}

func raiseAll(peaks map[string]Peak, groups map[string][]string, now Moment) {
	for group, names := range groups {
		peak := peaks[group]
		peak.raise(names, now)
		peaks[group] = peak
	}
}

// raise remembers a new maximum.
func (p *Peak) raise(names []string, now Moment) {
	if len(names) > p.Count {
		*p = Peak{Count: len(names), At: now.At, Names: slices.Clone(names)}
	}
}

// visit follows which zones have their turn. A zone whose nodes go one after another is visited once.
func (s *Summary) visit(state fleet, underWay []string, now Moment) {
	zones := map[string]bool{}
	for _, name := range underWay {
		node := state.nodes[name]
		zones[node.Zone] = true
		s.visitNode(node, now)
	}
	s.ZonesUnderWay.raise(slices.Sorted(maps.Keys(zones)), now)
	for i := range s.Visits {
		visit := &s.Visits[i]
		open := slices.ContainsFunc(underWay, func(name string) bool {
			node := state.nodes[name]
			return node.Zone == visit.Zone && node.ControlPlane == visit.ControlPlane
		})
		if !open && visit.To.IsZero() {
			visit.To = now.At
		}
	}
}

// visitNode counts a node that is under way into the open visit of its zone, or into the last visit if no other zone came after it.
func (s *Summary) visitNode(node NodeRecord, now Moment) {
	for i := range s.Visits {
		visit := &s.Visits[i]
		same := visit.Zone == node.Zone && visit.ControlPlane == node.ControlPlane
		if !same || !visit.To.IsZero() && i < len(s.Visits)-1 {
			continue
		}
		visit.To = time.Time{}
		if !slices.Contains(visit.Nodes, node.Name) {
			visit.Nodes = append(visit.Nodes, node.Name)
		}
		return
	}
	s.Visits = append(s.Visits, ZoneVisit{
		Zone: node.Zone, ControlPlane: node.ControlPlane, From: now.At, Nodes: []string{node.Name},
	})
}
