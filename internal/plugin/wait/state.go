package wait

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// goal is what is waited for.
type goal string

const (
	// proved: every reboot that is needed has succeeded.
	proved goal = "proved"
	// idle: nothing is under way.
	idle goal = "idle"
)

// target is one node or policy that is waited for.
type target struct {
	// name of the node or policy.
	name   string
	policy bool
	// bootID of the node when the command began.
	bootID string
	// seen are the NodeReboots that were open at some time since the command began, by UID, as they were last.
	seen map[types.UID]*v1alpha1.NodeReboot
	// written are the lines about them.
	written map[types.UID]string
}

func (t *target) String() string {
	if t.policy {
		return "RebootPolicy " + t.name
	}
	return "node " + t.name
}

// verdict about one target.
type verdict struct {
	// done: the goal is reached.
	done bool
	// no says why it will not be reached; empty if it may.
	no string
	// text says what was reached.
	text string
}

// world is what was read so far.
type world struct {
	reboots map[string]*v1alpha1.NodeReboot
	// byNode are the same NodeReboots, by the names of their nodes and their own.
	byNode   map[string]map[string]*v1alpha1.NodeReboot
	policies map[string]*v1alpha1.RebootPolicy
}

func newWorld() *world {
	w := &world{policies: map[string]*v1alpha1.RebootPolicy{}}
	w.forgetReboots()
	return w
}

func (w *world) forgetReboots() {
	w.reboots, w.byNode = map[string]*v1alpha1.NodeReboot{}, map[string]map[string]*v1alpha1.NodeReboot{}
}

// forget a NodeReboot that is gone, or is another one now.
func (w *world) forget(r *v1alpha1.NodeReboot) {
	delete(w.reboots, r.Name)
	of := w.byNode[r.Spec.NodeName]
	if delete(of, r.Name); len(of) == 0 {
		delete(w.byNode, r.Spec.NodeName)
	}
}

// see takes a change in.
func (w *world) see(change app.Change) {
	if change.Reset != nil {
		if _, is := change.List.(*v1alpha1.NodeRebootList); is {
			w.forgetReboots()
		} else {
			w.policies = map[string]*v1alpha1.RebootPolicy{}
		}
	}
	for _, object := range change.Reset {
		w.set(object)
	}
	w.set(change.Set)
	switch gone := change.Gone.(type) {
	case *v1alpha1.NodeReboot:
		if now := w.reboots[gone.Name]; now != nil && now.UID == gone.UID {
			w.forget(now)
		}
	case *v1alpha1.RebootPolicy:
		delete(w.policies, gone.Name)
	}
}

func (w *world) set(object client.Object) {
	switch object := object.(type) {
	case *v1alpha1.NodeReboot:
		if was := w.reboots[object.Name]; was != nil && was.Spec.NodeName != object.Spec.NodeName {
			w.forget(was)
		}
		w.reboots[object.Name] = object
		if w.byNode[object.Spec.NodeName] == nil {
			w.byNode[object.Spec.NodeName] = map[string]*v1alpha1.NodeReboot{}
		}
		w.byNode[object.Spec.NodeName][object.Name] = object
	case *v1alpha1.RebootPolicy:
		w.policies[object.Name] = object
	}
}

func isOpen(r *v1alpha1.NodeReboot) bool { return r.Status.Outcome == "" }

func underWay(r *v1alpha1.NodeReboot) bool {
	return isOpen(r) && r.Status.Attempt != nil && r.Status.Attempt.EndedTime == nil
}

// of says whether a NodeReboot belongs to the target. A NodeReboot that changes its policy in the meantime no longer belongs to the old
// one.
func (t *target) of(r *v1alpha1.NodeReboot) bool {
	if t.policy {
		return r.Status.PolicyName == t.name
	}
	return r.Spec.NodeName == t.name
}

// mine are the NodeReboots of the target, in no order: a policy may have those of thousands of nodes.
func (w *world) mine(t *target) []*v1alpha1.NodeReboot {
	all := w.reboots
	if !t.policy {
		all = w.byNode[t.name]
	}
	var mine []*v1alpha1.NodeReboot
	for _, r := range all {
		if t.of(r) {
			mine = append(mine, r)
		}
	}
	return mine
}

// concerns says whether a change may change what is known of the target. For a policy every NodeReboot counts: another one of the same node
// may take the place of one of its own.
func (t *target) concerns(change app.Change) bool {
	for _, object := range []client.Object{change.Set, change.Gone} {
		switch object := object.(type) {
		case *v1alpha1.NodeReboot:
			return t.policy || t.of(object)
		case *v1alpha1.RebootPolicy:
			return t.policy && object.Name == t.name
		}
	}
	return true
}

