package helper

import (
	"cmp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// A pod returns if its owner puts it back on the cordoned node after it lost another one there to an eviction. Waiting until no such pod is
// left would never end, and evicting each at once would be a tight loop. So an owner's returning pods are evicted a few times, with growing
// pauses, and then left alone.
const (
	// maxReturns is how many returning pods of one owner are evicted.
	maxReturns = 3
	// returnPause is waited before the first of them is evicted; it doubles each time.
	returnPause = time.Second
	// maxOwner is the most characters that the name of an owner takes.
	maxOwner = 256
	// maxReturned is how many returned pods a report names.
	maxReturned = 5
)

// ownerKey identifies an owner by name: one that is deleted and created again is the same.
type ownerKey struct {
	namespace, group, kind, name string
}

// owner is what puts pods on the node.
type owner struct {
	key ownerKey
	// evicted is set when a pod of it was evicted in this drain.
	evicted bool
	// inFlight is how many evictions of its pods have not been answered.
	inFlight int
	// returns is how many returning pods were evicted.
	returns int32
	// next is when the next returning pod may be evicted.
	next time.Time
}

// ownerOf is the owner of a pod: its controller, or its first owner if it has no controller. A ReplicaSet of a Deployment stands for the
// Deployment, which may be rolled out during the drain. A pod without an owner may be put back, too: its creator is identified by the name
// that it gives the pod.
func ownerOf(pod *corev1.Pod) ownerKey {
	reference := firstOwner(pod)
	if reference == nil {
		return ownerKey{namespace: pod.Namespace, name: cmp.Or(pod.GenerateName, pod.Name)}
	}
	group := schema.FromAPIVersionAndKind(reference.APIVersion, reference.Kind).Group
	key := ownerKey{namespace: pod.Namespace, group: group, kind: reference.Kind, name: reference.Name}
	deployment, isHashed := strings.CutSuffix(key.name, "-"+pod.Labels[templateHash])
	if key.group == "apps" && key.kind == "ReplicaSet" && isHashed {
		key.kind, key.name = "Deployment", deployment
	}
	return key
}

// String names the owner, for example "DaemonSet apps.kruise.io agent".
func (k ownerKey) String() string {
	if k.kind == "" {
		return truncate("whatever creates Pod "+k.name, maxOwner)
	}
	parts := []string{k.kind, k.group, k.name}
	if k.group == "" {
		parts = []string{k.kind, k.name}
	}
	return truncate(strings.Join(parts, " "), maxOwner)
}

// ownerOf returns what is known about the owner of a pod.
func (d *drain) ownerOf(pod *corev1.Pod) *owner {
	key := ownerOf(pod)
	o := d.owners[key]
	if o == nil {
		o = &owner{key: key}
		d.owners[key] = o
	}
	return o
}

// noteReturn notes that the pod returns, if it does. A pod whose eviction was asked for already does not: it is the pod that is lost.
func (p *leavingPod) noteReturn() {
	if p.late && p.owner.evicted && !p.inFlight && p.acceptedTime.IsZero() {
		p.returns = true
	}
}

// exhausted reports whether the pod returns and is not evicted again.
func (p *leavingPod) exhausted() bool {
	return p.returns && p.owner.returns >= maxReturns && !p.inFlight && !p.accepted && p.DeletionTimestamp == nil
}

// waitsForOwner reports whether the pod cannot be evicted yet because of other pods of its owner. Until an eviction is answered, it is not
// known whether a later pod is a returning one.
func (p *leavingPod) waitsForOwner(now time.Time) bool {
	switch {
	case !p.late:
		return false
	case p.owner.inFlight > 0:
		return true
	}
	return p.returns && (p.owner.returns >= maxReturns || now.Before(p.owner.next))
}

// ownerNext is when the next returning pod of its owner may be evicted; zero if that does not matter.
func (p *leavingPod) ownerNext() time.Time {
	if !p.returns {
		return time.Time{}
	}
	return p.owner.next
}

// settle notes what came of the eviction of one of the owner's pods.
func (o *owner) settle(p *leavingPod, evicted bool, now time.Time) {
	o.inFlight--
	if !evicted {
		if p.returns {
			o.next = now.Add(returnPause)
		}
		return
	}
	o.evicted = true
	if p.returns && !p.counted {
		p.counted = true
		o.returns++
	}
	o.next = now.Add(returnPause << min(o.returns, maxReturns))
}

// returned lists the pods on the node that returned.
func (d *drain) returned() []v1alpha1.ReturnedPod {
	var returned []v1alpha1.ReturnedPod
	for _, p := range sorted(d.leaving, d.ignored) {
		if p.returns && len(returned) < maxReturned {
			returned = append(returned, v1alpha1.ReturnedPod{
				Namespace: p.Namespace, Name: p.Name, Owner: p.owner.key.String(), Evictions: p.owner.returns,
			})
		}
	}
	return returned
}
