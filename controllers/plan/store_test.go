package plan

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// store is the API server of the tests. Its objects are never changed in place, so that a view of it stays the same.
type store struct {
	policies map[string]*v1alpha1.RebootPolicy
	reboots  map[string]*v1alpha1.NodeReboot
	nodes    map[string]*storedNode
	slots    map[string]Slot
	// version counts all writes, slotsVersion is that of the last write of the slots object.
	version, slotsVersion int64
	cached                *view
	// touched are the nodes whose NodeReboots changed since someone looked.
	touched []string
	// refused are the writes of managers that are refused.
	refused map[model.WriteKey]bool
	// fast leaves out what a write to the API does to the precision of times.
	fast bool
	// onGrant and onStatus see a write just before it is made, with the view on which it was decided.
	onGrant  func(v *view, p *Plan, granted map[string]Slot)
	onStatus func(v *view, before *v1alpha1.NodeReboot, after *v1alpha1.NodeRebootStatus)
	onPolicy func(v *view, after *v1alpha1.RebootPolicy)
	onNode   func(before, after *Node)
}

type storedNode struct {
	Node
	version int64
}

// view is the cluster as a manager saw it at one time. All of it may be old but the slots.
type view struct {
	Snapshot
	nodeVersions map[string]int64
	slotsVersion int64
	// allPods are the pods of all nodes, of which a plan sees those that it asks for.
	allPods map[string][]Pod
}

func newStore(s *Snapshot) *store {
	st := &store{
		policies: map[string]*v1alpha1.RebootPolicy{}, reboots: map[string]*v1alpha1.NodeReboot{}, nodes: map[string]*storedNode{},
		slots: maps.Clone(s.Slots),
	}
	for _, p := range s.Policies {
		st.policies[p.Name] = p
	}
	for _, r := range s.Reboots {
		st.reboots[r.Name] = r
	}
	for i := range s.Nodes {
		st.nodes[s.Nodes[i].Name] = &storedNode{Node: *s.Nodes[i]}
	}
	return st
}

// view is what is stored now, without pods and workloads.
func (st *store) view() *view {
	if st.cached == nil {
		v := &view{nodeVersions: make(map[string]int64, len(st.nodes))}
		for _, name := range slices.Sorted(maps.Keys(st.policies)) {
			v.Policies = append(v.Policies, st.policies[name])
		}
		for _, name := range slices.Sorted(maps.Keys(st.reboots)) {
			v.Reboots = append(v.Reboots, st.reboots[name])
		}
		for _, name := range slices.Sorted(maps.Keys(st.nodes)) {
			v.Nodes = append(v.Nodes, &st.nodes[name].Node)
			v.nodeVersions[name] = st.nodes[name].version
		}
		st.readSlots(v)
		st.cached = v
	}
	v := *st.cached
	return &v
}

// readSlots reads the slots object live, and asks live whether a NodeReboot that the view does not know is gone.
func (st *store) readSlots(v *view) {
	v.Slots, v.slotsVersion, v.SlotsLive = maps.Clone(st.slots), st.slotsVersion, true
	for name, slot := range v.Slots {
		if slices.ContainsFunc(v.Reboots, func(r *v1alpha1.NodeReboot) bool { return string(r.UID) == slot.UID }) {
			continue
		}
		slot.Gone = st.reboots[slot.Reboot] == nil || string(st.reboots[slot.Reboot].UID) != slot.UID
		v.Slots[name] = slot
	}
}

func (st *store) changed() int64 {
	st.version++
	st.cached = nil
	return st.version
}

// updateNode changes a copy of a Node, if there is one.
func (st *store) updateNode(name string, change func(*Node)) {
	if st.nodes[name] == nil {
		return
	}
	stored := *st.nodes[name]
	change(&stored.Node)
	stored.version = st.changed()
	st.nodes[name] = &stored
}

func (st *store) putReboot(r *v1alpha1.NodeReboot) {
	r.ResourceVersion = strconv.FormatInt(st.changed(), 10)
	st.touched = append(st.touched, r.Spec.NodeName)
	if !r.DeletionTimestamp.IsZero() && len(r.Finalizers) == 0 {
		delete(st.reboots, r.Name)
		return
	}
	st.reboots[r.Name] = r
}

// updateReboot changes a copy.
func (st *store) updateReboot(name string, change func(*v1alpha1.NodeReboot)) {
	r := *st.reboots[name]
	change(&r)
	st.putReboot(&r)
}

func (st *store) rebootByUID(uid types.UID) *v1alpha1.NodeReboot {
	for _, r := range st.reboots {
		if r.UID == uid {
			return r
		}
	}
	return nil
}

func (st *store) deleteReboot(name string, now time.Time) {
	st.updateReboot(name, func(r *v1alpha1.NodeReboot) {
		if r.DeletionTimestamp.IsZero() {
			r.DeletionTimestamp = &metav1.Time{Time: now.Truncate(time.Second)}
		}
	})
}

var (
	errConflict = errors.New("the object has changed since it was read")
	errCrash    = errors.New("the manager crashed")
)
