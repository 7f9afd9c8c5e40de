package placement

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/selectors"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// scheduled is a random cluster that is there: the API server has its objects, and the scheduler watches them.
type scheduled struct {
	*world
	t       *testing.T
	ctx     context.Context //nolint:containedctx // that of the test
	client  client.WithWatch
	claims  []*corev1.PersistentVolumeClaim
	volumes []*corev1.PersistentVolume
}

// One pod leaves a node that is cordoned. It has room if and only if the scheduler finds a node for it.
func TestTheSchedulerAgrees(t *testing.T) {
	ctx := t.Context()
	cluster, err := testbed.Start(ctx, testbed.Options{BareAPI: true, Scheduler: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	}()
	s := &scheduled{t: t, ctx: ctx, client: cluster.Client()}
	for _, name := range []string{"apps", "other"} {
		s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		s.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: name}})
	}
	fits, lacks := 0, 0
	// In 111 and 323 a constraint heeds taints, and so does not count the node that is cordoned.
	for _, seed := range append([]uint64{111, 323}, seeds(40)...) {
		s.build(seed)
		for _, p := range s.pods {
			if controlledBy(p, "DaemonSet") {
				continue
			}
			if s.compare(seed, p) {
				fits++
			} else {
				lacks++
			}
		}
		s.remove()
	}
	t.Logf("the scheduler found a node for %d pods, and none for %d", fits, lacks)
	if fits < 50 || lacks < 50 {
		t.Errorf("%d pods found a node and %d did not: the test says little", fits, lacks)
	}
}

func seeds(count int) []uint64 {
	all := make([]uint64, count)
	for i := range all {
		all[i] = uint64(i)
	}
	return all
}

func controlledBy(p *corev1.Pod, kind string) bool {
	owner := metav1.GetControllerOf(p)
	return owner != nil && owner.Kind == kind
}

// build a world. All pods of it are on nodes, so that nothing waits for the scheduler.
func (s *scheduled) build(seed uint64) {
	s.world = newWorld(seed+4<<32, 3+int(seed%4), 5+int(seed%9))
	for i, n := range s.nodes {
		n.Name = fmt.Sprintf("%s%d", n.Name, seed) // the scheduler may know the last world for a moment
		n.Labels[host] = n.Name
		s.createNode(s.nodes[i])
	}
	s.claims, s.volumes = nil, nil
	for i, p := range s.pods {
		p.Name = fmt.Sprintf("%s-%d", p.Name, seed)
		p.Labels["pod"] = p.Name
		p.Spec.TopologySpreadConstraints = slices.CompactFunc(p.Spec.TopologySpreadConstraints, sameKey) // the API server refuses two of a kind
		p.DeletionTimestamp, p.Spec.Priority, p.Spec.PreemptionPolicy = nil, nil, nil
		p.Spec.NodeName = s.nodes[s.IntN(len(s.nodes))].Name
		p.OwnerReferences[0].UID = "owner"
		p.Spec.Containers[0].Image = "app"
		p.Spec.TerminationGracePeriodSeconds = ptr.To[int64](0)
		for j := range p.Spec.Containers[0].Ports {
			p.Spec.Containers[0].Ports[j].ContainerPort = p.Spec.Containers[0].Ports[j].HostPort
		}
		if s.chance(20) {
			s.addVolume(i, p)
		}
		s.create(p.DeepCopy())
	}
}

func sameKey(a, b corev1.TopologySpreadConstraint) bool { return a.TopologyKey == b.TopologyKey }

// createNode and have it take pods: a node that is new has a taint until its kubelet and the node controller have been there.
func (s *scheduled) createNode(n *corev1.Node) {
	created := n.DeepCopy()
	s.create(created)
	created.Spec.Taints = n.Spec.Taints
	s.update(created)
	created.Status = n.Status
	if err := s.client.Status().Update(s.ctx, created); err != nil {
		s.t.Fatalf("update the status of node %s: %v", n.Name, err)
	}
}

