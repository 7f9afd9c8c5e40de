package judge

import (
	"cmp"
	"fmt"
	"slices"
)

// Promise is one of docs/safety.md, by its name there.
type Promise string

// The promises that can be judged from outside.
const (
	EarlyTaint  Promise = "early taint"
	Budget      Promise = "budget"
	Zones       Promise = "zones"
	Consent     Promise = "window and consent"
	Proof       Promise = "proof"
	Recovery    Promise = "recovery"
	Cordons     Promise = "cordons"
	NoLock      Promise = "no stored lock"
	AtMostOnce  Promise = "at most once"
	Halt        Promise = "halt"
	Reasons     Promise = "reasons"
	Idle        Promise = "idle is silent"
	Quorum      Promise = "quorum"
	Persistence Promise = "persistence"
)

// Violation is a promise that was broken, and where.
type Violation struct {
	Moment
	Promise Promise
	Message string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s (revision %d, %s)", v.Promise, v.Message, v.Version, v.At.Format("15:04:05.000"))
}

// Judge lists what is broken, in the order of the changes, each thing once.
func Judge(history *History, rules Rules) []Violation {
	j := &judge{rules: rules, world: newWorld(history), history: history, seen: map[string]bool{}}
	for _, change := range changes(history) {
		change.apply(j)
	}
	j.hosts()
	if !rules.Unfinished {
		j.end()
	}
	return j.found
}

// judge walks through a history.
type judge struct {
	rules   Rules
	history *History
	world   *world
	now     Moment
	found   []Violation
	seen    map[string]bool
}

// broken notes a violation, unless the same was said before.
func (j *judge) broken(promise Promise, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if key := string(promise) + message; !j.seen[key] {
		j.seen[key] = true
		j.found = append(j.found, Violation{Moment: j.now, Promise: promise, Message: message})
	}
}

// change is one step of the history.
type change struct {
	moment Moment
	rank   int // of changes of one revision: what people did before what came of it
	apply  func(*judge)
}

func changes(history *History) []change {
	var all []change
	add := func(moment Moment, rank int, apply func(*judge)) {
		all = append(all, change{moment: moment, rank: rank, apply: func(j *judge) {
			j.now = moment
			apply(j)
		}})
	}
	for i := range history.People {
		deed := &history.People[i]
		add(deed.Moment, 0, func(j *judge) { j.world.did(deed) })
	}
	for i := range history.Nodes {
		node := &history.Nodes[i]
		add(node.Moment, 1, func(j *judge) { j.node(node) })
	}
	for i := range history.Policies {
		policy := &history.Policies[i]
		add(policy.Moment, 1, func(j *judge) { j.world.policyChanged(policy) })
	}
	for i := range history.Pods {
		pod := &history.Pods[i]
		add(pod.Moment, 1, func(j *judge) { j.world.podChanged(pod) })
	}
	for i := range history.Reboots {
		reboot := &history.Reboots[i]
		add(reboot.Moment, 1, func(j *judge) { j.reboot(reboot) })
	}
	for i := range history.Slots {
		slots := &history.Slots[i]
		add(slots.Moment, 1, func(j *judge) { j.slots(slots) })
	}
	slices.SortStableFunc(all, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.moment.Version, b.moment.Version), cmp.Compare(a.rank, b.rank))
	})
	return all
}
