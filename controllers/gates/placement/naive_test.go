package placement

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// naive is the scheduler's filters written down once more, by what is documented of them, on whole objects and without any index.
type naive struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod
	at    map[*corev1.Pod]string
	// closed nodes take nothing: they are cordoned.
	closed map[string]bool
}

func (s *naive) on(node string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range s.pods {
		if s.at[p] == node {
			pods = append(pods, p)
		}
	}
	return pods
}

func (s *naive) tolerates(pod *corev1.Pod, node *corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		tolerated := slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
			return t.Key == taint.Key && (t.Operator == corev1.TolerationOpExists || t.Value == taint.Value)
		})
		if !tolerated && taint.Effect != corev1.TaintEffectPreferNoSchedule {
			return false
		}
	}
	return !s.closed[node.Name]
}

func (s *naive) selects(pod *corev1.Pod, node *corev1.Node) bool {
	ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node)
	return ok && err == nil
}

// fits says why a node does not take a pod; empty is that it does.
func (s *naive) fits(pod *corev1.Pod, node *corev1.Node) string {
	switch {
	case !s.tolerates(pod, node):
		return "taint"
	case !s.selects(pod, node):
		return "affinity"
	case !s.enough(pod, node):
		return "resources"
	case s.portTaken(pod, node):
		return "port"
	case !s.apart(pod, node):
		return "anti-affinity"
	case !s.near(pod, node):
		return "pod affinity"
	case !s.even(pod, node):
		return "spread"
	}
	return ""
}

func priorityOf(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

func (s *naive) enough(pod *corev1.Pod, node *corev1.Node) bool {
	cpu, number := node.Status.Allocatable.Cpu().MilliValue(), node.Status.Allocatable.Pods().Value()
	preempts := priorityOf(pod) >= 0 && (pod.Spec.PreemptionPolicy == nil || *pod.Spec.PreemptionPolicy != corev1.PreemptNever)
	if preempts && pod.Spec.Affinity != nil && pod.Spec.Affinity.PodAffinity != nil {
		preempts = false // those may be what it has to be near
	}
	for _, other := range s.on(node.Name) {
		if preempts && priorityOf(other) < 0 {
			continue
		}
		cpu -= other.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
		number--
	}
	need := pod.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
	return number > 0 && (need == 0 || need <= cpu)
}

func (s *naive) portTaken(pod *corev1.Pod, node *corev1.Node) bool {
	for _, other := range s.on(node.Name) {
		for _, p := range pod.Spec.Containers[0].Ports {
			for _, q := range other.Spec.Containers[0].Ports {
				if p.HostPort == q.HostPort && p.HostPort > 0 {
					return true
				}
			}
		}
	}
	return false
}

func termSelects(term *corev1.PodAffinityTerm, owner, other *corev1.Pod) bool {
	selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
	if err != nil || !selector.Matches(labels.Set(other.Labels)) {
		return false
	}
	if len(term.Namespaces) > 0 {
		return slices.Contains(term.Namespaces, other.Namespace)
	}
	return owner.Namespace == other.Namespace
}

func antiTerms(pod *corev1.Pod) []corev1.PodAffinityTerm {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return nil
	}
	return pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
}

// sameDomain says whether two nodes have the same value of a label.
func (s *naive) sameDomain(key, a, b string) bool {
	va, hasA := s.label(a, key)
	vb, hasB := s.label(b, key)
	return hasA && hasB && va == vb
}

func (s *naive) label(node, key string) (string, bool) {
	for _, n := range s.nodes {
		if n.Name == node {
			value, has := n.Labels[key]
			return value, has
		}
	}
	return "", false
}

func (s *naive) apart(pod *corev1.Pod, node *corev1.Node) bool {
	for _, other := range s.pods {
		if s.at[other] == "" || other == pod {
			continue
		}
		for _, term := range antiTerms(pod) {
			if termSelects(&term, pod, other) && s.sameDomain(term.TopologyKey, s.at[other], node.Name) {
				return false
			}
		}
		for _, term := range antiTerms(other) {
			if termSelects(&term, other, pod) && s.sameDomain(term.TopologyKey, s.at[other], node.Name) {
				return false
			}
		}
	}
	return true
}