// judge says whether the goal is reached, or will not be.
func (w *world) judge(t *target, g goal) verdict {
	mine := w.mine(t)
	if t.policy && w.policies[t.name] == nil {
		return verdict{no: "it was deleted"}
	}
	open := slices.ContainsFunc(mine, isOpen)
	active := slices.ContainsFunc(mine, func(r *v1alpha1.NodeReboot) bool { return underWay(r) || isOpen(r) && deleting(r) })
	if no := w.failure(t, g); no != "" {
		return verdict{no: no}
	}
	switch {
	case g == idle && !active:
		return verdict{done: true, text: fmt.Sprintf("%s is idle: no reboot is under way", t)}
	case g == proved && !open:
		return w.allEnded(t, mine)
	}
	return w.halted(t, mine)
}

// note keeps what is known of the NodeReboots that were open at some time.
func (w *world) note(t *target, change app.Change) {
	switch {
	case change.Reset != nil:
		for _, r := range w.mine(t) {
			t.note(r)
		}
	case change.Set != nil:
		if r, is := change.Set.(*v1alpha1.NodeReboot); is && t.of(r) {
			t.note(r)
		}
	case change.Gone != nil:
		if r, is := change.Gone.(*v1alpha1.NodeReboot); is && t.seen[r.UID] != nil {
			t.seen[r.UID] = r
		}
	}
}

func (t *target) note(r *v1alpha1.NodeReboot) {
	if isOpen(r) || t.seen[r.UID] != nil {
		t.seen[r.UID] = r
	}
}

func deleting(r *v1alpha1.NodeReboot) bool { return !r.DeletionTimestamp.IsZero() }

// failure says which of the NodeReboots that were open since the command began did not succeed; the first by UID if there are several.
func (w *world) failure(t *target, g goal) string {
	first, why := types.UID(""), ""
	for uid, r := range t.seen {
		if why != "" && uid > first {
			continue
		}
		if failed := w.failed(r, g); failed != "" {
			first, why = uid, failed
		}
	}
	return why
}

// failed says why a NodeReboot that was open since the command began did not succeed; empty if it may.
func (w *world) failed(r *v1alpha1.NodeReboot, g goal) string {
	called := func() string { return fmt.Sprintf("NodeReboot %s of node %s", r.Name, r.Spec.NodeName) }
	switch {
	case r.Status.Outcome == v1alpha1.OutcomeCancelled && r.Status.OutcomeReason != v1alpha1.ReasonSuperseded:
		return fmt.Sprintf("%s was cancelled (%s): %s", called(), r.Status.OutcomeReason, r.Status.Message)
	case r.Status.Outcome == v1alpha1.OutcomeFailed, isOpen(r) && r.Status.Phase == v1alpha1.PhaseFailed:
		return fmt.Sprintf("%s failed (%s): %s", called(), r.Status.Reason, r.Status.Message)
	case g == proved && isOpen(r) && w.deleted(r) && !w.replaced(r):
		return called() + " is cancelled: it was deleted"
	}
	return ""
}

// deleted says that someone deleted the NodeReboot, whether it is gone yet or not.
func (w *world) deleted(r *v1alpha1.NodeReboot) bool {
	now := w.reboots[r.Name]
	return now == nil || now.UID != r.UID || deleting(now)
}

// replaced says that the node has another NodeReboot that has not ended, such as its helper creates for a host that still asks, or one that
// succeeded for the same boot.
func (w *world) replaced(r *v1alpha1.NodeReboot) bool {
	for _, other := range w.byNode[r.Spec.NodeName] {
		if deleting(other) {
			continue
		}
		sameBoot := other.Status.Before != nil && r.Status.Before != nil && other.Status.Before.BootID == r.Status.Before.BootID
		if isOpen(other) || other.Status.Outcome == v1alpha1.OutcomeSucceeded && sameBoot {
			return true
		}
	}
	return false
}

