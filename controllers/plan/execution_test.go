package plan

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// execution carries out a plan like the manager's executor: slots first, then node by node, and what follows a write that failed is left
// out.
type execution struct {
	*store
	view *view
	plan *Plan
	now  time.Time
	// left is how many writes are made before the manager crashes; negative is all of them.
	left int
	// shuffle changes the order of the nodes, whose writes are made in parallel.
	shuffle func(n int, swap func(i, j int))
	// versions of the NodeReboots that this execution wrote itself.
	versions map[string]string
	// nodeVersions are those of the Nodes that it wrote itself.
	nodeVersions map[string]int64
	// memory is what the manager remembers of refused writes.
	memory *model.RefusedWrites
	// refusals counts the writes that were refused, and errs are the errors of other writes that were not made.
	errs     []error
	refusals int
}

// apply does to a snapshot what the manager does when it carries out a plan.
func apply(s *Snapshot, p *Plan, now time.Time) (*Snapshot, error) {
	st := newStore(s)
	e := &execution{store: st, view: st.view(), plan: p, now: now, left: -1}
	e.run(p)
	after := st.view().Snapshot
	for node, slot := range after.Slots {
		if !slices.ContainsFunc(s.Reboots, func(r *v1alpha1.NodeReboot) bool { return string(r.UID) == slot.UID }) {
			slot.Gone = s.Slots[node].Gone // a test may have NodeReboots that its snapshot does not show
			after.Slots[node] = slot
		}
	}
	after.Pods, after.Workloads, after.ClusterMaxUnavailable = s.Pods, s.Workloads, s.ClusterMaxUnavailable
	after.Refusals, after.Namespace, after.ManagerPods = s.Refusals, s.Namespace, s.ManagerPods
	after.LetGo, after.TellPlaces, after.Forecasts = p.LetGo, s.TellPlaces, s.Forecasts
	after.LeaderNode, after.Answers, after.Invalid, after.QuorumLabels = s.LeaderNode, s.Answers, s.Invalid, s.QuorumLabels
	after.SilenceFailures, after.NotificationProblems = s.SilenceFailures, s.NotificationProblems
	return &after, errors.Join(e.errs...)
}

func (e *execution) run(p *Plan) {
	e.versions, e.nodeVersions = map[string]string{}, map[string]int64{}
	granted := !p.SlotsChanged || e.write(model.WriteSlots, v1alpha1.SlotsName, &NodeWork{}, "", func() error {
		return e.writeSlots(p.Slots)
	}) == WriteMade
	work := slices.Clone(p.Work)
	if e.shuffle != nil {
		e.shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
	}
	for i := range work {
		switch read := work[i].Takes; {
		case granted && read != nil && (e.reboots[read.Name] == nil || e.reboots[read.Name].ResourceVersion != read.ResourceVersion):
			e.errs = append(e.errs, errConflict)
			e.writeNeed(&work[i])
		case granted || !work[i].Granted:
			e.writeNodeWork(&work[i])
		default:
			e.writeNeed(&work[i])
		}
	}
	for _, reboot := range p.Creates {
		e.try(func() error { return e.create(reboot) })
	}
	for _, change := range p.Policies {
		e.try(func() error { return e.writePolicy(change) })
	}
	for _, name := range p.Prune {
		e.try(func() error { return e.prune(name) })
	}
}

func (e *execution) writeNeed(work *NodeWork) {
	if need := work.NeedOnly(); need != nil {
		e.writeNodeWork(need)
	}
}

// try makes one write, and says whether it was made.
func (e *execution) try(write func() error) bool {
	err := errCrash
	if e.left != 0 {
		e.left = max(e.left-1, -1)
		err = write()
	}
	if err != nil {
		e.errs = append(e.errs, err)
	}
	return err == nil
}

func (e *execution) writeSlots(slots map[string]Slot) error {
	if e.view.slotsVersion != e.slotsVersion {
		return errConflict
	}
	granted := map[string]Slot{}
	for name, slot := range slots {
		if old := e.slots[name]; old.UID != slot.UID || old.Attempt != slot.Attempt {
			granted[name] = slot
		}
	}
	if e.onGrant != nil {
		e.onGrant(e.view, e.plan, granted)
	}
	e.slots = maps.Clone(slots)
	e.slotsVersion = e.changed()
	if e.memory != nil {
		e.memory.Freed(func(grant model.GrantKey) bool {
			return slices.ContainsFunc(slices.Collect(maps.Values(slots)), func(slot Slot) bool { return slot.Key() == grant })
		})
	}
	return nil
}

