package plan

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// record is what follows from a Node, its NodeReboots and the selectors of policies alone. It is never changed.
type record struct {
	name string
	// node is nil if there is none.
	node *model.Node
	// reboots are the NodeReboots of the node that can be read, and setAside the others, by name.
	reboots, setAside []*v1alpha1.NodeReboot
	// active are the reboots that are not past, and aside those that are set aside.
	active, aside []activeReboot
	past          *pastReboots
	// strangers are those that have a name which the helper of another node uses, if there is such a node.
	strangers []stranger
	// mayBeOpen: an attempt may be under way.
	mayBeOpen bool
	traits
}

// stranger is the name of a NodeReboot, and the node whose helper uses it.
type stranger struct{ reboot, node string }

// with is the record after a change. The receiver is nil if there was none.
func (r *record) with(name string, d *delta, traits *traitReader) *record {
	next := &record{name: name, past: &pastReboots{}}
	if r != nil {
		*next = *r
	}
	if d.nodeChanged {
		next.node, next.traits = d.node, traits.of(d.node, r)
	}
	if len(d.gone)+len(d.come) > 0 {
		all := leaveOut(slices.Concat(next.reboots, next.setAside), d.gone)
		next.sort(append(all, d.come...))
	}
	active, past := next.split(nil)
	next.active, next.aside, next.past = activeReboots(active, next.node), activeReboots(next.setAside, next.node), past
	return next
}

// marksOf a Node, which most changes of a Node leave as they were.
func (r *record) marksOf(node *model.Node) markRecord {
	if r != nil && r.node != nil && r.node.Annotations[v1alpha1.MarksAnnotation] == node.Annotations[v1alpha1.MarksAnnotation] {
		return r.marks
	}
	return marksOn(node)
}

func leaveOut(all, gone []*v1alpha1.NodeReboot) []*v1alpha1.NodeReboot {
	if len(gone) == 0 || len(all) == 0 {
		return all
	}
	left := make(map[*v1alpha1.NodeReboot]int, len(gone))
	for _, reboot := range gone {
		left[reboot]++
	}
	return slices.DeleteFunc(all, func(reboot *v1alpha1.NodeReboot) bool {
		if left[reboot] == 0 {
			return false
		}
		left[reboot]--
		return true
	})
}

// sort takes in all NodeReboots of the node.
func (r *record) sort(all []*v1alpha1.NodeReboot) {
	slices.SortFunc(all, func(a, b *v1alpha1.NodeReboot) int { return cmp.Compare(a.Name, b.Name) })
	r.reboots, r.setAside, r.strangers, r.mayBeOpen = make([]*v1alpha1.NodeReboot, 0, len(all)), nil, nil, false
	for _, reboot := range all {
		r.mayBeOpen = r.mayBeOpen || mayBeOpen(reboot)
		if node, is := v1alpha1.SentinelRebootNode(reboot.Name); is && node != r.name {
			r.strangers = append(r.strangers, stranger{reboot.Name, node})
		}
		if reboot.SetAside() {
			r.setAside = append(r.setAside, reboot)
		} else {
			r.reboots = append(r.reboots, reboot)
		}
	}
}

func (r *record) has(uid string) bool {
	is := func(reboot *v1alpha1.NodeReboot) bool { return string(reboot.UID) == uid }
	return slices.ContainsFunc(r.reboots, is) || slices.ContainsFunc(r.setAside, is)
}

// split divides the NodeReboots into those that are active and the past. Those that hold a slot are active.
func (r *record) split(granted map[string]bool) ([]*v1alpha1.NodeReboot, *pastReboots) {
	if r.node == nil {
		return r.reboots, &pastReboots{}
	}
	var active, past []*v1alpha1.NodeReboot
	success := lastSuccess(r.reboots)
	for _, reboot := range r.reboots {
		if granted[string(reboot.UID)] || !isPast(reboot, r.node, success) {
			active = append(active, reboot)
		} else {
			past = append(past, reboot)
		}
	}
	if slices.Equal(past, r.past.objects) { // they are what they were, whatever else changed
		return active, r.past
	}
	before := &pastReboots{}
	for _, reboot := range past {
		before.add(reboot)
	}
	return active, before
}

