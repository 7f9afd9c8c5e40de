package placement

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	resourcehelper "k8s.io/component-helpers/resource"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// shape is what says which nodes take a pod.
type shape struct {
	needs    amounts
	priority int32
	// preempts: it takes the room of pods that are expendable.
	preempts    bool
	affinity    nodeaffinity.RequiredNodeAffinity
	tolerations []corev1.Toleration
	// choosy: it selects nodes.
	choosy bool
	ports  []port
	// near are terms of pods that have to run in the same domain, and apart of those that must not.
	near, apart []podTerm
	spread      []spreadTerm
	// unreadable: what says which nodes take it is too large, or cannot be understood.
	unreadable bool
}

// expendable pods give their room to others, as placeholders do, and need none when they are evicted: their priority is below zero.
func (s *shape) expendable() bool { return s.priority < 0 }

// port of a node that a pod uses.
type port struct {
	ip       string
	protocol corev1.Protocol
	number   int32
}

func (p port) conflicts(other port) bool {
	anyIP := func(ip string) bool { return ip == "" || ip == "0.0.0.0" }
	return p.number == other.number && p.protocol == other.protocol && (p.ip == other.ip || anyIP(p.ip) || anyIP(other.ip))
}

// podTerm selects pods around which another one is placed.
type podTerm struct {
	key      string
	selector labels.Selector
	// namespaces by name and by label; if there are none of either, it is that of the pod that has the term.
	namespaces        []string
	namespaceSelector labels.Selector
}

// spreadTerm is a topology spread constraint.
type spreadTerm struct {
	key                 string
	selector            labels.Selector
	matchLabelKeys      []string
	maxSkew, minDomains int
	// honorAffinity and honorTaints: nodes that do not take the pod by these are no domains.
	honorAffinity, honorTaints bool
}

// shapeText is the shape of a pod as text, the same for pods that are alike: a PodSpec with nothing but what counts.
func shapeText(pod *corev1.Pod) string {
	spec := &pod.Spec
	kept := corev1.PodSpec{
		NodeSelector: spec.NodeSelector, Tolerations: spec.Tolerations, Priority: spec.Priority, PreemptionPolicy: spec.PreemptionPolicy,
		Affinity: requiredOnly(spec.Affinity),
	}
	for i := range spec.TopologySpreadConstraints {
		if c := spec.TopologySpreadConstraints[i]; c.WhenUnsatisfiable == corev1.DoNotSchedule {
			kept.TopologySpreadConstraints = append(kept.TopologySpreadConstraints, c)
		}
	}
	// Where a pod was resized, the larger of what it has and what it asked for counts.
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{UseStatusResources: true})
	kept.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: requests}, Ports: hostPorts(spec)}}
	encoded, err := kept.Marshal()
	if err != nil || len(encoded) > maxShape {
		few := corev1.PodSpec{Hostname: tooLarge, Priority: spec.Priority}
		few.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: standardOnly(requests)}}}
		encoded, _ = few.Marshal() // it has no part that cannot be encoded
	}
	return string(encoded)
}

// tooLarge marks a shape that was not kept.
const tooLarge = "-"

func standardOnly(requests corev1.ResourceList) corev1.ResourceList {
	few := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if quantity, has := requests[name]; has {
			few[name] = quantity
		}
	}
	return few
}

func requiredOnly(all *corev1.Affinity) *corev1.Affinity {
	if all == nil {
		return nil
	}
	var kept corev1.Affinity
	if all.NodeAffinity != nil {
		if required := all.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
			kept.NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}
		}
	}
	if all.PodAffinity != nil {
		if required := all.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution; len(required) > 0 {
			kept.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}
		}
	}
	if all.PodAntiAffinity != nil {
		if required := all.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution; len(required) > 0 {
			kept.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}
		}
	}
	return &kept
}

// hostPorts of a pod: those of init containers count if they run as long as the pod does.
func hostPorts(spec *corev1.PodSpec) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	add := func(container *corev1.Container) {
		for _, p := range container.Ports {
			if p.HostPort > 0 {
				ports = append(ports, corev1.ContainerPort{HostIP: p.HostIP, Protocol: p.Protocol, HostPort: p.HostPort})
			}
		}
	}
	for i := range spec.InitContainers {
		if policy := spec.InitContainers[i].RestartPolicy; policy != nil && *policy == corev1.ContainerRestartPolicyAlways {
			add(&spec.InitContainers[i])
		}
	}
	for i := range spec.Containers {
		add(&spec.Containers[i])
	}
	return ports
}

// newShape reads what shapeText wrote.
func newShape(encoded string) *shape {
	var spec corev1.PodSpec
	if err := spec.Unmarshal([]byte(encoded)); err != nil || len(spec.Containers) != 1 {
		return &shape{unreadable: true}
	}
	pod := &corev1.Pod{Spec: spec}
	s := &shape{
		needs: amountsOf(spec.Containers[0].Resources.Requests), priority: corev1helpers.PodPriority(pod),
		preempts:    spec.PreemptionPolicy == nil || *spec.PreemptionPolicy != corev1.PreemptNever,
		affinity:    nodeaffinity.GetRequiredNodeAffinity(pod),
		choosy:      len(spec.NodeSelector) > 0 || spec.Affinity != nil && spec.Affinity.NodeAffinity != nil,
		tolerations: spec.Tolerations, unreadable: spec.Hostname == tooLarge,
	}
	s.needs.pods = 1
	for _, p := range spec.Containers[0].Ports {
		s.ports = append(s.ports, port{ip: p.HostIP, protocol: p.Protocol, number: p.HostPort})
	}
	s.readTerms(&spec)
	return s
}

func (s *shape) readTerms(spec *corev1.PodSpec) {
	if spec.Affinity != nil && spec.Affinity.PodAffinity != nil {
		s.near = s.podTerms(spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	if spec.Affinity != nil && spec.Affinity.PodAntiAffinity != nil {
		s.apart = s.podTerms(spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	}
	for i := range spec.TopologySpreadConstraints {
		c := &spec.TopologySpreadConstraints[i]
		term := spreadTerm{
			key: strings.Clone(c.TopologyKey), selector: s.selector(c.LabelSelector), matchLabelKeys: c.MatchLabelKeys, maxSkew: int(c.MaxSkew),
			honorAffinity: c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor,
			honorTaints:   c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor,
			minDomains:    1,
		}
		if c.MinDomains != nil {
			term.minDomains = int(*c.MinDomains)
		}
		s.spread = append(s.spread, term)
	}
}

func (s *shape) podTerms(from []corev1.PodAffinityTerm) []podTerm {
	terms := make([]podTerm, 0, len(from))
	for i := range from {
		term := podTerm{key: from[i].TopologyKey, selector: s.selector(from[i].LabelSelector), namespaces: from[i].Namespaces}
		if from[i].NamespaceSelector != nil {
			term.namespaceSelector = s.selector(from[i].NamespaceSelector)
		}
		terms = append(terms, term)
	}
	return terms
}

// selector reads a selector of labels. Nil selects nothing.
func (s *shape) selector(from *metav1.LabelSelector) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(from)
	if err != nil {
		s.unreadable = true
		return labels.Nothing()
	}
	return selector
}

// withKeys is a selector that requires, of some keys, the values that a pod has, too.
func withKeys(selector labels.Selector, keys []string, pod labelText) labels.Selector {
	for _, key := range keys {
		value, has := pod.Lookup(key)
		if !has {
			continue
		}
		requirements, _ := labels.SelectorFromSet(labels.Set{key: value}).Requirements()
		selector = selector.Add(requirements...)
	}
	return selector
}
