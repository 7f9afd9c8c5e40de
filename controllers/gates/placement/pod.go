package placement

import (
	"maps"
	"slices"
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-helpers/storage/ephemeral"

	"github.com/reboot-operator/reboot-operator/internal/selectors"
)

const (
	// maxShape is how many bytes of a pod may say which nodes take it. One with more finds no room.
	maxShape = 8 << 10
	// maxLabels is how many bytes of labels are kept of a pod, the first by key, and maxClaims how many bytes of names of its claims.
	maxLabels = 4 << 10
	maxClaims = 4 << 10
)

// Pod is what is kept of a pod. There are as many of them as pods in the cluster, so what pods of a workload have in common is kept once.
type Pod struct {
	kind unique.Handle[kind]
	name string
	// node that it is bound to; empty is that it waits for one.
	node text
	// claims are the names of its PersistentVolumeClaims, each with a zero byte behind it. Those that are deleted with it come after an empty
	// one.
	claims text
	// annotations are those that drains look at, as labelText.
	annotations text
	state       state
	// group and home are set while a Cluster has the pod, and where in them it is.
	group           *group
	home            *node
	inGroup, inHome int32
}

// kind is what pods have in common.
type kind struct{ namespace, labels, shape text }

// state of a pod, in bits.
type state uint8

const (
	// ended: it uses nothing anymore.
	ended state = 1 << iota
	// moves: when it is evicted, another one has to be placed.
	moves
	// terminating: it is being deleted.
	terminating
	// gated: the scheduler does not look at it yet.
	gated
)

func (p *Pod) is(s state) bool { return p.state&s != 0 }

// GetObjectMeta implements metav1.ObjectMetaAccessor.
func (p *Pod) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: p.kind.Value().namespace.Value(), Name: p.name}
}

// GetObjectKind implements runtime.Object.
func (*Pod) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object. What is kept does not change, so it is its own copy.
func (p *Pod) DeepCopyObject() runtime.Object { return p }

// NewPod keeps what counts of a pod, and the named annotations.
func NewPod(from *corev1.Pod, annotations []string) *Pod {
	p := &Pod{
		name: from.Name, node: unique.Make(from.Spec.NodeName), claims: unique.Make(claimsOf(from)),
		annotations: unique.Make(string(annotationsOf(from, annotations))), state: stateOf(from),
	}
	p.kind = unique.Make(kind{
		namespace: unique.Make(from.Namespace), labels: unique.Make(string(labelsOf(from.Labels))), shape: unique.Make(shapeText(from)),
	})
	return p
}

func stateOf(pod *corev1.Pod) state {
	var s state
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		s |= ended
	}
	if pod.DeletionTimestamp != nil {
		s |= terminating
	}
	if len(pod.Spec.SchedulingGates) > 0 {
		s |= gated
	}
	// If the pod is evicted, its controller makes another one. The replacement of a terminating pod already exists.
	owner := metav1.GetControllerOfNoCopy(pod)
	_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
	if owner != nil && owner.Kind != "DaemonSet" && owner.Kind != "Node" && !mirror && pod.DeletionTimestamp == nil {
		s |= moves
	}
	return s
}

// labelsOf a pod: all, or the first by key, if there are very many.
func labelsOf(all map[string]string) labelText {
	keys := slices.Sorted(maps.Keys(all))
	size := 0
	for i, key := range keys {
		if size += len(key) + len(all[key]) + 2; size > maxLabels {
			keys = keys[:i]
			break
		}
	}
	return textOfLabels(all, keys)
}

func annotationsOf(pod *corev1.Pod, named []string) labelText {
	if len(named) == 0 || len(pod.Annotations) == 0 {
		return ""
	}
	matchable := selectors.Annotations(pod.Annotations)
	var keys []string
	for _, key := range named {
		if _, has := matchable[key]; has {
			keys = append(keys, key)
		}
	}
	return textOfLabels(matchable, keys)
}

func claimsOf(pod *corev1.Pod) string {
	var lasting, own strings.Builder
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		switch {
		case lasting.Len()+own.Len() > maxClaims:
		case volume.PersistentVolumeClaim != nil:
			lasting.WriteString(volume.PersistentVolumeClaim.ClaimName + "\x00")
		case volume.Ephemeral != nil:
			own.WriteString(ephemeral.VolumeClaimName(pod, volume) + "\x00")
		}
	}
	if own.Len() == 0 {
		return lasting.String()
	}
	return lasting.String() + "\x00" + own.String()
}

// volumeClaims are the names of the claims that stay when the pod goes, and of those that are deleted with it.
func (p *Pod) volumeClaims() (lasting, own []string) {
	names := strings.Split(p.claims.Value(), "\x00")
	names = names[:len(names)-1]
	if i := slices.Index(names, ""); i >= 0 {
		return names[:i], names[i+1:]
	}
	return names, nil
}

// selectedBy says whether a drain with this selector evicts the pod.
func (p *Pod) selectedBy(selector selectors.Pods) bool {
	return selector.Matches(labelText(p.kind.Value().labels.Value()).set(), labelText(p.annotations.Value()).set())
}