// addVolume gives a pod a claim that is bound to a volume, which only nodes of one zone reach.
func (s *scheduled) addVolume(i int, p *corev1.Pod) {
	name := fmt.Sprintf("data-%d-%s", i, p.Name)
	storage := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	v := volumeOf(name, reachedFrom(zone, fmt.Sprint(s.IntN(3))))
	v.Spec.Capacity, v.Spec.AccessModes = storage, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	v.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: p.Namespace, Name: name}
	claim := claimOf(name, name)
	claim.Namespace = p.Namespace
	claim.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
	claim.Spec.AccessModes = v.Spec.AccessModes
	claim.Spec.Resources.Requests, claim.Spec.StorageClassName = storage, ptr.To("")
	claims(name)(p)
	createdClaim, createdVolume := claim.DeepCopy(), v.DeepCopy()
	s.create(createdClaim)
	createdVolume.Spec.ClaimRef.UID = createdClaim.UID
	s.create(createdVolume)
	createdClaim.Status.Phase = corev1.ClaimBound
	if err := s.client.Status().Update(s.ctx, createdClaim); err != nil {
		s.t.Fatalf("bind claim %s: %v", name, err)
	}
	s.claims, s.volumes = append(s.claims, claim), append(s.volumes, v)
}

func (s *scheduled) cluster() *Cluster {
	c := s.world.cluster()
	for i := range s.claims {
		c.SetClaim(NewClaim(s.claims[i]))
		c.SetVolume(NewVolume(s.volumes[i]))
	}
	return c
}

// compare what is said about a pod with what the scheduler does, and return whether there is room. The scheduler hears of nodes and of pods
// by two watches, so it may not know yet that the node is cordoned. It is asked again if it disagrees, and has to agree in the end.
func (s *scheduled) compare(seed uint64, p *corev1.Pod) bool {
	only, err := selectors.ForPods(&v1alpha1.PodSelector{LabelSelector: v1alpha1.LabelSelector{
		MatchLabels: map[string]v1alpha1.LabelValue{"pod": v1alpha1.LabelValue(p.Name)},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	lacks := s.cluster().Room(nil).Lack(p.Spec.NodeName, only)
	s.cordon(p.Spec.NodeName, true)
	defer s.cordon(p.Spec.NodeName, false)
	why := ""
	for range 5 {
		s.delete(p)
		if why = s.schedule(p); (why == "") == (lacks == "") {
			break
		}
	}
	s.delete(p)
	s.create(p.DeepCopy())
	if (why == "") != (lacks == "") {
		s.t.Errorf("seed %d, pod %s of node %s: %q is said to be in the way, and the scheduler says %q\n%s",
			seed, p.Name, p.Spec.NodeName, lacks, why, s.naive())
	}
	return lacks == ""
}

// schedule a copy of the pod, and return why no node takes it; empty is that one did.
func (s *scheduled) schedule(p *corev1.Pod) string {
	waiting := p.DeepCopy()
	waiting.Spec.NodeName = ""
	s.create(waiting)
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	events, err := s.client.Watch(ctx, &corev1.PodList{}, &client.ListOptions{
		Namespace: p.Namespace, Raw: &metav1.ListOptions{ResourceVersion: waiting.ResourceVersion, FieldSelector: "metadata.name=" + p.Name},
	})
	if err != nil {
		s.t.Fatalf("watch pod %s: %v", p.Name, err)
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok {
			s.t.Fatalf("watch pod %s: %v", p.Name, event.Object)
		}
		for _, condition := range pod.Status.Conditions {
			switch {
			case condition.Type != corev1.PodScheduled:
			case condition.Status == corev1.ConditionTrue:
				return ""
			case condition.Reason == corev1.PodReasonUnschedulable:
				return condition.Message
			}
		}
	}
	s.t.Fatalf("the scheduler did not decide about pod %s", p.Name)
	return ""
}

// cordon a node, with the taint that the node controller adds.
func (s *scheduled) cordon(name string, cordoned bool) {
	var node corev1.Node
	if err := s.client.Get(s.ctx, client.ObjectKey{Name: name}, &node); err != nil {
		s.t.Fatalf("get node %s: %v", name, err)
	}
	taint := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	node.Spec.Unschedulable = cordoned
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
	if cordoned {
		node.Spec.Taints = append(node.Spec.Taints, taint)
	}
	s.update(&node)
}

func (s *scheduled) remove() {
	for _, p := range s.pods {
		s.delete(p)
	}
	for _, n := range s.nodes {
		s.delete(n)
	}
}

func (s *scheduled) create(object client.Object) {
	if err := s.client.Create(s.ctx, object); err != nil {
		s.t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}
}

func (s *scheduled) update(object client.Object) {
	if err := s.client.Update(s.ctx, object); err != nil {
		s.t.Fatalf("update %T %s: %v", object, object.GetName(), err)
	}
}

func (s *scheduled) delete(object client.Object) {
	err := s.client.Delete(s.ctx, object.DeepCopyObject().(client.Object), client.GracePeriodSeconds(0))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		s.t.Fatalf("delete %T %s: %v", object, object.GetName(), err)
	}
}
