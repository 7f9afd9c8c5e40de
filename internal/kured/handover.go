package kured

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The annotations that kured sets on nodes, and the annotation that holds its lock unless a flag names another.
const (
	annotationInProgress = "weave.works/kured-reboot-in-progress"
	annotationNeeded     = "weave.works/kured-most-recent-reboot-needed"
	annotationLock       = "weave.works/kured-node-lock"
)

// Marks are what kured leaves in a cluster: which names it uses.
type Marks struct {
	// Namespace and Name of the DaemonSet that has the lock.
	Namespace, Name string
	// Lock is the annotation there, and Held its value; empty if nothing holds it.
	Lock, Held string
	// Gone says that there is no such DaemonSet in the cluster; Held is from a file that was written before.
	Gone bool
	// Taint is the key of the taint; empty if there is none.
	Taint string
	// Labels are the keys of labels of nodes.
	Labels []string
}

func (in *input) marks(s settings) Marks {
	m := Marks{
		Namespace: cmp.Or(s.text(flagNamespace, ""), in.namespace, "kube-system"), Name: cmp.Or(s.text(flagName, ""), in.name, "kured"),
		Lock: s.text(flagLock, annotationLock), Taint: s.text(flagTaint, ""),
	}
	m.Held = in.annotations[m.Lock]
	for _, flag := range []string{flagBefore, flagAfter} {
		for _, v := range s[flag] {
			key, _, _ := strings.Cut(v.text, "=")
			m.Labels = append(m.Labels, key)
		}
	}
	slices.Sort(m.Labels)
	m.Labels = slices.Compact(m.Labels)
	return m
}