// writeNodeWork makes the writes for one node.
func (e *execution) writeNodeWork(work *NodeWork) {
	about := func(write model.Write, i int, do func(*RebootChange) error) Written {
		change := &work.Reboots[i]
		return e.write(write, change.Object.Name, work, string(change.Object.UID), func() error { return do(change) })
	}
	work.Write(NodeWrites{
		AddFinalizer: func(i int) Written { return about(model.WriteFinalizer, i, e.addFinalizer) },
		Patch: func(patch *NodePatch) Written {
			if !slices.ContainsFunc(patch.Parts(), func(part PatchPart) bool { return e.refuses(part.Write, work.Node) }) {
				return e.write("", work.Node, work, "", func() error { return e.patchNode(work.Node, patch) })
			}
			return patch.WriteInParts(func(part PatchPart) Written {
				return e.write(part.Write, work.Node, work, e.plan.Slots[work.Node].UID, func() error { return e.patchNode(work.Node, part.Patch) })
			})
		},
		Status: func(i int) Written {
			return about(work.Reboots[i].Write(), i, e.writeStatus)
		},
		Maintenance: func() Written {
			return e.write(model.WriteMaintenance, work.Node, work, "", func() error { return e.patchMaintenance(work) })
		},
		RemoveFinalizer: func(i int) Written { return about(model.WriteFinalizer, i, e.removeFinalizer) },
	})
}

// refuses says whether the API server refuses a write.
func (e *execution) refuses(write model.Write, name string) bool {
	return e.refused[model.WriteKey{Write: write, Name: name}]
}

// write makes a write for a node, and remembers when it is refused.
func (e *execution) write(write model.Write, name string, work *NodeWork, uid string, do func() error) Written {
	key := model.WriteKey{Write: write, Name: name}
	if e.left != 0 && e.refuses(write, name) {
		e.left = max(e.left-1, -1)
		e.refusals++
		refusal := model.Refusal{WriteKey: key, Node: work.Node, Answer: "no"}
		if slot := e.plan.Slots[work.Node]; work.Granted && slot.UID == uid {
			refusal.Grant = slot.Key()
		}
		if e.memory != nil {
			e.memory.Note(&refusal, "", e.now)
		}
		return WriteRefused
	}
	if !e.try(do) {
		return WriteFailed
	}
	if e.memory != nil {
		e.memory.Made(key)
		if write == model.WriteOrder {
			e.memory.Made(model.WriteKey{Write: model.WriteStatus, Name: name})
		}
	}
	return WriteMade
}

// writeReboot changes a NodeReboot if it is still what was read.
func (e *execution) writeReboot(read *v1alpha1.NodeReboot, change func(*v1alpha1.NodeReboot)) error {
	version := cmp.Or(e.versions[read.Name], read.ResourceVersion)
	stored := e.reboots[read.Name]
	if stored == nil || stored.UID != read.UID || stored.ResourceVersion != version {
		return fmt.Errorf("write of NodeReboot %s: %w", read.Name, errConflict)
	}
	e.updateReboot(read.Name, change)
	e.versions[read.Name] = strconv.FormatInt(e.version, 10)
	return nil
}

func (e *execution) addFinalizer(change *RebootChange) error {
	if !change.AddFinalizer {
		return nil
	}
	return e.writeReboot(change.Object, func(r *v1alpha1.NodeReboot) { r.Finalizers = append(slices.Clone(r.Finalizers), v1alpha1.Finalizer) })
}

func (e *execution) removeFinalizer(change *RebootChange) error {
	if !change.RemoveFinalizer {
		return nil
	}
	return e.writeReboot(change.Object, func(r *v1alpha1.NodeReboot) {
		r.Finalizers = slices.DeleteFunc(slices.Clone(r.Finalizers), func(f string) bool { return f == v1alpha1.Finalizer })
	})
}

func (e *execution) writeStatus(change *RebootChange) error {
	if report := change.Report; report != nil && report.Conditions != nil {
		return e.writeReboot(change.Object, func(r *v1alpha1.NodeReboot) {
			r.Status.Phase, r.Status.ObservedGeneration = v1alpha1.PhaseFailed, r.Generation
			r.Status.Reason, r.Status.Message, r.Status.Conditions = report.Reason, report.Message, report.Conditions
			r.Unreadable = withoutConditions(r.Unreadable)
		})
	}
	if !change.StatusChanged {
		return nil
	}
	status, err := change.Status, error(nil)
	if !e.fast {
		status, err = roundTrip(change.Status)
	}
	if err == nil {
		err = validate(&status)
	}
	if err != nil {
		return fmt.Errorf("status of %s: %w", change.Object.Name, err)
	}
	return e.writeReboot(change.Object, func(r *v1alpha1.NodeReboot) {
		if e.onStatus != nil {
			e.onStatus(e.view, r, &status)
		}
		status.Report = r.Status.Report // the helper's, and not in the patch
		r.Status = status
		r.Unreadable = withoutConditions(r.Unreadable)
	})
}

// withoutConditions: the list of conditions was written.
func withoutConditions(unreadable []decode.Problem) []decode.Problem {
	return slices.DeleteFunc(slices.Clone(unreadable), func(p decode.Problem) bool { return strings.HasPrefix(p.Path, "status.conditions[") })
}

