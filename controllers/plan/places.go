package plan

import (
	"slices"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// queuedReasons are those of NodeReboots that could go and wait for their turn, or for what lets the next one of the queue go.
var queuedReasons = []string{
	v1alpha1.ReasonControlPlaneTurn, v1alpha1.ReasonZoneBusy, v1alpha1.ReasonZoneSoaking, v1alpha1.ReasonFirstNodeAlone,
	v1alpha1.ReasonManagerNodeLast, v1alpha1.ReasonZoneBudgetExhausted, v1alpha1.ReasonBudgetExhausted,
	v1alpha1.ReasonClusterBudgetExhausted, v1alpha1.ReasonAdaptiveDelay, v1alpha1.ReasonBlockedByAlert, v1alpha1.ReasonBlockedByQuery,
	v1alpha1.ReasonBlockedByObject, v1alpha1.ReasonGateError, v1alpha1.ReasonGatePending,
}

// place is where a NodeReboot is among those of its policy that wait in the same queue: from 1, in the order in which they are to go. Those
// that go together have the same place. Zone is that of the queue, if zones go one at a time.
type place struct {
	at, of int
	byZone bool
	zone   string
}

// places are those of one policy, in the order that the last round found. They are found once, and only if a message is written.
func (p *round) places(policy *policyView) map[*rebootView]place {
	own := p.of(policy)
	if own.places != nil {
		return own.places
	}
	type queue struct {
		units  []string
		ofUnit map[string][]*rebootView
		count  int
	}
	queues := map[string]*queue{}
	for _, r := range p.wholeLine(own) {
		if r.started || !slices.Contains(queuedReasons, r.wait.Reason) {
			continue
		}
		zone := ""
		if own.turn.byZone {
			zone = r.node.zone
		}
		q := queues[zone]
		if q == nil {
			q = &queue{ofUnit: map[string][]*rebootView{}}
			queues[zone] = q
		}
		if q.ofUnit[r.node.unit] == nil {
			q.units = append(q.units, r.node.unit)
		}
		q.ofUnit[r.node.unit] = append(q.ofUnit[r.node.unit], r)
		q.count++
	}
	own.places = map[*rebootView]place{}
	for zone, q := range queues {
		at := 1
		for _, unit := range q.units {
			for _, r := range q.ofUnit[unit] {
				own.places[r] = place{at: at, of: q.count, byZone: own.turn.byZone, zone: zone}
			}
			at += len(q.ofUnit[unit])
		}
	}
	return own.places
}

// tellPlace has the message of a NodeReboot that waits in a queue say its place. It is asked when the status is written anyway: that a
// queue moves is no reason to write the status of everyone in it.
func (p *planning) tellPlace(r *rebootView) {
	if !p.snapshot.TellPlaces || !r.waiting() || r.policy() == nil {
		return
	}
	told := ""
	if at, is := p.lastRound.places(r.policy())[r]; is && at.of > 1 {
		told = r.policy().Clock.Place(at.at, at.of, at.where())
	}
	next := r.Edit()
	before, message := next.Message, model.WithPlace(next.Message, told)
	if before == message {
		return
	}
	next.Message = message
	next.Conditions = slices.Clone(next.Conditions)
	for i := range next.Conditions {
		switch c := &next.Conditions[i]; c.Type {
		case v1alpha1.ConditionReady, v1alpha1.ConditionReconciling:
			c.Message = message
		}
	}
}

// where is the part of a place that names the zone.
func (at place) where() string {
	switch {
	case !at.byZone:
		return ""
	case at.zone == "":
		return "of the nodes without a zone"
	}
	return "in zone " + at.zone
}
