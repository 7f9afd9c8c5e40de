package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// snapshot is a plan's input, and what the executor needs besides the plan: the objects as they were when the plan was made, so that its
// writes fail if they have changed since.
type snapshot struct {
	plan.Snapshot
	// nodes as cached, in the order of their names. They belong to the cache: never change them.
	nodes []*corev1.Node
	// notices are events about objects that the plan does not know.
	notices []notice
	// slots is the slots object as this manager last read or wrote it; nil if it does not exist.
	slots *corev1.ConfigMap
	// workloads that the pods and the open attempts refer to, and those of them that cannot be read.
	workloads, unknown sets.Set[model.WorkloadKey]
	// unread are the errors of reads that are about a part of the cluster. The snapshot marks that part as unknown.
	unread []error
}

// reboot is the NodeReboot with a name; nil if there is none. They are in the order of their names.
func (s *snapshot) reboot(name string) *v1alpha1.NodeReboot {
	return find(s.Reboots, name, nameOfReboot)
}

// node is the Node with a name; nil if there is none.
func (s *snapshot) node(name string) *corev1.Node { return find(s.nodes, name, nameOfNode) }

// notice is an event about an object.
type notice struct {
	about client.Object
	event model.Event
}

// reader is the only reader of the cluster.
type reader struct {
	// cache reads from the manager's cache and sees every write of this process.
	cache client.Reader
	// informers of that cache; nil if it cannot be read without a copy.
	informers crcache.Informers
	// live reads from the API server.
	live                  client.Reader
	kept                  kept
	pods                  podWatcher
	gates                 gateAsker
	interest              *interest
	namespace             string
	clusterMaxUnavailable *intstr.IntOrString
	// leaderNode is the node that this manager runs on.
	leaderNode   string
	maintenances maintenanceLister
	// leaseNamespaces are those in which Leases of maintenances are honored.
	leaseNamespaces []string
	observed        *observed
	// quorumLabels of nodes that may run etcd besides those with the labels of Kubernetes.
	quorumLabels []string
	slotsKnown   *slotsMemory
}

func (r *reader) objects() objectCache { return objectCache{reader: r.cache, informers: r.informers} }

// podWatcher knows the pods of single nodes.
type podWatcher interface {
	// nameKeys says which labels and annotations of pods matter.
	nameKeys(keys sets.Set[string])
	// watch gets to know the pods of nodes. An error may be about some of them only; list says about which.
	watch(ctx context.Context, nodes []string) error
	// keep forgets the pods of all nodes but these.
	keep(nodes sets.Set[string])
	// ahead begins to get to know the pods of nodes that will matter soon. It waits for nothing.
	ahead(nodes []string)
	// list returns the pods of a node, and whether they are known. The pods belong to a cache: never change them.
	list(node string) ([]*corev1.Pod, bool)
}

// gateAsker asks what a plan has to know from outside.
type gateAsker interface {
	// Answer returns the answers that are known, and has the others found out: there is another pass when they are.
	Answer(ctx context.Context, policies []*v1alpha1.RebootPolicy, asks []model.GateQuery) map[model.GateKey]model.GateAnswer
	// Keep forgets all questions but these.
	Keep(policies []*v1alpha1.RebootPolicy, asks []model.GateQuery)
	// Invalid says about policies, by name, what in their gates does not compile.
	Invalid(policies []*v1alpha1.RebootPolicy) map[string]string
}

