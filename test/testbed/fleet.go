package testbed

import "fmt"

// MaxZones is how many zones a Fleet can have: they are named a to z.
const MaxZones = 26

// Fleet describes nodes that are spread evenly over zones, with names such as worker-a1 in zone a, and control-plane nodes such as
// control-b1 next to them. zones is from 1 to MaxZones.
func Fleet(workers, zones, controlPlane int) []NodeOptions {
	fleet := make([]NodeOptions, 0, workers+controlPlane)
	for i := range controlPlane {
		zone := zoneName(i % zones)
		fleet = append(fleet, NodeOptions{Name: fmt.Sprintf("control-%s%d", zone, i/zones+1), Zone: zone, ControlPlane: true})
	}
	for i := range workers {
		zone := zoneName(i % zones)
		fleet = append(fleet, NodeOptions{Name: fmt.Sprintf("worker-%s%d", zone, i/zones+1), Zone: zone})
	}
	return fleet
}

func zoneName(index int) string { return string(rune('a' + index)) }
