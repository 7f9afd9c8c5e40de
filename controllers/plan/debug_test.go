package plan

import (
	"fmt"
	"os"
)

func init() { debugGrants = os.Getenv("SIMULATE_DEBUG") != "" }

var debugGrants bool

func (w *world) debug(v *view, starts map[string]Slot) {
	if !debugGrants {
		return
	}
	for name, s := range starts {
		n := v.node(name)
		o := ownerOf(v, n)
		w.tell("GRANT %s %+v owner %s zone %q labels %v strategy %s order %v", name, s, o.Name, zoneOf(n), n.Labels, o.Spec.Rollout.Zones.Strategy, o.Spec.Rollout.Zones.Order)
	}
	for _, h := range w.slotsHeld() {
		w.tell("HELD %s by %s zone %q told %v recorded %v slot %v", h.node, h.policy, h.zone, h.told, h.recorded, w.slots[h.node])
	}
	for _, r := range v.Reboots {
		if a := r.Status.Attempt; a != nil {
			p, z := w.countsFor(r)
			u := ""
			w.tell("COUNTS %s for %s %s %s granted %v ended %v role %s required %v", r.Name, p, z, u, a.GrantedTime, a.EndedTime, a.Role, r.Status.RequiredSince)
		}
		w.tell("REBOOT %s %s %s %v zone %s policy %s attempt %+v failures %+v", r.Name, r.Status.Phase, r.Status.Reason, r.Spec.Urgency, r.Status.Zone, r.Status.PolicyName, openAttempt(r), r.Status.Failures)
	}
	fmt.Fprint(os.Stderr)
}