// lastSuccess is when one of the NodeReboots last succeeded; zero means never.
func lastSuccess(reboots []*v1alpha1.NodeReboot) time.Time {
	var last time.Time
	for _, reboot := range reboots {
		if s := &reboot.Status; s.Outcome == v1alpha1.OutcomeSucceeded && s.CompletionTime != nil {
			last = model.Latest(last, s.CompletionTime.Time)
		}
	}
	return last
}

// isPast says that nothing will ever come of a NodeReboot again as long as its Node, and the other NodeReboots of the Node, do not change:
// it ended, all of that is written, and it neither calls for a reboot nor keeps others from one.
func isPast(obj *v1alpha1.NodeReboot, node *model.Node, lastSuccess time.Time) bool {
	s := &obj.Status
	if s.CompletionTime == nil || !obj.DeletionTimestamp.IsZero() {
		return false
	}
	if s.Outcome == v1alpha1.OutcomeSucceeded {
		return atRest(obj)
	}
	if s.Report != nil && s.Report.BootID == node.BootID || slices.Contains(obj.Finalizers, v1alpha1.Finalizer) {
		return false // its host may ask for a reboot again
	}
	if other, is := v1alpha1.SentinelRebootNode(obj.Name); is && other != node.Name {
		return false // what is said about its name depends on other nodes
	}
	if s.Outcome == v1alpha1.OutcomeFailed && mayMatter(obj, node, lastSuccess) {
		return false
	}
	return !mayBeOpenedAgain(obj, node) && isWritten(obj)
}

// mayMatter says that a NodeReboot which failed may call for a reboot, or halt a policy.
func mayMatter(obj *v1alpha1.NodeReboot, node *model.Node, lastSuccess time.Time) bool {
	s := &obj.Status
	if obj.Spec.Trigger == v1alpha1.TriggerNodeCondition {
		return true
	}
	halts := s.Attempt != nil && s.Attempt.Role == v1alpha1.RoleCanary
	switch s.OutcomeReason {
	case v1alpha1.ReasonRebootNotObserved, v1alpha1.ReasonSentinelStillPresent, v1alpha1.ReasonConditionStillPresent:
		halts = true
	}
	ofAnother := s.NodeUID != "" && s.NodeUID != node.UID
	return halts && !ofAnother && !lastSuccess.After(s.CompletionTime.Time)
}

// mayBeOpenedAgain says that the condition of a NodeReboot for a Node condition may count again. For other boots the report says so.
func mayBeOpenedAgain(obj *v1alpha1.NodeReboot, node *model.Node) bool {
	if obj.Spec.Trigger != v1alpha1.TriggerNodeCondition || !slices.Contains(reopenedReasons, obj.Status.OutcomeReason) {
		return false
	}
	before := obj.Status.Before
	return before != nil && (node.BootID == "" || node.BootID == before.BootID)
}

// isWritten says that the status of a complete NodeReboot is what follows from its facts.
func isWritten(obj *v1alpha1.NodeReboot) bool {
	if len(obj.Unreadable) > 0 {
		return false
	}
	r := &rebootView{Draft: model.NewDraft(obj)}
	r.done = true
	(&planning{}).derive(r)
	return r.Status == &obj.Status
}

// pastReboots are what is left to know of NodeReboots that are at rest.
type pastReboots struct {
	// objects by name.
	objects []*v1alpha1.NodeReboot
	// lastBack and lastSuccess are when a reboot of the node was last seen to be over, and proved.
	lastBack, lastSuccess time.Time
	// counts of each outcome.
	succeeded, failed, cancelled int
	// attempts that ended.
	attempts []pastAttempt
}

// pastAttempt is the last attempt of a NodeReboot.
type pastAttempt struct {
	// policy and zone that granted it.
	policy, zone string
	began, ended time.Time
	// recovery is how long after the boot it ended, if it was a reboot that ended well enough to tell.
	recovery time.Duration
	recovers bool
	// proved by another boot; marked as a canary.
	proved, marked bool
}