// holder of kured's lock.
type holder struct {
	Node     string `json:"nodeID"`
	Metadata struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"metadata"`
	Created time.Time     `json:"created"`
	TTL     time.Duration `json:"TTL"`
}

// holders of the lock, from the annotation of one holder or of several.
func (m Marks) holders() ([]holder, error) {
	if m.Held == "" {
		return nil, nil
	}
	var several struct {
		Locks []holder `json:"locks"`
	}
	if err := json.Unmarshal([]byte(m.Held), &several); err != nil {
		return nil, fmt.Errorf("the annotation %s of DaemonSet %s/%s is not a lock of kured: %w", m.Lock, m.Namespace, m.Name, err)
	}
	if several.Locks != nil {
		return slices.DeleteFunc(several.Locks, func(h holder) bool { return h.Node == "" }), nil
	}
	var one holder
	if err := json.Unmarshal([]byte(m.Held), &one); err != nil || one.Node == "" {
		return nil, err //nolint:wrapcheck // it was read as several before
	}
	return []holder{one}, nil
}

// Step is something to do by hand, with the commands for it. None of them is run.
type Step struct {
	// Why is a sentence.
	Why string
	// Commands to copy.
	Commands []string
	// Look says that a person has to look before the commands are run.
	Look bool
}

// String is a part of a script. Commands that a person has to look at first are comments.
func (s Step) String() string {
	var b strings.Builder
	b.WriteString("# " + s.Why + "\n")
	for _, command := range s.Commands {
		if s.Look {
			b.WriteString("# ")
		}
		b.WriteString(command + "\n")
	}
	return b.String()
}

// Handover says what is left to do when kured goes: the nodes that it left cordoned, its lock, its taint, its annotations and labels.
func (m Marks) Handover(nodes []corev1.Node, now time.Time) ([]Step, error) {
	holders, err := m.holders()
	if err != nil {
		return nil, err
	}
	steps := m.lockSteps(holders, nodes, now)
	for i := range nodes {
		steps = append(steps, m.nodeSteps(&nodes[i], holders)...)
	}
	return steps, nil
}

// lockSteps come first: the holder of the lock may be in the middle of a reboot.
func (m Marks) lockSteps(holders []holder, nodes []corev1.Node, now time.Time) []Step {
	if m.Gone {
		return nil
	}
	var steps []Step
	remove := m.kubectl("annotate daemonset %s %s-", m.Name, m.Lock)
	for _, h := range holders {
		known := slices.ContainsFunc(nodes, func(n corev1.Node) bool { return n.Name == h.Node })
		age := now.Sub(h.Created).Round(time.Minute)
		why := fmt.Sprintf("Node %s has held kured's lock for %s. It may be in the middle of a reboot: wait until the lock is gone, or look "+
			"at the node first. If it is not, release the lock.", h.Node, age)
		switch {
		case !known:
			why = fmt.Sprintf("Kured's lock is held by %s, which is not a node of this cluster. Release it.", h.Node)
		case h.TTL > 0 && now.Sub(h.Created) >= h.TTL:
			why = fmt.Sprintf("Node %s held kured's lock until it expired, so kured does not uncordon the node when it comes back. Release the "+
				"lock.", h.Node)
		}
		steps = append(steps, Step{Why: why, Commands: []string{remove}, Look: known})
	}
	if len(holders) == 0 && m.Held != "" && !strings.Contains(m.Held, `"locks":[]`) && !strings.Contains(m.Held, `"locks":null`) {
		steps = append(steps, Step{Why: "Kured's lock has no holder, and is held forever. Release it.", Commands: []string{remove}})
	}
	return steps
}

func (m Marks) kubectl(format string, args ...any) string {
	return "kubectl -n " + m.Namespace + " " + fmt.Sprintf(format, args...)
}

// nodeSteps are about one node.
func (m Marks) nodeSteps(node *corev1.Node, holders []holder) []Step {
	var steps []Step
	if node.Spec.Unschedulable {
		steps = append(steps, m.cordoned(node, holders))
	}
	if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == m.Taint }) {
		steps = append(steps, Step{
			Why:      fmt.Sprintf("Node %s has kured's taint.", node.Name),
			Commands: []string{fmt.Sprintf("kubectl taint node %s %s-", node.Name, m.Taint)},
		})
	}
	var marks []string
	for _, annotation := range []string{annotationInProgress, annotationNeeded} {
		if _, is := node.Annotations[annotation]; is {
			marks = append(marks, fmt.Sprintf("kubectl annotate node %s %s-", node.Name, annotation))
		}
	}
	if len(marks) > 0 {
		steps = append(steps, Step{Why: fmt.Sprintf("Node %s has annotations of kured.", node.Name), Commands: marks})
	}
	var labels []string
	for _, key := range m.Labels {
		if _, is := node.Labels[key]; is {
			labels = append(labels, fmt.Sprintf("kubectl label node %s %s-", node.Name, key))
		}
	}
	if len(labels) > 0 {
		steps = append(steps, Step{
			Why: fmt.Sprintf("Node %s has labels that kured sets. Keep them if something else reads them: the policy sets them again at "+
				"the next reboot.", node.Name),
			Commands: labels, Look: true,
		})
	}
	return steps
}

// cordoned says who cordoned a node, as far as that is known.
func (m Marks) cordoned(node *corev1.Node, holders []holder) Step {
	uncordon := []string{"kubectl uncordon " + node.Name}
	i := slices.IndexFunc(holders, func(h holder) bool { return h.Node == node.Name })
	_, inProgress := node.Annotations[annotationInProgress]
	switch {
	case i >= 0 && holders[i].Metadata.Unschedulable:
		return Step{Why: fmt.Sprintf("Node %s is cordoned, and was before kured came to it: someone else did that. Leave it, or ask "+
			"who.", node.Name)}
	case i >= 0 && m.Gone:
		return Step{Why: fmt.Sprintf("Node %s was cordoned by kured, which held the lock for it. Uncordon it if it is "+
			"well.", node.Name), Commands: uncordon}
	case i >= 0:
		return Step{Why: fmt.Sprintf("Node %s was cordoned by kured, which holds the lock for it. Uncordon it when it is "+
			"back.", node.Name), Commands: uncordon, Look: true}
	case inProgress:
		return Step{Why: fmt.Sprintf("Node %s is cordoned, and kured's annotation says that its reboot never ended. Uncordon it if it is "+
			"well.", node.Name), Commands: uncordon}
	}
	return Step{
		Why: fmt.Sprintf("Node %s is cordoned, and nothing says by whom: kured leaves a node so when its lock expired. This operator never "+
			"uncordons it, and counts it "+
			"as unavailable. Uncordon it if no one needs it cordoned.", node.Name),
		Commands: uncordon, Look: true,
	}
}