// read makes a snapshot without any pods and answers. It calls the API server only where it is not known what the slots object holds, or
// whether a NodeReboot that holds a slot is gone.
func (r *reader) read(ctx context.Context) (*snapshot, error) {
	s := &snapshot{Snapshot: plan.Snapshot{
		ClusterMaxUnavailable: r.clusterMaxUnavailable, LeaderNode: r.leaderNode, QuorumLabels: r.quorumLabels,
		Namespace: r.namespace, TellPlaces: true,
	}}
	if err := r.readPolicies(ctx, s); err != nil {
		return nil, err
	}
	if err := r.readReboots(ctx, s); err != nil {
		return nil, err
	}
	if err := r.readNodes(ctx, s); err != nil {
		return nil, err
	}
	s.workloads, s.unknown, s.Workloads = sets.New[model.WorkloadKey](), sets.New[model.WorkloadKey](), map[model.WorkloadKey]model.Workload{}
	r.addWorkloads(ctx, s, projection.OpenWorkloads(slices.Collect(maps.Keys(r.kept.unfinished))))
	if err := r.readSlots(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

// fill adds the pods of more nodes to a snapshot, and the workloads that they belong to. An error may be about some of the nodes; those
// are then missing in the snapshot, which is complete otherwise.
func (r *reader) fill(ctx context.Context, s *snapshot, nodes []string) error {
	named := sets.New[string]()
	for _, policy := range s.Policies {
		named.Insert(policies.PodKeys(policy)...)
	}
	r.pods.nameKeys(named)
	watchErr := r.pods.watch(ctx, nodes)
	project := projectPods(ctx, r.cache, &r.kept.budgets)
	if s.Pods == nil {
		s.Pods = make(map[string][]model.Pod, len(nodes))
	}
	errs := []error{watchErr}
	workloads := sets.New[model.WorkloadKey]()
	for _, node := range nodes {
		pods, known := r.pods.list(node)
		if !known {
			continue
		}
		projected, err := project.Project(pods)
		if err != nil {
			errs = append(errs, fmt.Errorf("read the pods of node %s: %w", node, err))
			continue
		}
		s.Pods[node] = projected
		for i := range projected {
			workloads.Insert(projected[i].Workloads...)
		}
	}
	r.addWorkloads(ctx, s, workloads)
	for node, pods := range s.Pods {
		if slices.ContainsFunc(pods, func(pod model.Pod) bool { return s.unknown.HasAny(pod.Workloads...) }) {
			delete(s.Pods, node) // what they are compared with later is not known
			nodes = append(nodes, node)
		}
	}
	s.noteUnread(nodes)
	return errors.Join(errs...)
}

// noteUnread notes which of the nodes that were asked for have pods that cannot be read.
func (s *snapshot) noteUnread(nodes []string) {
	for _, node := range nodes {
		if _, read := s.Pods[node]; read {
			continue
		}
		if s.PodsUnread == nil {
			s.PodsUnread = map[string]bool{}
		}
		s.PodsUnread[node] = true
	}
}

func (r *reader) readPolicies(ctx context.Context, s *snapshot) error {
	policies, err := r.objects().policies(ctx)
	if err != nil {
		return err
	}
	s.Policies = policies
	s.Invalid = r.gates.Invalid(s.Policies)
	return nil
}

func (r *reader) readReboots(ctx context.Context, s *snapshot) error {
	if err := r.kept.listReboots(ctx, r); err != nil {
		return err
	}
	s.Reboots = r.kept.reboots.list
	return nil
}

func (r *reader) readNodes(ctx context.Context, s *snapshot) error {
	types := projection.TriggerTypes(s.Policies)
	r.interest.setConditions(types)
	r.observed.lookFor(types)
	own, err := r.ownPods(ctx)
	if err != nil {
		return err
	}
	helperSets, err := r.helperSets(ctx)
	if err != nil {
		return err
	}
	foreign := r.readForeign(ctx, s)
	s.notices = foreign.notices
	volumes := r.readVolumes(ctx, s)
	if err := r.kept.listNodes(ctx, r); err != nil {
		return err
	}
	s.ManagerPods, s.nodes = own.managers, r.kept.nodes.list
	s.Nodes = make([]*model.Node, len(s.nodes))
	r.kept.nodeViews.begin(helperSets, types)
	of := surroundings{own: own, sets: projection.NewHelperSets(r.namespace, helperSets), foreign: foreign, volumes: volumes}
	views := make([]viewedNode, len(s.nodes))
	for i, node := range s.nodes {
		views[i] = r.viewOf(i, node, &of)
		s.Nodes[i] = views[i].view
	}
	r.kept.nodeViews.keep(views)
	r.observed.keepNodes(s.nodes)
	return nil
}

// surroundings are what is known of Nodes from outside.
type surroundings struct {
	own     *operatorPods
	sets    *projection.HelperSets
	foreign *foreignMaintenance
	volumes map[string][]string
}

// viewOf a Node that is at a place in the list.
func (r *reader) viewOf(at int, node *corev1.Node, of *surroundings) viewedNode {
	outside := projection.Outside{Foreign: of.foreign.of(node.Name), Volumes: of.volumes[node.Name]}
	alone := isAlone(&outside)
	if view, known := r.kept.nodeViews.known(at, node); known && alone {
		return viewedNode{node, view, alone}
	}
	outside.Conditions, outside.NoDetector = r.observed.ofNode(node), of.sets.NoDetector(node)
	if pods := of.own.helpers[node.Name]; len(pods) > 0 {
		outside.Helper = projection.HelperAmong(pods)
	} else {
		outside.Problem, outside.NotMeant = of.sets.Missing(node)
	}
	outside.Since = r.observed.ofHelper(node.UID, outside.Helper.Ready)
	return viewedNode{node, r.kept.view(node, &outside), alone}
}

// readSlots takes the slots object as this manager last read or wrote it, and reads it if that is not known. Whatever is granted or freed
// is written on that version, and so is the renewal of a grant with which a node is cordoned again: if another manager wrote it in the
// meantime, that fails, and the next pass reads it.
func (r *reader) readSlots(ctx context.Context, s *snapshot) error {
	if !r.slotsKnown.known {
		return r.readSlotsLive(ctx, s)
	}
	r.takeSlots(ctx, s)
	return nil
}

// readSlotsLive reads the slots object from the API server.
func (r *reader) readSlotsLive(ctx context.Context, s *snapshot) error {
	object := &corev1.ConfigMap{}
	err := r.live.Get(ctx, types.NamespacedName{Namespace: r.namespace, Name: v1alpha1.SlotsName}, object)
	if apierrors.IsNotFound(err) {
		object, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("read the slots object: %w", err)
	}
	r.slotsKnown.note(object, nil)
	s.SlotsLive = true
	r.takeSlots(ctx, s)
	return nil
}

// takeSlots adds to a snapshot what the slots object is known to hold.
func (r *reader) takeSlots(ctx context.Context, s *snapshot) {
	s.Slots = nil
	if s.slots = r.slotsKnown.object; s.slots == nil {
		return
	}
	s.Slots = projection.DecodeSlots(s.slots.Data)
	if len(s.Slots) > 0 {
		r.markGone(ctx, s)
	}
}

// markGone marks the slots whose NodeReboot is gone. One of which that is not known is held.
func (r *reader) markGone(ctx context.Context, s *snapshot) {
	for node, slot := range s.Slots {
		if reboot := s.reboot(slot.Reboot); reboot != nil && string(reboot.UID) == slot.UID {
			continue
		}
		gone, err := r.gone(ctx, slot)
		if err != nil {
			s.unread = append(s.unread, err)
		}
		slot.Gone = gone
		s.Slots[node] = slot
	}
}

// gone asks the API server whether the NodeReboot that holds a slot is gone: that the cache does not know it may mean that the cache is
// behind what another leader granted.
func (r *reader) gone(ctx context.Context, slot plan.Slot) (bool, error) {
	if len(validation.NameIsDNSSubdomain(slot.Reboot, false)) > 0 {
		return true, nil // Nothing can have that name.
	}
	var reboot v1alpha1.NodeReboot
	err := r.live.Get(ctx, types.NamespacedName{Name: slot.Reboot}, &reboot)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read NodeReboot %s, which holds a slot: %w", slot.Reboot, err)
	}
	return string(reboot.UID) != slot.UID, nil
}
