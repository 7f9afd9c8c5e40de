package live

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

// rebootEntries say what happened to a node between two states of its NodeReboot.
func rebootEntries(old, r *v1alpha1.NodeReboot, now time.Time) []Entry {
	s := &r.Status
	e := Entry{At: now, Policy: overview.PolicyOf(r), Node: r.Spec.NodeName}
	switch {
	case s.Phase == "":
		if old != nil {
			return nil
		}
		e.Text = "needs a reboot"
	case old != nil && old.UID == r.UID && old.Status.Phase == s.Phase && old.Status.Reason == s.Reason:
		return nil
	case overview.Over(r) && old == nil:
		return nil // it ended before it was seen
	default:
		e.Text, e.Color = describe(r)
		if s.Phase == v1alpha1.PhasePending {
			e.waits = s.Reason
		}
	}
	return []Entry{e}
}

// describe says where a NodeReboot is.
func describe(r *v1alpha1.NodeReboot) (string, app.Color) {
	s := &r.Status
	text, color := string(s.Phase), app.Color("")
	switch s.Phase {
	case v1alpha1.PhasePending:
		text, color = "waits: "+s.Reason, app.Faint
	case v1alpha1.PhaseSucceeded:
		color = app.Good
		if s.Attempt != nil && s.Attempt.EndedTime != nil {
			text += " after " + duration.HumanDuration(s.Attempt.EndedTime.Sub(s.Attempt.GrantedTime.Time))
		}
	case v1alpha1.PhaseFailed:
		text, color = fmt.Sprintf("%s: %s. %s", s.Phase, s.Reason, s.Message), app.Bad
	default:
		if s.Reason != text && s.Reason != "" {
			text, color = text+": "+s.Reason, app.Warning
		}
	}
	return cells.Clean(text), color
}

// few is how many nodes that begin to wait for the same reason at once are listed one by one.
const few = 3

// Condense tells in one line that many nodes have begun to wait for the same reason.
func Condense(entries []Entry) []Entry {
	type group struct{ policy, reason string }
	counts := map[group]int{}
	for i := range entries {
		if e := &entries[i]; e.waits != "" {
			counts[group{e.Policy, e.waits}]++
		}
	}
	var condensed []Entry
	for _, e := range entries {
		g := group{e.Policy, e.waits}
		switch n := counts[g]; {
		case e.waits == "" || n > 0 && n <= few:
			condensed = append(condensed, e)
		case n > few:
			counts[g] = 0
			e.Node, e.Text = "", fmt.Sprintf("%s now: %s", model.Counted(n, "node waits", "nodes wait"), e.waits)
			condensed = append(condensed, e)
		}
	}
	return condensed
}

// past is what happened before the view started, as far as NodeReboots say: at most this many of the last entries.
func (s *State) past(most int) []Entry {
	var entries []Entry
	for _, r := range s.reboots {
		policy := overview.PolicyOf(r)
		if !s.about(policy) || r.Status.Attempt == nil {
			continue
		}
		for _, m := range milestones(r) {
			entries = append(entries, Entry{At: m.at.Time, Policy: policy, Node: r.Spec.NodeName, Text: m.text, Color: m.color})
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if a.At.Equal(b.At) {
			return compareText(a.Node, b.Node)
		}
		return a.At.Compare(b.At)
	})
	return entries[max(len(entries)-most, 0):]
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

type milestone struct {
	at    *metav1.MicroTime
	text  string
	color app.Color
}

// milestones of the last attempt that are known.
func milestones(r *v1alpha1.NodeReboot) []milestone {
	a := r.Status.Attempt
	all := []milestone{
		{&a.GrantedTime, string(v1alpha1.PhaseDraining), ""},
		{a.RebootOrderedTime, string(v1alpha1.PhaseRebooting), ""},
		{a.BackTime, string(v1alpha1.PhaseRecovering), ""},
	}
	text, color := describe(r)
	switch {
	case overview.Over(r) && a.EndedTime != nil:
		all = append(all, milestone{a.EndedTime, text, color})
	case a.StalledTime != nil:
		all = append(all, milestone{a.StalledTime, text, color})
	case a.EndedTime != nil:
		all = append(all, milestone{a.EndedTime, "attempt failed: " + cells.Clean(a.Result), app.Warning})
	}
	return slices.DeleteFunc(all, func(m milestone) bool { return m.at == nil })
}
