package why

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

// Facts are what an explanation is made of.
type Facts struct {
	// Now, and the zone that times are written in.
	Now  time.Time
	Zone *time.Location
	// The objects of the cluster.
	Policies []v1alpha1.RebootPolicy
	Reboots  []v1alpha1.NodeReboot
	Nodes    []corev1.Node
	// Installed is what of the operator runs; nil if that is not known.
	Installed *install.Installation
}

// Answer explains one node, NodeReboot or RebootPolicy.
type Answer struct {
	// Asked is what was asked for, as it was typed.
	Asked string `json:"asked"`
	// Found is false if there is no such thing.
	Found      bool   `json:"found"`
	Node       string `json:"node,omitempty"`
	NodeReboot string `json:"nodeReboot,omitempty"`
	Policy     string `json:"policy,omitempty"`
	// Phase and Reason of the NodeReboot. Without one, Reason is a word of this package.
	Phase  string `json:"phase,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Object in the way, such as Pod apps/web-1.
	Object string `json:"object,omitempty"`
	// Until when, if time alone helps.
	Until *metav1.Time `json:"until,omitempty"`
	// Explanation is one paragraph.
	Explanation string `json:"explanation"`
	// Type is what to type, the likeliest command first.
	Type []string `json:"type,omitempty"`
}

// Reasons of nodes that no NodeReboot is about, or no longer.
const (
	// ReasonNoSuchObject: there is nothing with that name.
	ReasonNoSuchObject = "NoSuchObject"
	// ReasonNoNeed: nothing asks for a reboot.
	ReasonNoNeed = "NoNeed"
	// ReasonNoHelper: no helper runs on the node, so that nobody sees whether it needs a reboot.
	ReasonNoHelper = "NoHelper"
	// ReasonNotLookedAt: the manager has not looked at the object yet.
	ReasonNotLookedAt = "NotLookedAt"
)

func (f *Facts) node(name string) *corev1.Node {
	for i := range f.Nodes {
		if f.Nodes[i].Name == name {
			return &f.Nodes[i]
		}
	}
	return nil
}

func (f *Facts) reboot(name string) *v1alpha1.NodeReboot {
	for i := range f.Reboots {
		if f.Reboots[i].Name == name {
			return &f.Reboots[i]
		}
	}
	return nil
}

func (f *Facts) policy(name string) *v1alpha1.RebootPolicy {
	for i := range f.Policies {
		if f.Policies[i].Name == name {
			return &f.Policies[i]
		}
	}
	return nil
}

// latest is the most relevant NodeReboot of a node: one that is under way, otherwise the next one that waits, otherwise the one that ended
// last.
func (f *Facts) latest(node string) *v1alpha1.NodeReboot {
	var about []*v1alpha1.NodeReboot
	for i := range f.Reboots {
		if r := &f.Reboots[i]; r.Spec.NodeName == node {
			about = append(about, r)
		}
	}
	if len(about) == 0 {
		return nil
	}
	return slices.MinFunc(about, compareReboots)
}

func compareReboots(a, b *v1alpha1.NodeReboot) int {
	return cmp.Or(cmp.Compare(rank(a), rank(b)), ended(b).Compare(ended(a)), b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
		cmp.Compare(a.Name, b.Name))
}

// rank orders NodeReboots of one node: those under way first.
func rank(r *v1alpha1.NodeReboot) int {
	switch {
	case r.Status.CompletionTime != nil:
		return 3
	case r.Status.Phase != v1alpha1.PhasePending && r.Status.Phase != "" || r.SetAside():
		return 0
	case r.Status.Reason == v1alpha1.ReasonSameNode:
		return 2
	}
	return 1
}

func ended(r *v1alpha1.NodeReboot) time.Time {
	if r.Status.CompletionTime == nil {
		return time.Time{}
	}
	return r.Status.CompletionTime.Time
}

// closest are up to three names that differ least from one that is not there, and not by much.
func closest(name string, among []string) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	for _, other := range among {
		if d := distance(name, other); d <= max(2, len(name)/4) {
			found = append(found, near{other, d})
		}
	}
	slices.SortFunc(found, func(a, b near) int { return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name)) })
	var names []string
	for _, n := range found[:min(len(found), 3)] {
		names = append(names, n.name)
	}
	return names
}

// distance is how many letters have to be changed, added or removed to make one word of the other (Levenshtein).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, letter := range from {
		corner := row[0]
		row[0] = i + 1
		for j, other := range to {
			changed := corner
			if letter != other {
				changed++
			}
			corner = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
