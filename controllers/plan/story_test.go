package plan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// story is a cluster in which a test lets things happen and time go by.
type story struct {
	*Snapshot
	t    *testing.T
	now  time.Time
	wake time.Time
	// gates are what gates say, by kind and name.
	gates map[string]GateAnswer
	// boots counts those of rebootInVain.
	boots int
	// askGate answers what gates has no answer for, if it is there.
	askGate func(GateQuery) GateAnswer
}

func newStory(t *testing.T, objects ...any) *story {
	t.Helper()
	return &story{Snapshot: newSnapshot(objects...), t: t, now: start}
}

// compute makes a plan and checks what holds for every plan: it changes nothing in its input, does not depend on its order, and never
// asks for a look in the past.
func compute(t *testing.T, s *Snapshot, now time.Time) *Plan {
	t.Helper()
	before := copySnapshot(s)
	p := Compute(s, now)
	if diff := difference(before, s); diff != "" {
		t.Fatalf("Compute changed its input (-before +after):\n%s", diff)
	}
	if !p.Wake.IsZero() && !p.Wake.After(now) {
		t.Fatalf("at %s the plan asks to be woken at %s, which is over", now, p.Wake)
	}
	shuffled := copySnapshot(s)
	random := rand.New(rand.NewPCG(1, uint64(len(s.Reboots))))
	random.Shuffle(len(shuffled.Nodes), func(i, j int) { shuffled.Nodes[i], shuffled.Nodes[j] = shuffled.Nodes[j], shuffled.Nodes[i] })
	random.Shuffle(len(shuffled.Reboots), func(i, j int) {
		shuffled.Reboots[i], shuffled.Reboots[j] = shuffled.Reboots[j], shuffled.Reboots[i]
	})
	random.Shuffle(len(shuffled.Policies), func(i, j int) {
		shuffled.Policies[i], shuffled.Policies[j] = shuffled.Policies[j], shuffled.Policies[i]
	})
	if diff := difference(p, Compute(shuffled, now)); diff != "" {
		t.Fatalf("the plan depends on the order of the input (-given +shuffled):\n%s", diff)
	}
	if diff := differenceAbridged(s, p, now); diff != "" {
		t.Fatalf("the plan depends on what is not kept of finished NodeReboots (-whole +abridged):\n%s", diff)
	}
	if wrong, _, _ := wronglySettled(s, now); len(wrong) > 0 {
		t.Fatalf("something has to be written about what is settled:\n%s", strings.Join(wrong, "\n"))
	}
	return p
}

// difference takes the short way for what is equal, as nearly everything is.
func difference(a, b any) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b, cmpopts.EquateEmpty())
}

func copySnapshot(s *Snapshot) *Snapshot {
	c := *s
	c.Policies, c.Reboots, c.Nodes = nil, nil, nil
	for _, p := range s.Policies {
		c.Policies = append(c.Policies, p.DeepCopy())
	}
	for _, r := range s.Reboots {
		c.Reboots = append(c.Reboots, r.DeepCopy())
	}
	for _, node := range s.Nodes {
		n := *node
		n.Labels, n.Maintenance, n.Taints = maps.Clone(n.Labels), maps.Clone(n.Maintenance), slices.Clone(n.Taints)
		n.Annotations, n.Volumes = maps.Clone(n.Annotations), slices.Clone(n.Volumes)
		c.Nodes = append(c.Nodes, &n)
	}
	c.Answers, c.Invalid = maps.Clone(s.Answers), maps.Clone(s.Invalid)
	c.NotificationProblems = maps.Clone(s.NotificationProblems)
	c.Slots, c.Workloads, c.Pods = maps.Clone(s.Slots), maps.Clone(s.Workloads), maps.Clone(s.Pods)
	for node, pods := range c.Pods {
		c.Pods[node] = slices.Clone(pods)
	}
	return &c
}

