package testbed

import (
	"maps"
	"slices"
)

// View is the last that was seen of everything that exists, each list by name.
type View struct {
	Nodes   []NodeRecord
	Reboots []RebootRecord
	Apps    []AppSummary
}

// View is the end of the recording.
func (r Recording) View() View {
	state := fleet{nodes: map[string]NodeRecord{}, reboots: map[string]RebootRecord{}}
	for _, record := range r.Nodes {
		state.setNode(record)
	}
	for _, record := range r.Reboots {
		state.setReboot(record)
	}
	return View{Nodes: byName(state.nodes), Reboots: byName(state.reboots), Apps: appSummaries(r)}
}

func byName[R any](records map[string]R) []R {
	sorted := make([]R, 0, len(records))
	for _, name := range slices.Sorted(maps.Keys(records)) {
		sorted = append(sorted, records[name])
	}
	return sorted
}