func (e *execution) patchNode(name string, patch *NodePatch) error {
	version := e.view.nodeVersions[name]
	if mine, is := e.nodeVersions[name]; is {
		version = mine
	}
	stored := e.nodes[name]
	if stored == nil || stored.version != version {
		return fmt.Errorf("patch of node %s: %w", name, errConflict)
	}
	before := stored.Node
	e.updateNode(name, func(n *Node) {
		if patch.SetTaints {
			n.Taints = patch.Taints
		}
		if patch.Unschedulable != nil {
			n.Unschedulable = *patch.Unschedulable
		}
		if patch.CordonedFor != nil {
			n.CordonedFor = *patch.CordonedFor
		}
		n.Labels, n.Annotations = patched(n.Labels, patch.Labels), patched(n.Annotations, patch.Annotations)
	})
	if e.onNode != nil {
		e.onNode(&before, &e.nodes[name].Node)
	}
	e.nodeVersions[name] = e.nodes[name].version
	return nil
}

// patched is a copy with the changes of a merge patch.
func patched(values map[string]string, changes map[string]*string) map[string]string {
	if len(changes) == 0 {
		return values
	}
	values = maps.Clone(values)
	if values == nil {
		values = map[string]string{}
	}
	for key, value := range changes {
		delete(values, key)
		if value != nil {
			values[key] = *value
		}
	}
	return values
}

// patchMaintenance has no precondition, as in the executor.
func (e *execution) patchMaintenance(work *NodeWork) error {
	if e.nodes[work.Node] == nil {
		return fmt.Errorf("maintenance of node %s: %w", work.Node, errConflict)
	}
	e.updateNode(work.Node, func(n *Node) {
		n.Maintenance = map[corev1.NodeConditionType]bool{}
		for t := range work.Maintenance {
			n.Maintenance[t] = true
		}
	})
	return nil
}

func (e *execution) writePolicy(change PolicyChange) error {
	stored := e.policies[change.Object.Name]
	if stored == nil || stored.UID != change.Object.UID {
		return errConflict
	}
	policy, err := *stored, error(nil)
	if policy.Status = change.Status; !e.fast {
		policy.Status, err = roundTrip(change.Status)
	}
	if e.onPolicy != nil {
		e.onPolicy(e.view, &policy)
	}
	policy.Unreadable = slices.DeleteFunc(slices.Clone(policy.Unreadable), func(p decode.Problem) bool { return p.Below("status") })
	e.policies[policy.Name] = &policy
	e.changed()
	return err
}

func (e *execution) create(reboot *v1alpha1.NodeReboot) error {
	if e.reboots[reboot.Name] != nil {
		return errConflict
	}
	made := reboot.DeepCopy()
	made.UID, made.Generation = types.UID(fmt.Sprintf("created-%d", e.version)), 1
	made.CreationTimestamp = metav1.NewTime(e.now.Truncate(time.Second))
	e.putReboot(made)
	return nil
}

func (e *execution) prune(name string) error {
	if e.reboots[name] == nil {
		return errConflict
	}
	e.deleteReboot(name, e.now)
	return nil
}

// roundTrip is what an object is after it went through the API: its times have the precision of their formats.
func roundTrip[T any](in T) (out T, err error) {
	data, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	err = json.Unmarshal(data, &out)
	return out, err
}

// validate refuses what the schema refuses.
func validate(s *v1alpha1.NodeRebootStatus) error {
	messages := []string{s.Message, s.OutcomeMessage}
	reasons := []string{s.Reason, s.OutcomeReason}
	if s.Attempt != nil {
		messages, reasons = append(messages, s.Attempt.Message), append(reasons, s.Attempt.Result)
	}
	if s.Failures != nil {
		messages, reasons = append(messages, s.Failures.LastMessage), append(reasons, s.Failures.LastReason)
	}
	switch {
	case slices.ContainsFunc(messages, func(m string) bool { return utf8.RuneCountInString(m) > 1024 || !utf8.ValidString(m) }):
		return errors.New("a message is longer than 1024 characters, or is not text")
	case slices.ContainsFunc(reasons, func(r string) bool { return len(r) > 64 }):
		return errors.New("a reason is longer than 64 characters")
	case s.Order != nil && (s.Order.BootID == "" || s.Order.Sequence < 1 || s.Order.Deadline.IsZero()):
		return errors.New("the order has no boot ID, sequence or deadline")
	case len(s.Workloads) > 512:
		return errors.New("there are more than 512 workloads")
	case s.Attempt != nil && len(s.Attempt.AttachedVolumes) > 10:
		return errors.New("there are more than 10 volumes")
	case s.TaintLeadSeconds != nil && *s.TaintLeadSeconds < 0:
		return errors.New("the taint lead is negative")
	}
	return nil
}