// pass makes one plan and carries it out.
func (s *story) pass() *Plan {
	s.t.Helper()
	p := s.compute()
	after, err := apply(s.Snapshot, p, s.now)
	if err != nil {
		s.t.Fatalf("the plan cannot be carried out: %v", err)
	}
	s.Snapshot, s.wake = after, p.Wake
	return p
}

// compute makes a plan with all the answers that it asks for and that gates have.
func (s *story) compute() *Plan {
	s.t.Helper()
	for {
		p := compute(s.t, s.Snapshot, s.now)
		if !s.answerGates(p.Queries) {
			return p
		}
	}
}

// answerGates is true if there is an answer that was not known.
func (s *story) answerGates(asks []GateQuery) bool {
	more := false
	answers := maps.Clone(s.Answers)
	if answers == nil {
		answers = map[GateKey]GateAnswer{}
	}
	for _, ask := range asks {
		answer, has := s.gates[string(ask.Kind)+" "+ask.Gate]
		if about, is := s.gates[string(ask.Kind)+" "+ask.About]; is {
			answer, has = about, true
		}
		if !has && s.askGate != nil {
			answer, has = s.askGate(ask), true
		}
		if _, known := answers[ask.GateKey]; has && !known {
			answers[ask.GateKey] = answer
			more = true
		}
	}
	s.Answers = answers
	return more
}

// says sets what a gate says from now on. For capacity, the nodes that leave may stand in place of the name of a gate.
func (s *story) says(kind GateKind, gate string, answer GateAnswer) {
	if s.gates == nil {
		s.gates = map[string]GateAnswer{}
	}
	s.gates[string(kind)+" "+gate] = answer
	s.Answers = nil
}

// settle makes passes until there is nothing to do. A pass that ended something leaves something to do: what ended frees its slot when
// that is written, and not before. So does one that tries a write again that was refused: what follows from it is recorded when it is made.
// Every other pass leaves nothing.
func (s *story) settle() {
	s.t.Helper()
	for range 10 {
		p := s.pass()
		if idle(p) {
			return
		}
		if next := s.compute(); !idle(next) && !endsSomething(p) && !triesAgain(s.Snapshot, p) {
			s.t.Fatalf("a plan that ends nothing was carried out:\n%s\nand there is something to do at the same instant:\n%s", describe(p),
				describe(next))
		}
	}
	s.t.Fatalf("there is always something to do at the same instant:\n%s", describe(s.pass()))
}

// triesAgain says that the plan has work for a node of which a write was refused.
func triesAgain(s *Snapshot, p *Plan) bool {
	return slices.ContainsFunc(p.Work, func(work NodeWork) bool {
		for _, refusal := range s.Refusals {
			if refusal.Node == work.Node {
				return true
			}
		}
		return false
	})
}

func idle(p *Plan) bool {
	return !p.SlotsChanged && !slices.ContainsFunc(p.Work, writes) &&
		len(p.Policies) == 0 && len(p.Prune) == 0 && len(p.Creates) == 0
}

// writes: there is more in it than a report that no status takes, of which there is one event.
func writes(work NodeWork) bool {
	return work.Patch != nil || work.Maintenance != nil || slices.ContainsFunc(work.Reboots, func(change RebootChange) bool {
		return change.Report == nil || change.Report.Conditions != nil || change.RemoveFinalizer
	})
}

// describe shows what a plan would write.
func describe(p *Plan) string {
	var text strings.Builder
	if p.SlotsChanged {
		fmt.Fprintf(&text, "slots: %v\n", p.Slots)
	}
	for _, work := range p.Work {
		fmt.Fprintf(&text, "node %s: patch %+v, maintenance %v\n", work.Node, work.Patch, work.Maintenance)
		for _, change := range work.Reboots {
			fmt.Fprintf(&text, "NodeReboot %s: finalizer +%v -%v\n%s", change.Object.Name, change.AddFinalizer, change.RemoveFinalizer,
				cmp.Diff(change.Object.Status, change.Status))
		}
	}
	for _, change := range p.Policies {
		fmt.Fprintf(&text, "policy %s:\n%s", change.Object.Name, cmp.Diff(change.Object.Status, change.Status))
	}
	fmt.Fprintf(&text, "prune %v", p.Prune)
	return text.String()
}

