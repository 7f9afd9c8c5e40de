package placement

import (
	"strings"
	"unique"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// text is a string with only one copy in memory.
type text = unique.Handle[string]

// Named is what all that is kept has in common: an object with a namespace and a name, and nothing else that an API object has.
type Named struct{ Namespace, Name string }

// GetObjectMeta implements metav1.ObjectMetaAccessor.
func (n *Named) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: n.Namespace, Name: n.Name}
}

// GetObjectKind implements runtime.Object.
func (*Named) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object. What is kept does not change, so it is its own copy.
func (n *Named) DeepCopyObject() runtime.Object { return n }

// labelText are labels as one text, which many objects have in common: key, value, key, value, each with a zero byte behind it.
type labelText string

func textOfLabels(set map[string]string, keys []string) labelText {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(key)
		b.WriteByte(0)
		b.WriteString(set[key])
		b.WriteByte(0)
	}
	return labelText(b.String())
}

// Lookup implements labels.Labels.
func (l labelText) Lookup(label string) (value string, exists bool) {
	rest := string(l)
	for rest != "" {
		key, after, _ := strings.Cut(rest, "\x00")
		value, after, _ := strings.Cut(after, "\x00")
		if key == label {
			return value, true
		}
		rest = after
	}
	return "", false
}

// Has implements labels.Labels.
func (l labelText) Has(label string) bool {
	_, exists := l.Lookup(label)
	return exists
}

// Get implements labels.Labels.
func (l labelText) Get(label string) string {
	value, _ := l.Lookup(label)
	return value
}

func (l labelText) set() labels.Set {
	set := labels.Set{}
	for rest := string(l); rest != ""; {
		key, after, _ := strings.Cut(rest, "\x00")
		set[key], rest, _ = strings.Cut(after, "\x00")
	}
	return set
}

// Node is what is kept of a node.
type Node struct {
	Named
	labels map[string]string
	taints []corev1.Taint
	offers amounts
	// closed: it is cordoned or not Ready.
	closed bool
}

// NewNode keeps what counts of a node.
func NewNode(from *corev1.Node) *Node {
	n := &Node{
		Named: Named{Name: from.Name}, labels: make(map[string]string, len(from.Labels)), offers: amountsOf(from.Status.Allocatable),
		closed: from.Spec.Unschedulable || !ready(from),
	}
	for key, value := range from.Labels {
		n.labels[shared(key)] = shared(value)
	}
	for _, taint := range from.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule {
			n.taints = append(n.taints, corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect})
		}
	}
	return n
}

// shared returns one copy of equal texts.
func shared(s string) string { return unique.Make(s).Value() }

func ready(node *corev1.Node) bool {
	for i := range node.Status.Conditions {
		if c := &node.Status.Conditions[i]; c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// object for the scheduler's own library.
func (n *Node) object() *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.labels}}
}

// Namespace is what is kept of a namespace.
type Namespace struct {
	Named
	labels map[string]string
}

// NewNamespace keeps what counts of a namespace.
func NewNamespace(from *corev1.Namespace) *Namespace {
	return &Namespace{Named: Named{Name: from.Name}, labels: from.Labels}
}

// Claim is what is kept of a PersistentVolumeClaim.
type Claim struct {
	Named
	volume string
}

// NewClaim keeps what counts of a claim.
func NewClaim(from *corev1.PersistentVolumeClaim) *Claim {
	return &Claim{Named: Named{from.Namespace, from.Name}, volume: from.Spec.VolumeName}
}

// Volume is what is kept of a PersistentVolume.
type Volume struct {
	Named
	// affinity is its node affinity, and zones are the labels that say where it is; both are those of many volumes.
	affinity text
	zones    text
	// driver attaches it, and handle tells it from others of the driver; empty is that nothing counts how many are attached.
	driver text
	handle string
}

// zoneLabels of a volume name the zones and regions in which it can be attached.
var zoneLabels = []string{
	corev1.LabelTopologyRegion, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaRegion, corev1.LabelFailureDomainBetaZone,
}

// NewVolume keeps what counts of a volume.
func NewVolume(from *corev1.PersistentVolume) *Volume {
	v := &Volume{Named: Named{Name: from.Name}, affinity: unique.Make("")}
	if from.Spec.NodeAffinity != nil && from.Spec.NodeAffinity.Required != nil {
		if encoded, err := from.Spec.NodeAffinity.Required.Marshal(); err == nil {
			v.affinity = unique.Make(string(encoded))
		}
	}
	var keys []string
	for _, key := range zoneLabels {
		if _, has := from.Labels[key]; has {
			keys = append(keys, key)
		}
	}
	v.zones = unique.Make(string(textOfLabels(from.Labels, keys)))
	if csi := from.Spec.CSI; csi != nil {
		v.driver, v.handle = unique.Make(csi.Driver), csi.VolumeHandle
	}
	return v
}

// Limits are what is kept of a CSINode: how many volumes of each driver can be attached to the node.
type Limits struct {
	Named
	drivers map[text]int
}

// NewLimits keeps what counts of a CSINode.
func NewLimits(from *storagev1.CSINode) *Limits {
	l := &Limits{Named: Named{Name: from.Name}}
	for i := range from.Spec.Drivers {
		driver := &from.Spec.Drivers[i]
		if driver.Allocatable == nil || driver.Allocatable.Count == nil {
			continue
		}
		if l.drivers == nil {
			l.drivers = map[text]int{}
		}
		l.drivers[unique.Make(driver.Name)] = int(*driver.Allocatable.Count)
	}
	return l
}
