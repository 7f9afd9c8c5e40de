package act

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// world is what the manager says after something was written.
type world struct {
	reboots  map[string]*v1alpha1.NodeReboot
	policies map[string]*v1alpha1.RebootPolicy
}

// see takes a change in. What is gone stays as it was last: that is what the manager said.
func (w *world) see(change app.Change) {
	for _, object := range change.Reset {
		w.set(object)
	}
	w.set(change.Set)
}

func (w *world) set(object client.Object) {
	switch object := object.(type) {
	case *v1alpha1.NodeReboot:
		w.reboots[object.Name] = object
	case *v1alpha1.RebootPolicy:
		w.policies[object.Name] = object
	}
}

// looked returns a NodeReboot that the manager has looked at since it was written; nil if it has not.
func (w *world) looked(name string, generation int64) *v1alpha1.NodeReboot {
	r := w.reboots[name]
	if r == nil || r.Status.ObservedGeneration < generation || r.Status.Reason == "" {
		return nil
	}
	return r
}

// another returns a NodeReboot of the node that is open and none of those that are named; nil if there is none that the manager has seen.
func (w *world) another(node string, but []string) *v1alpha1.NodeReboot {
	for _, r := range w.reboots {
		if r.Spec.NodeName == node && !slices.Contains(but, r.Name) && isOpen(r) && r.Status.Reason != "" {
			return r
		}
	}
	return nil
}

// look watches until the manager has looked at everything that was written, or the patience is over.
func (s *session) look(ctx context.Context, patience time.Duration) *world {
	w := &world{reboots: map[string]*v1alpha1.NodeReboot{}, policies: map[string]*v1alpha1.RebootPolicy{}}
	awaits := func(a *answer) bool { return a.err == nil && a.await != nil }
	if !slices.ContainsFunc(s.answers, awaits) {
		return w
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Failures to find out are not reported: what was done was done.
	_ = app.Follow(ctx, s.client, func(change app.Change) bool {
		w.see(change)
		return !slices.ContainsFunc(s.answers, func(a *answer) bool { return awaits(a) && !a.await(w) })
	}, &v1alpha1.NodeRebootList{}, &v1alpha1.RebootPolicyList{})
	return w
}

// expect makes an answer that continues with what the manager says about a NodeReboot.
func (s *session) expect(a *answer, r *v1alpha1.NodeReboot) {
	name, node, generation := r.Name, r.Spec.NodeName, r.Generation
	a.await = func(w *world) bool { return w.looked(name, generation) != nil }
	a.then = func(w *world) []string {
		if seen := w.looked(name, generation); seen != nil {
			return append(s.stateOf(seen), "More: kubectl reboots why "+node)
		}
		return []string{"The manager has not seen it yet. To see what it says: kubectl reboots why " + node}
	}
}

// state says where a NodeReboot is, and until when.
func (o *options) stateOf(r *v1alpha1.NodeReboot) []string {
	// A command of the plugin says how to approve it.
	message, _, _ := strings.Cut(r.Status.Message, " To approve it: kubectl patch")
	lines := []string{fmt.Sprintf("%s: %s", r.Status.Reason, message)}
	if r.Status.Phase == v1alpha1.PhasePending {
		lines[0] = "It waits. " + lines[0]
	}
	if until := r.Status.UntilTime; until != nil && until.After(o.Clock.Now()) {
		lines = append(lines, "In your time zone, that is until "+o.at(until.Time)+".")
	}
	if r.Status.Phase == v1alpha1.PhasePending &&
		(r.Status.Reason == v1alpha1.ReasonAwaitingApproval || r.Status.Reason == v1alpha1.ReasonSelfApproved) {
		lines = append(lines, "To approve it, if you may: kubectl reboots approve "+typed(r))
	}
	return lines
}
