package live

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/feed"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

// Entry is one thing that happened.
type Entry struct {
	At     time.Time
	Policy string
	// Node that it happened to; empty if it is about the policy or the cluster.
	Node  string
	Text  string
	Color app.Color
	// asks says that a policy asks for something else than before.
	asks bool
	// waits is the reason for which a node has begun to wait.
	waits string
}

// Blind says since when nothing is seen, and why.
type Blind struct {
	Since time.Time
	Why   error
}

// State is what has been seen of a cluster.
type State struct {
	// only are the policies that it is about; all if there are none.
	only     []string
	policies map[string]*v1alpha1.RebootPolicy
	reboots  map[string]*v1alpha1.NodeReboot
	blind    map[feed.Kind]Blind
	// listed are the kinds that were listed once.
	listed map[feed.Kind]bool
}

// NewState knows nothing yet. Without names it is about all policies.
func NewState(names []string) *State {
	return &State{
		only: names, policies: map[string]*v1alpha1.RebootPolicy{}, reboots: map[string]*v1alpha1.NodeReboot{},
		blind: map[feed.Kind]Blind{}, listed: map[feed.Kind]bool{},
	}
}

// Overview of what has been seen.
func (s *State) Overview(outlook *overview.Outlook, now time.Time) *overview.Overview {
	o := s.all(outlook, now)
	o.Only(s.only)
	return o
}

// all is the overview of all policies.
func (s *State) all(outlook *overview.Outlook, now time.Time) *overview.Overview {
	return overview.Of(slices.Collect(maps.Values(s.policies)), slices.Collect(maps.Values(s.reboots)), outlook, now)
}

// Blind says since when nothing is seen; nil while everything is.
func (s *State) Blind() *Blind {
	var first *Blind
	for _, kind := range slices.Sorted(maps.Keys(s.blind)) {
		if b := s.blind[kind]; first == nil || b.Since.Before(first.Since) {
			first = &b
		}
	}
	return first
}

// Apply takes over what was seen at a time, and says what happened.
func (s *State) Apply(u *feed.Update, now time.Time) []Entry {
	entries := s.connection(u, now)
	if u.Listed {
		entries = append(entries, s.replace(u, now)...)
	} else {
		for _, object := range u.Objects {
			entries = append(entries, s.put(object, now)...)
		}
	}
	for _, object := range u.Deleted {
		entries = append(entries, s.remove(object, now)...)
	}
	return slices.DeleteFunc(entries, func(e Entry) bool { return !s.about(e.Policy) })
}

// about says whether anyone asked for a policy. An entry about no policy is for all.
func (s *State) about(policy string) bool {
	return len(s.only) == 0 || policy == "" || slices.Contains(s.only, policy)
}

func (s *State) connection(u *feed.Update, now time.Time) []Entry {
	before := s.Blind()
	if u.Lost != nil {
		if _, already := s.blind[u.Kind]; !already {
			s.blind[u.Kind] = Blind{Since: u.Since, Why: u.Lost}
		}
		if before == nil {
			return []Entry{{At: now, Text: "The cluster is not visible: " + u.Lost.Error(), Color: app.Bad}}
		}
		return nil
	}
	delete(s.blind, u.Kind)
	if before != nil && s.Blind() == nil {
		return []Entry{{At: now, Text: "The cluster is visible again", Color: app.Good}}
	}
	return nil
}

// replace takes over all objects of a kind. The first time nothing has happened: that is how it was found.
func (s *State) replace(u *feed.Update, now time.Time) []Entry {
	first := !s.listed[u.Kind]
	s.listed[u.Kind] = true
	var entries []Entry
	there := map[string]bool{}
	for _, object := range u.Objects {
		there[object.GetName()] = true
		entries = append(entries, s.put(object, now)...)
	}
	if first {
		return nil
	}
	switch u.Kind {
	case feed.Policies:
		entries = append(entries, gone(s, s.policies, there, now)...)
	case feed.Reboots:
		entries = append(entries, gone(s, s.reboots, there, now)...)
	}
	return entries
}

func gone[T client.Object](s *State, known map[string]T, there map[string]bool, now time.Time) []Entry {
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !there[name] {
			entries = append(entries, s.remove(known[name], now)...)
		}
	}
	return entries
}

func (s *State) put(object client.Object, now time.Time) []Entry {
	switch object := object.(type) {
	case *v1alpha1.RebootPolicy:
		old := s.policies[object.Name]
		s.policies[object.Name] = object
		return policyEntries(old, object, now)
	case *v1alpha1.NodeReboot:
		old := s.reboots[object.Name]
		s.reboots[object.Name] = object
		return rebootEntries(old, object, now)
	}
	return nil
}

func (s *State) remove(object client.Object, now time.Time) []Entry {
	switch object := object.(type) {
	case *v1alpha1.RebootPolicy:
		delete(s.policies, object.Name)
		return []Entry{{At: now, Policy: object.Name, Text: "policy deleted", Color: app.Warning}}
	case *v1alpha1.NodeReboot:
		last := s.reboots[object.Name]
		delete(s.reboots, object.Name)
		if last == nil || overview.Over(last) {
			return nil // old ones are pruned
		}
		return []Entry{{At: now, Policy: overview.PolicyOf(last), Node: last.Spec.NodeName, Text: "NodeReboot deleted", Color: app.Warning}}
	}
	return nil
}

func policyEntries(old, p *v1alpha1.RebootPolicy, now time.Time) []Entry {
	entry := func(color app.Color, format string, args ...any) Entry {
		return Entry{At: now, Policy: p.Name, Text: fmt.Sprintf(format, args...), Color: color}
	}
	if old == nil || old.UID != p.UID {
		return asking(entry("", "policy created, mode %s", p.Spec.Mode))
	}
	var entries []Entry
	switch {
	case old.Spec.Mode != p.Spec.Mode:
		entries = asking(entry(app.Strong, "mode %s, was %s", p.Spec.Mode, old.Spec.Mode))
	case old.Generation != p.Generation:
		entries = asking(entry("", "policy changed"))
	}
	if was, is := old.Status.Summary, p.Status.Summary; was != is && is != "" {
		entries = append(entries, entry(colorOf(is), "policy is %s, was %s", is, cmp.Or(was, "Unknown")))
	}
	if was, is := windowState(old), windowState(p); was != is && is != "" {
		entries = append(entries, entry("", "window: %s", strings.ToLower(is)))
	}
	if was, is := old.Status.CurrentZone, p.Status.CurrentZone; was != is && is != "" {
		entries = append(entries, entry("", "it is the turn of zone %s", is))
	}
	return entries
}

func asking(e Entry) []Entry {
	e.asks = true
	return []Entry{e}
}

// colorOf is the color for the state of a policy.
func colorOf(summary string) app.Color {
	if summary == "Halted" || summary == "Invalid" {
		return app.Bad
	}
	return ""
}

func windowState(p *v1alpha1.RebootPolicy) string {
	if p.Status.Window == nil {
		return ""
	}
	if p.Status.Window.Freeze != "" {
		return "freeze " + p.Status.Window.Freeze
	}
	return string(p.Status.Window.State)
}