// endsSomething: the plan ends an attempt or a NodeReboot, removes a cordon that a crash left, or makes a NodeReboot. What follows from
// that follows once it is written.
func endsSomething(p *Plan) bool {
	if len(p.Creates) > 0 {
		return true
	}
	for _, work := range p.Work {
		if work.Patch != nil && work.Patch.RollsBack() {
			return true
		}
		for _, change := range work.Reboots {
			before, after := &change.Object.Status, &change.Status
			a := after.Attempt
			over := a != nil && (a.EndedTime != nil || a.RolledBackTime != nil || a.StalledTime != nil)
			if change.Object.SetAside() && change.RemoveFinalizer {
				return true
			}
			if over && !cmp.Equal(before.Attempt, after.Attempt) || after.CompletionTime != nil && before.CompletionTime == nil {
				return true
			}
		}
	}
	return false
}

// advance lets time go by, and looks whenever the plan asked for it.
func (s *story) advance(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for !s.wake.IsZero() && !s.wake.After(end) {
		s.now = s.wake
		s.settle()
	}
	s.now = end
	if p := s.compute(); !idle(p) {
		s.t.Fatalf("at %s there is something to do, and no plan asked to be woken:\n%s", end, describe(p))
	}
}

// report changes the report of a NodeReboot, as its helper does.
func (s *story) report(reboot string, change func(*v1alpha1.HelperReport)) {
	r := s.reboot(reboot)
	report := v1alpha1.HelperReport{
		Protocol: v1alpha1.ProtocolLevel, BootID: s.node(r.Spec.NodeName).BootID, Sentinel: v1alpha1.SentinelUnknown, Methods: byLogind(""),
	}
	if r.Status.Report != nil {
		report = *r.Status.Report
	}
	change(&report)
	changed := *r
	changed.Status.Report = &report
	s.replace(&changed)
}

func (s *story) replace(r *v1alpha1.NodeReboot) {
	for i := range s.Reboots {
		if s.Reboots[i].Name == r.Name {
			s.Reboots[i] = r
		}
	}
}

// answer is the helper's answer to the current order.
func (s *story) answer(reboot string, state v1alpha1.OrderState, message string) {
	s.report(reboot, func(report *v1alpha1.HelperReport) {
		report.Sequence, report.State, report.Message = s.reboot(reboot).Status.LastSequence, state, message
	})
}

// rebootInVain drains and reboots the node of a NodeReboot, and its host still asks for a reboot.
func (s *story) rebootInVain(reboot string) {
	s.t.Helper()
	s.answer(reboot, v1alpha1.OrderDone, "")
	s.settle()
	s.boots++
	s.boot(s.reboot(reboot).Spec.NodeName, 1+s.boots)
	s.comeBack(reboot, v1alpha1.SentinelRequired)
	s.settle()
}

// boot gives a node another boot ID; it is not Ready yet, and its helper has said nothing.
func (s *story) boot(node string, number int) {
	n := s.node(node)
	n.BootID, n.KernelVersion, n.Ready = bootOf(node, number), "6.1.0-2", false
}

// comeBack makes a node Ready, and its helper report on the running boot, which began a second ago.
func (s *story) comeBack(reboot string, sentinel v1alpha1.SentinelState) {
	n := s.node(s.reboot(reboot).Spec.NodeName)
	n.Ready, n.HelperReady = true, true
	s.report(reboot, func(report *v1alpha1.HelperReport) {
		report.BootID, report.Sentinel = n.BootID, sentinel
		report.BootTime = at(s.now.Add(-time.Second).Sub(start))
	})
	for i := range s.Pods[n.Name] {
		pod := &s.Pods[n.Name][i]
		pod.Ready, pod.Containers = true, []string{containerID(pod.Name, s.now)}
	}
}

// delete deletes a NodeReboot as a person does.
func (s *story) delete(reboot string) {
	st := newStore(s.Snapshot)
	st.deleteReboot(reboot, s.now)
	s.Reboots = st.view().Reboots
}