// allEnded judges a target without an open NodeReboot.
func (w *world) allEnded(t *target, mine []*v1alpha1.NodeReboot) verdict {
	if t.policy {
		policy := w.policies[t.name]
		if given := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.ConditionGivenUp); given != nil && given.Status == "True" {
			return verdict{no: "reboots were given up: " + given.Message}
		}
		// The status of the policy is written a moment after that of its last NodeReboot, and whose a new NodeReboot is the manager says.
		if policy.Status.Required > 0 || policy.Status.UnderWay > 0 || w.unassigned() {
			return verdict{}
		}
		return verdict{done: true, text: fmt.Sprintf("%s is proved: no node needs a reboot", t)}
	}
	return t.judgeLast(latest(t.withPruned(mine)))
}

// withPruned adds NodeReboots that were seen and are gone from the history.
func (t *target) withPruned(mine []*v1alpha1.NodeReboot) []*v1alpha1.NodeReboot {
	for _, r := range t.seen {
		if !slices.ContainsFunc(mine, func(known *v1alpha1.NodeReboot) bool { return known.UID == r.UID }) {
			mine = append(mine, r)
		}
	}
	return mine
}

// judgeLast judges a node by the NodeReboot that ended last.
func (t *target) judgeLast(last *v1alpha1.NodeReboot) verdict {
	if last == nil {
		return verdict{no: "it has no NodeReboot: it needs no reboot that could be proved. " +
			"To ask for one: kubectl reboots now " + t.name + " --reason ..."}
	}
	s := &last.Status
	switch {
	case s.Outcome == v1alpha1.OutcomeSucceeded && (t.seen[last.UID] != nil || provedBoot(last, t.bootID)):
		return verdict{done: true, text: fmt.Sprintf("%s is proved (%s): %s", t, s.Reason, s.Message)}
	case s.Outcome == v1alpha1.OutcomeSucceeded:
		return verdict{no: fmt.Sprintf("it needs no reboot, and has been rebooted again since its last NodeReboot, %s, succeeded", last.Name)}
	}
	return verdict{no: fmt.Sprintf("its last NodeReboot, %s, ended as %s (%s): %s", last.Name, s.Outcome, s.Reason, s.Message)}
}

// latest is the NodeReboot that ended last; those that another one took the place of do not count.
func latest(mine []*v1alpha1.NodeReboot) *v1alpha1.NodeReboot {
	var last *v1alpha1.NodeReboot
	for _, r := range mine {
		if r.Status.CompletionTime == nil || r.Status.OutcomeReason == v1alpha1.ReasonSuperseded {
			continue
		}
		if last == nil || cmp.Or(r.Status.CompletionTime.Compare(last.Status.CompletionTime.Time), cmp.Compare(last.Name, r.Name)) > 0 {
			last = r
		}
	}
	return last
}

// halted says that nothing continues for a target whose policy is halted.
func (w *world) halted(t *target, mine []*v1alpha1.NodeReboot) verdict {
	if t.policy {
		condition := meta.FindStatusCondition(w.policies[t.name].Status.Conditions, v1alpha1.ConditionHalted)
		if condition != nil && condition.Status == "True" {
			return verdict{no: fmt.Sprintf("it is halted (%s): %s", condition.Reason, condition.Message)}
		}
		return verdict{}
	}
	no := ""
	for _, r := range mine {
		if isOpen(r) && r.Status.Reason == v1alpha1.ReasonHalted {
			no = max(no, r.Status.Message)
		}
	}
	return verdict{no: no}
}

// unassigned says that there is a NodeReboot that the manager has not looked at.
func (w *world) unassigned() bool {
	for _, r := range w.reboots {
		if isOpen(r) && r.Status.Reason == "" {
			return true
		}
	}
	return false
}

// provedBoot says that the NodeReboot led to the boot, which an unknown one might be.
func provedBoot(r *v1alpha1.NodeReboot, bootID string) bool {
	return bootID == "" || r.Status.After != nil && r.Status.After.BootID == bootID
}

// news are lines about the NodeReboots whose phase or reason changed since the last call: a message that only counts down is no news.
func (t *target) news() []string {
	var lines []string
	for uid, r := range t.seen {
		word := string(r.Status.Phase) + "/" + r.Status.Reason
		if t.written[uid] == word {
			continue
		}
		t.written[uid] = word
		line := r.Spec.NodeName + "  " + text(r)
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// text says where a NodeReboot is.
func text(r *v1alpha1.NodeReboot) string {
	if r.Status.Phase == "" {
		return "waits for the manager to see it"
	}
	line := string(r.Status.Phase)
	if r.Status.Reason != "" && r.Status.Reason != line {
		line += ", " + r.Status.Reason
	}
	if r.Status.Message != "" {
		line += ": " + r.Status.Message
	}
	return line
}
