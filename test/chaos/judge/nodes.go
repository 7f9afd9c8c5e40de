package judge

import (
	"maps"
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// node judges a version of a Node.
func (j *judge) node(node *Node) {
	before := j.world.nodes[node.Name]
	begins := before != nil && before.UID == node.UID && !before.Ours && node.Ours
	j.world.nodeChanged(node)
	if node.Gone {
		return
	}
	j.foreign(node)
	if begins {
		j.began(node)
	}
}

// foreign judges that what others did to a node is as they left it.
func (j *judge) foreign(node *Node) {
	for _, key := range slices.Sorted(maps.Keys(j.world.foreign[node.Name])) {
		if !node.tainted(key) {
			j.broken(EarlyTaint, "the taint %s of %s, which others set, is gone", key, node.Name)
		}
	}
	others := j.world.cordoned[node.Name]
	switch {
	case others && !node.Cordoned:
		j.broken(Cordons, "%s was uncordoned, and others had cordoned it", node.Name)
	case others && node.Ours:
		j.broken(Cordons, "the cordon of %s is of others, and has the operator's annotation", node.Name)
	case !others && node.Cordoned && !node.Ours:
		j.broken(Cordons, "%s is cordoned, by nobody and without the operator's annotation", node.Name)
	}
}

// began judges a node that was just cordoned.
func (j *judge) began(node *Node) {
	key, underWay := j.world.underWay()[node.Name]
	if !underWay && j.rules.SlotsMayVanish {
		return
	}
	if !underWay {
		j.broken(Budget, "%s was cordoned without a slot", node.Name)
		return
	}
	policy := j.world.policies[j.world.forWhom(node.Name, key).policy]
	tainted := node.tainted(v1alpha1.TaintKey) || policy == nil || policy.Spec.Taint.Effect == v1alpha1.TaintNone
	if !tainted && !j.rules.TaintsMayFail {
		j.broken(EarlyTaint, "%s was cordoned before it was tainted", node.Name)
	}
}

// end judges what is left when everything is done.
func (j *judge) end() {
	for _, name := range slices.Sorted(maps.Keys(j.world.nodes)) {
		node := j.world.nodes[name]
		for _, mark := range node.Marks {
			j.broken(Cordons, "%s is left with %s", name, mark)
		}
		if node.Cordoned && !j.world.cordoned[name] {
			j.broken(Cordons, "%s is left cordoned", name)
		}
		if j.asks(name) {
			j.broken(Persistence, "%s still asks for a reboot", name)
		}
	}
	if j.world.entries > 0 {
		j.broken(NoLock, "the slots object is left with %d entries: %s", j.world.entries, list(slices.Collect(maps.Keys(j.world.grants))))
	}
	for _, uid := range slices.Sorted(maps.Keys(j.world.reboots)) {
		reboot := j.world.reboots[uid]
		switch {
		case reboot.Status.Outcome == "":
			j.broken(Persistence, "NodeReboot %s is left %s: %s: %s", reboot.Name, reboot.Status.Phase, reboot.Status.Reason, reboot.Status.Message)
		case len(reboot.Finalizers) > 0:
			j.broken(NoLock, "NodeReboot %s is over, and left with the finalizers %v", reboot.Name, reboot.Finalizers)
		}
	}
	j.quiet()
}

// asks reports whether a host asks for a reboot at the end.
func (j *judge) asks(name string) bool {
	asks := false
	for _, event := range j.history.Hosts[name] {
		switch event.Kind {
		case HostRequired:
			asks = true
		case HostCleared, HostUp, HostRemoved:
			asks = false
		case HostAccepted, HostDown:
		}
	}
	return asks
}

// quiet judges that nothing was written while there was nothing to do.
func (j *judge) quiet() {
	for _, span := range j.history.Quiet {
		for _, write := range j.history.writes(span) {
			j.now = write.Moment
			j.broken(Idle, "%s was written while there was nothing to do", write.object)
		}
	}
}

// Silent reports whether nothing that is the operator's was written in a span.
func (h *History) Silent(span Span) bool { return len(h.writes(span)) == 0 }

type write struct {
	Moment
	object string
}

func (h *History) writes(span Span) []write {
	var all []write
	add := func(moment Moment, object string) {
		if span.From < moment.Version && moment.Version <= span.To {
			all = append(all, write{moment, object})
		}
	}
	for i := range h.Nodes {
		add(h.Nodes[i].Moment, "Node "+h.Nodes[i].Name)
	}
	for i := range h.Reboots {
		add(h.Reboots[i].Moment, "NodeReboot "+h.Reboots[i].Name)
	}
	for i := range h.Policies {
		add(h.Policies[i].Moment, "RebootPolicy "+h.Policies[i].Name)
	}
	for i := range h.Slots {
		add(h.Slots[i].Moment, "ConfigMap "+v1alpha1.SlotsName)
	}
	return all
}

// hosts judges that no host took more orders than it was given, in each of its boots.
func (j *judge) hosts() {
	given := map[string]map[attemptKey]bool{} // orders to reboot by boot; the key has the sequence
	for i := range j.history.Reboots {
		reboot := &j.history.Reboots[i]
		if order := reboot.Status.Order; order != nil && order.Action == v1alpha1.ActionReboot {
			if given[order.BootID] == nil {
				given[order.BootID] = map[attemptKey]bool{}
			}
			given[order.BootID][attemptKey{reboot.UID, int32(order.Sequence)}] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.history.Hosts)) {
		taken := map[string]int{}
		for _, event := range j.history.Hosts[name] {
			if event.Kind != HostAccepted {
				continue
			}
			taken[event.BootID]++
			j.now = Moment{At: event.At}
			if taken[event.BootID] > len(given[event.BootID]) {
				j.broken(AtMostOnce, "the host %s was asked %d times to reboot in boot %s, by %d orders", name, taken[event.BootID], event.BootID,
					len(given[event.BootID]))
			}
		}
	}
}

// Left lists what is not done at the end of a history, or left over.
func Left(history *History) []Violation {
	j := &judge{world: newWorld(history), history: history, seen: map[string]bool{}}
	for _, change := range changes(history) {
		change.apply(j)
	}
	j.found, j.seen = nil, map[string]bool{}
	j.end()
	return j.found
}