func (s *naive) near(pod *corev1.Pod, node *corev1.Node) bool {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAffinity == nil {
		return true
	}
	terms := pod.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	matchesAll := func(other *corev1.Pod) bool {
		return !slices.ContainsFunc(terms, func(t corev1.PodAffinityTerm) bool { return !termSelects(&t, pod, other) })
	}
	met, anywhere := true, false
	for _, term := range terms {
		if _, has := s.label(node.Name, term.TopologyKey); !has {
			return false
		}
		here := false
		for _, other := range s.pods {
			if s.at[other] == "" || other == pod || !matchesAll(other) {
				continue
			}
			if _, has := s.label(s.at[other], term.TopologyKey); has {
				anywhere = true
			}
			here = here || s.sameDomain(term.TopologyKey, s.at[other], node.Name)
		}
		met = met && here
	}
	return met || !anywhere && matchesAll(pod)
}

func (s *naive) even(pod *corev1.Pod, node *corev1.Node) bool {
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
		value, has := node.Labels[c.TopologyKey]
		if err != nil || !has {
			return false
		}
		counts := map[string]int{}
		for _, n := range s.nodes {
			if !s.counts(pod, c, n) {
				continue
			}
			counts[n.Labels[c.TopologyKey]] += 0
			for _, other := range s.on(n.Name) {
				if other != pod && other.Namespace == pod.Namespace && other.DeletionTimestamp == nil && selector.Matches(labels.Set(other.Labels)) {
					counts[n.Labels[c.TopologyKey]]++
				}
			}
		}
		least, first := 0, true
		for _, n := range counts {
			if first || n < least {
				least, first = n, false
			}
		}
		if c.MinDomains != nil && len(counts) < int(*c.MinDomains) {
			least = 0
		}
		self := 0
		if selector.Matches(labels.Set(pod.Labels)) {
			self = 1
		}
		if counts[value]+self-least > int(c.MaxSkew) {
			return false
		}
	}
	return true
}

// counts: the node is one of those that a constraint spreads over.
func (s *naive) counts(pod *corev1.Pod, c *corev1.TopologySpreadConstraint, n *corev1.Node) bool {
	for i := range pod.Spec.TopologySpreadConstraints {
		if _, has := n.Labels[pod.Spec.TopologySpreadConstraints[i].TopologyKey]; !has {
			return false
		}
	}
	if c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor {
		if !s.selects(pod, n) {
			return false
		}
	}
	return c.NodeTaintsPolicy == nil || *c.NodeTaintsPolicy == corev1.NodeInclusionPolicyIgnore || s.tolerates(pod, n)
}

// canPlace says whether there is any order and any choice of nodes that places all of these pods; others may be placed in between.
func (s *naive) canPlace(all, others []*corev1.Pod) bool {
	if len(all) == 0 {
		return true
	}
	for i, p := range all {
		rest := slices.Delete(slices.Clone(all), i, i+1)
		for _, n := range s.nodes {
			if s.fits(p, n) != "" {
				continue
			}
			s.at[p] = n.Name
			ok := s.canPlace(rest, others)
			s.at[p] = ""
			if ok {
				return true
			}
		}
	}
	for i, p := range others {
		rest := slices.Delete(slices.Clone(others), i, i+1)
		for _, n := range s.nodes {
			if s.fits(p, n) != "" {
				continue
			}
			s.at[p] = n.Name
			ok := s.canPlace(all, rest)
			s.at[p] = ""
			if ok {
				return true
			}
		}
	}
	return false
}

// String is for messages of tests.
func (s *naive) String() string {
	var b strings.Builder
	for _, n := range s.nodes {
		fmt.Fprintf(&b, "node %s %v %v %v closed %t\n", n.Name, n.Labels, n.Spec.Taints, n.Status.Allocatable, s.closed[n.Name])
	}
	for _, p := range s.pods {
		fmt.Fprintf(&b, "pod %s/%s on %q %v %+v\n", p.Namespace, p.Name, s.at[p], p.Labels, p.Spec)
	}
	return b.String()
}