func (s *story) editPolicy(name string, options ...policyOption) {
	for i, p := range s.Policies {
		if p.Name != name {
			continue
		}
		edited := p.DeepCopy()
		for _, option := range options {
			option(edited)
		}
		edited.Generation++
		s.Policies[i] = edited
	}
}

// relabel changes a copy of a node's labels.
func (s *story) relabel(node string, change func(map[string]string)) {
	labels := maps.Clone(s.node(node).Labels)
	change(labels)
	s.node(node).Labels = labels
}

func (s *story) removePolicies() { s.Policies = nil }

func (s *story) removeNode(name string) {
	var rest []*Node
	for _, n := range s.Nodes {
		if n.Name != name {
			rest = append(rest, n)
		}
	}
	s.Nodes = rest
}

// summary is what most tests look at.
type summary struct {
	Phase   v1alpha1.Phase
	Reason  string
	Outcome v1alpha1.Outcome
	// Result of the attempt, and its number if it is not the first.
	Result  string
	Attempt int32
	// Order that the helper has.
	Order    v1alpha1.OrderAction
	Failures int32
	// Cordoned by us, and Tainted.
	Cordoned, Tainted bool
	// Gone: the object no longer exists.
	Gone bool
}

func (s *story) summary(reboot string) summary {
	r := s.reboot(reboot)
	if r == nil {
		return summary{Gone: true}
	}
	sum := summary{Phase: r.Status.Phase, Reason: r.Status.Reason, Outcome: r.Status.Outcome}
	if attempt := r.Status.Attempt; attempt != nil {
		sum.Result = attempt.Result
		if attempt.Number > 1 {
			sum.Attempt = attempt.Number
		}
	}
	if r.Status.Order != nil {
		sum.Order = r.Status.Order.Action
	}
	if r.Status.Failures != nil {
		sum.Failures = r.Status.Failures.Count
	}
	if n := s.node(r.Spec.NodeName); n != nil {
		sum.Cordoned = n.Unschedulable && n.CordonedFor == string(r.UID)
		sum.Tainted = hasOurTaint(n)
	}
	return sum
}

func hasOurTaint(n *Node) bool {
	for _, taint := range n.Taints {
		if taint.Key == v1alpha1.TaintKey {
			return true
		}
	}
	return false
}

// unhurried gives every stage of an attempt a time of its own, so that a test can stop in it.
func unhurried() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Drain.DelaySeconds, s.Reboot.DelaySeconds, s.Recovery.SettleSeconds = ptr.To[int32](60), ptr.To[int32](60), ptr.To[int32](60)
	})
}

// fleet makes nodes that all need a reboot, from words like "a/z1": node a in zone z1, which NodeReboot ra is about. A word that begins
// with + is a control-plane node.
func fleet(words string) []any {
	var objects []any
	for word := range strings.FieldsSeq(words) {
		name, zone, _ := strings.Cut(strings.TrimPrefix(word, "+"), "/")
		node := newNode(name, zone)
		if strings.HasPrefix(word, "+") {
			controlPlane(node)
		}
		objects = append(objects, node, newReboot("r"+name, name))
	}
	return objects
}

// underWay names the nodes with an open attempt.
func (s *story) underWay() string {
	var names []string
	for _, r := range s.Reboots {
		if a := r.Status.Attempt; a != nil && a.EndedTime == nil && r.Status.CompletionTime == nil {
			names = append(names, r.Spec.NodeName)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// prove takes the attempt on a node through its drain, reboot and recovery, at once.
func (s *story) prove(node string) {
	s.t.Helper()
	s.answer("r"+node, v1alpha1.OrderDone, "")
	s.settle()
	s.boot(node, 2)
	s.comeBack("r"+node, v1alpha1.SentinelNotRequired)
	s.settle()
	if got := s.reboot("r" + node).Status.Phase; got != v1alpha1.PhaseSucceeded {
		s.t.Fatalf("phase %s of node %s after its recovery", got, node)
	}
}