func (p *pastReboots) add(obj *v1alpha1.NodeReboot) {
	s := &obj.Status
	p.objects = append(p.objects, obj)
	switch s.Outcome {
	case v1alpha1.OutcomeSucceeded:
		p.succeeded++
		p.lastSuccess = model.Latest(p.lastSuccess, s.CompletionTime.Time)
	case v1alpha1.OutcomeFailed:
		p.failed++
	case v1alpha1.OutcomeCancelled:
		p.cancelled++
	}
	a := s.Attempt
	if a == nil {
		return
	}
	if a.BackTime != nil {
		p.lastBack = model.Latest(p.lastBack, a.BackTime.Time)
	}
	if a.EndedTime == nil {
		return
	}
	r := rebootView{Draft: model.NewDraft(obj)}
	recovery, recovers := recoveryTime(a)
	p.attempts = append(p.attempts, pastAttempt{
		policy: r.grantedBy(), zone: r.grantedIn(), began: a.GrantedTime.Time, ended: a.EndedTime.Time,
		recovery: recovery, recovers: recovers, marked: a.Role == v1alpha1.RoleCanary,
		proved: s.Outcome == v1alpha1.OutcomeSucceeded && a.Result == v1alpha1.ReasonProved,
	})
}

// traits are what the labels of a Node say.
type traits struct {
	// runsEtcd: the node may run etcd. skipped: a person labeled it so. takesPods: see Node.TakesPods.
	runsEtcd, skipped, takesPods bool
	// selectedBy are the policies that select the node, in the order of their precedence.
	selectedBy []int
	// zone and unit of the node as the first of them has it. alone: the unit is the node itself.
	zone, unit string
	alone      bool
	// clean: nothing on the Node is the operator's. shows is the effect of the taint for a need, if all that is the operator's is what shows
	// the need; otherwise None.
	clean bool
	shows v1alpha1.TaintEffect
	// marks that the Node has.
	marks markRecord
}

// traitReader reads traits.
type traitReader struct {
	policies   []*policyView
	candidates *candidates
	quorum     []string
	// alone are the slices of nodes that one policy selects.
	alone map[int][]int
}

func newTraitReader(policies []*policyView, quorum []string) *traitReader {
	return &traitReader{policies: policies, candidates: newCandidates(policies), quorum: quorum, alone: map[int][]int{}}
}

// of a Node; before is its record of before, or nil.
func (t *traitReader) of(node *model.Node, before *record) traits {
	if node == nil {
		return traits{shows: v1alpha1.TaintNone}
	}
	marks := before.marksOf(node)
	own := traits{
		runsEtcd: mayRunEtcd(node, t.quorum), skipped: node.Skipped(), takesPods: node.TakesPods(), clean: isClean(node), shows: needShown(node),
		selectedBy: t.selecting(labelsWithout(marks, node)), unit: node.Name, alone: true, marks: marks,
	}
	if len(own.selectedBy) > 0 {
		policy := t.policies[own.selectedBy[0]]
		own.zone = node.Labels[policy.Spec.Rollout.Zones.TopologyKey]
		own.unit = policy.unitOf(&nodeView{Node: node, controlPlane: own.runsEtcd}, own.zone)
		own.alone = own.unit == node.Name
	}
	return own
}

// selecting are the policies that select a node by the labels that it has without those that the operator itself set for a reboot.
func (t *traitReader) selecting(nodeLabels labels.Set) []int {
	var selecting []int
	for _, candidate := range t.candidates.of(nodeLabels) {
		if candidate.Selector.Matches(nodeLabels) {
			selecting = append(selecting, candidate.rank)
		}
	}
	if len(selecting) != 1 {
		return selecting
	}
	if t.alone[selecting[0]] == nil {
		t.alone[selecting[0]] = selecting
	}
	return t.alone[selecting[0]]
}

// needShown is the effect of the taint for a need on a Node that has nothing else of the operator's but the condition for it.
func needShown(node *model.Node) v1alpha1.TaintEffect {
	var own []corev1.Taint
	for i := range node.Taints {
		if isOwnTaint(&node.Taints[i]) {
			own = append(own, node.Taints[i])
		}
	}
	if len(own) != 1 || own[0].Key != v1alpha1.TaintKey || node.CordonedFor != "" || node.Annotations[v1alpha1.MarksAnnotation] != "" {
		return v1alpha1.TaintNone
	}
	for _, t := range MaintenanceConditions {
		if node.Maintenance[t] != (t == MaintenancePlanned) {
			return v1alpha1.TaintNone
		}
	}
	return v1alpha1.TaintEffect(own[0].Effect)
}

func isClean(node *model.Node) bool {
	for i := range node.Taints {
		if isOwnTaint(&node.Taints[i]) {
			return false
		}
	}
	return node.CordonedFor == "" && node.Annotations[v1alpha1.MarksAnnotation] == "" &&
		!slices.Contains(slices.Collect(maps.Values(node.Maintenance)), true)
}
