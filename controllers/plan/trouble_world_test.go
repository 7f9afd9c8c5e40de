package plan

import (
	"maps"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What people and programs do to labels, policies, helpers and budgets: each may last for hours, and none may break a promise.

// labelsMove takes a node out of its zone or its pool, and so maybe out of its policy.
func (w *world) labelsMove(h *host) {
	key, value := pick(w.random, zoneLabel, "pool"), ""
	if key == zoneLabel {
		value = pick(w.random, "z1", "z2", "z3")
	} else {
		value = pick(w.random, "blue", "green", "")
	}
	w.tell("node %s has the label %s=%s", h.name, key, value)
	w.setLabel(h, key, value)
}

// setLabel sets a label on a Node, or removes it if the value is empty.
func (w *world) setLabel(h *host, key, value string) {
	if value == "" {
		w.relabel(h, func(labels map[string]string) { delete(labels, key) })
		return
	}
	w.relabel(h, func(labels map[string]string) { labels[key] = value })
}

func (w *world) labelsMoveBack(h *host) {
	for _, key := range []string{zoneLabel, "pool"} {
		w.setLabel(h, key, h.labels[key])
	}
}

func (w *world) labelsMoveForAWhile(h *host) {
	w.labelsMove(h)
	w.after(w.between(time.Second, 4*time.Minute), func() { w.labelsMoveBack(h) })
}

// managerClockMayStep: one in three times.
func (w *world) managerClockMayStep(h *host) {
	if w.random.IntN(3) == 0 {
		w.managerClockSteps(h)
	}
}

// noHelperForAWhile takes the helper's pod away, and refuses another one.
func (w *world) noHelperForAWhile(h *host) {
	h.noHelper = true
	if h.up && h.helper {
		w.killHelper(h)
	}
	w.after(w.lasting(), func() { w.allowHelper(h) })
}

func (w *world) allowHelper(h *host) {
	h.noHelper = false
	if n := w.nodes[h.name]; w.hosts[h.name] == h && n != nil && n.Ready && h.up && !h.helper {
		w.startHelper(h)
	}
}

// helperIsDeaf: the helper's pod is Ready and does nothing.
func (w *world) helperIsDeaf(h *host) {
	h.deaf = true
	w.after(w.lasting(), func() { w.hears(h) })
}

func (w *world) hears(h *host) {
	h.deaf = false
	w.wakeHelper(h)
}

// lasting is how long a trouble lasts: minutes mostly, and sometimes hours.
func (w *world) lasting() time.Duration {
	if w.random.IntN(4) == 0 {
		return w.between(10*time.Minute, w.chaos)
	}
	return w.between(5*time.Second, 10*time.Minute)
}

// outsideForLong is outsideFor of what may last for hours.
func (w *world) outsideForLong(set func(o *outside, on bool)) {
	set(&w.outside, true)
	w.changed()
	w.after(w.lasting(), func() {
		set(&w.outside, false)
		w.changed()
	})
}

// budgetAllowsNothing is a budget that refuses while all its pods are healthy, until someone fixes it.
func (w *world) budgetAllowsNothing(*host) {
	if len(w.apps) == 0 {
		return
	}
	key := pick(w.random, slices.SortedFunc(maps.Keys(w.apps), compareNames)...)
	for _, b := range w.budgets {
		if b.app == key.Name {
			w.changeBudget(b, w.apps[key].replicas)
			return
		}
	}
	w.addBudget(&budget{name: w.uid("budget"), app: key.Name, least: w.apps[key].replicas})
	w.after(w.lasting(), func() { w.dropBudgets(func(b *budget) bool { return b.app == key.Name }) })
}

// changeBudget for a while.
func (w *world) changeBudget(b *budget, least int32) {
	before := b.least
	b.least = least
	w.changed()
	w.after(w.lasting(), func() {
		if !w.healed {
			b.least = before
			w.changed()
		}
	})
}

// twoBudgets cover the pods of an application: the API server refuses every eviction of them.
func (w *world) twoBudgets(*host) {
	if len(w.apps) == 0 {
		return
	}
	key := pick(w.random, slices.SortedFunc(maps.Keys(w.apps), compareNames)...)
	second := w.uid("budget")
	w.addBudget(&budget{name: second, app: key.Name})
	if len(w.budgetsOf(&simPod{Pod: Pod{Workloads: []WorkloadKey{key}}})) == 1 {
		w.addBudget(&budget{name: w.uid("budget"), app: key.Name})
	}
	w.after(w.lasting(), func() { w.dropBudgets(func(b *budget) bool { return b.name == second }) })
}

// policyIsSwapped deletes a policy and makes another one with its name, at once or after a moment.
func (w *world) policyIsSwapped(*host) {
	names := slices.Sorted(maps.Keys(w.policies))
	if len(names) == 0 {
		return
	}
	name := pick(w.random, names...)
	old := w.policies[name]
	other := newPolicy(name, randomSpec(w.random), priority(old.Spec.Priority))
	other.Spec.Nodes, other.Spec.NodeSelector = old.Spec.Nodes, old.Spec.NodeSelector
	w.removePolicy(name)
	w.after(w.between(0, 5*time.Second), func() {
		if w.policies[name] == nil {
			w.makePolicy(other)
		}
	})
}

// selectorChanges: a policy selects another pool, or all nodes.
func (w *world) selectorChanges(*host) {
	w.editAnyPolicy(func(p *v1alpha1.RebootPolicy) {
		if w.random.IntN(3) == 0 {
			p.Spec.Nodes, p.Spec.NodeSelector = v1alpha1.NodesAll, nil
			return
		}
		selecting("pool", pick(w.random, "blue", "green"))(p)
	})
}

// away is the pool that no policy selects.
const away = "away"

// labelsDuringDeselect: what a policy sets during a reboot takes the node away from it, until someone looks.
func (w *world) labelsDuringDeselect(*host) {
	for _, name := range slices.Sorted(maps.Keys(w.policies)) {
		if p := w.policies[name]; p.Spec.Nodes == v1alpha1.NodesAll || p.Spec.NodeSelector.MatchLabels["pool"] == "" {
			continue
		}
		w.editPolicy(name, spec(func(s *v1alpha1.RebootPolicySpec) {
			s.NodeLabels = &v1alpha1.NodeLabels{During: map[string]v1alpha1.LabelValue{"pool": away}}
		}))
		uid := w.policies[name].UID
		w.after(w.lasting(), func() {
			if p := w.policies[name]; p != nil && p.UID == uid {
				w.editPolicy(name, spec(func(s *v1alpha1.RebootPolicySpec) { s.NodeLabels = nil }))
			}
		})
		return
	}
}

// drainHasOtherLimits changes what a drain under way follows.
func (w *world) drainHasOtherLimits(*host) {
	seconds := 30 + w.random.Int32N(600)
	w.editAnyPolicy(spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.TimeoutSeconds = &seconds
		s.Drain.OnTimeout = pick(w.random, v1alpha1.DrainTimeoutAbort, v1alpha1.DrainTimeoutForce)
	}))
}
