package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tally is how many nodes each rule keeps a pod off.
type tally map[rule]int

// why there is no room for a pod: the rule that excludes most nodes first.
func (r *Room) why(p *Pod) string {
	excluded := r.excluded(p)
	if r.without >= 0 {
		// Its pods go elsewhere because it leaves: it is none of those that do not take them.
		excluded[rule{kind: isClosed}]--
	}
	rules := slices.SortedFunc(maps.Keys(excluded), func(a, b rule) int {
		return cmp.Or(cmp.Compare(excluded[b], excluded[a]), cmp.Compare(a.kind, b.kind), strings.Compare(string(a.resource), string(b.resource)))
	})
	var reasons []string
	for _, rule := range rules {
		if n := excluded[rule]; n > 0 && rule.kind != takes && len(reasons) < maxReasons {
			reasons = append(reasons, fmt.Sprintf("%s on %s", rule.text(p), nodesText(n, len(reasons) == 0)))
		}
	}
	if len(reasons) == 0 {
		reasons = []string{"there is no other node"}
	}
	return fmt.Sprintf("Pod %s/%s%s would find no room: %s.", p.group.space, p.name, r.leaving(p), strings.Join(reasons, ", "))
}

// maxReasons are said about one pod.
const maxReasons = 4

// leaving names the node that a pod has to leave.
func (r *Room) leaving(p *Pod) string {
	if p.home == nil {
		return ""
	}
	return " of node " + p.home.name
}

// excluded counts by rule the nodes that do not take a pod.
func (r *Room) excluded(p *Pod) tally {
	s := p.group.shape
	if r.from[s] < len(r.nodes) || r.without < 0 {
		return r.tallyOf(p)
	}
	// No node has room for such a pod, whichever leaves: they are counted once for all.
	known := r.tallies[s]
	if known == nil {
		without := r.without
		r.without = -1
		known = r.tallyOf(p)
		r.without = without
		r.tallies[s] = known
	}
	excluded := maps.Clone(known)
	without := r.without
	r.without = -1
	excluded[r.roomOn(s, without)]--
	r.without = without
	excluded[rule{kind: isClosed}]++
	return excluded
}

func (r *Room) tallyOf(p *Pod) tally {
	excluded := tally{}
	for i := range r.nodes {
		reason := r.roomOn(p.group.shape, i)
		if reason == (rule{}) {
			reason = r.fits(p, i)
		}
		excluded[reason]++
	}
	return excluded
}

func nodesText(n int, first bool) string {
	// A large number is rounded down to its first digit: every change of a message is written.
	const exact = 20
	text := fmt.Sprint(n)
	if n > exact {
		zeros := strings.Repeat("0", len(text)-1)
		if text[1:] == zeros {
			text = fmt.Sprint(n)
		} else {
			text = "more than " + text[:1] + zeros
		}
	}
	switch {
	case !first:
		return text
	case n == 1:
		return text + " node"
	}
	return text + " nodes"
}

// texts say what a rule is.
var texts = map[ruleKind]string{
	isClosed: "a cordon, a reboot or no readiness", isUnreadable: "what says which nodes take it, because it cannot be read or is too large,",
	hasTaint: "a taint that it does not tolerate", notSelected: "its node selector or affinity", portInUse: "its host port in use",
	volumeElsewhere: "its volume out of reach",
	noAttachment:    "no attachment left for its volumes", othersApart: "the anti-affinity of other pods",
	apartFromOthers: "its anti-affinity", notNear: "its pod affinity", uneven: "its topology spread constraints",
}

// text says what the rule is, of a pod.
func (r rule) text(p *Pod) string {
	if r.kind == tooLittle {
		return fmt.Sprintf("too little %s (it needs %s)", r.resource, p.group.needs.text(r.resource))
	}
	return texts[r.kind]
}
