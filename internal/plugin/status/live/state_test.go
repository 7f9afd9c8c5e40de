package live

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/feed"
)

func texts(entries []Entry) string {
	var lines []string
	for i := range entries {
		e := &entries[i]
		lines = append(lines, strings.TrimSpace(e.Policy+" "+e.Node+": "+e.Text))
	}
	return strings.Join(lines, "\n")
}

func changed(objects ...client.Object) *feed.Update {
	return &feed.Update{Kind: feed.Reboots, Objects: objects}
}

func TestEveryChangeIsTold(t *testing.T) {
	t.Parallel()
	policy := func(options ...func(*v1alpha1.RebootPolicy)) *v1alpha1.RebootPolicy {
		return fleet.Policy("workers", options...)
	}
	reboot := func(options ...func(*v1alpha1.NodeReboot)) *v1alpha1.NodeReboot {
		return fleet.Reboot("workers", "a", "n", options...)
	}
	for name, c := range map[string]struct {
		before []client.Object
		update *feed.Update
		want   string
	}{
		"a new need":        {nil, changed(reboot(func(r *v1alpha1.NodeReboot) { r.Status = v1alpha1.NodeRebootStatus{} })), "n: needs a reboot"},
		"a node that waits": {nil, changed(reboot()), "workers n: waits: BudgetExhausted"},
		"a drain":           {[]client.Object{reboot()}, changed(reboot(fleet.Drains(0, 1, 2))), "workers n: Draining"},
		"pods that leave":   {[]client.Object{reboot(fleet.Drains(0, 2, 2))}, changed(reboot(fleet.Drains(0, 1, 2))), ""},
		"a recovery":        {[]client.Object{reboot()}, changed(reboot(fleet.Recovers(0))), "workers n: Recovering: WorkloadsNotReady"},
		"a success":         {[]client.Object{reboot()}, changed(reboot(fleet.Done(0, v1alpha1.OutcomeSucceeded, "Proved"))), "workers n: Succeeded after 4m"},
		"a failure":         {[]client.Object{reboot()}, changed(reboot(fleet.Done(0, v1alpha1.OutcomeFailed, "DrainFailed"))), "workers n: Failed: DrainFailed. It is over."},
		"an old success":    {nil, changed(reboot(fleet.Done(0, v1alpha1.OutcomeSucceeded, "Proved"))), ""},
		"a deletion":        {[]client.Object{reboot()}, &feed.Update{Kind: feed.Reboots, Deleted: []client.Object{reboot()}}, "workers n: NodeReboot deleted"},
		"a list without it": {[]client.Object{reboot()}, &feed.Update{Kind: feed.Reboots, Listed: true}, "workers n: NodeReboot deleted"},
		"a list with it":    {[]client.Object{reboot()}, &feed.Update{Kind: feed.Reboots, Listed: true, Objects: []client.Object{reboot()}}, ""},
		"history pruned": {
			[]client.Object{reboot(fleet.Done(0, v1alpha1.OutcomeSucceeded, "Proved"))},
			&feed.Update{Kind: feed.Reboots, Listed: true}, "",
		},
		"a policy": {nil, changed(policy()), "workers : policy created, mode Enforce"},
		"a mode": {
			[]client.Object{policy()}, changed(policy(func(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused })),
			"workers : mode Paused, was Enforce",
		},
		"a halt": {
			[]client.Object{policy()}, changed(policy(func(p *v1alpha1.RebootPolicy) { p.Status.Summary = "Halted" })),
			"workers : policy is Halted, was InForce",
		},
		"a turn": {
			[]client.Object{policy()}, changed(policy(func(p *v1alpha1.RebootPolicy) { p.Status.CurrentZone = "b" })),
			"workers : it is the turn of zone b",
		},
		"a freeze": {
			[]client.Object{policy()},
			changed(policy(func(p *v1alpha1.RebootPolicy) {
				p.Status.Window = &v1alpha1.WindowStatus{State: "Frozen", Freeze: "xmas"}
			})),
			"workers : window: freeze xmas",
		},
		"a policy that is gone": {
			[]client.Object{policy()}, &feed.Update{Kind: feed.Policies, Listed: true}, "workers : policy deleted",
		},
	} {
		if got := texts(seen(t, c.before...).Apply(c.update, now)); got != c.want {
			t.Errorf("%s: told %q instead of %q", name, got, c.want)
		}
	}
}

func TestWhatIsAboutOtherPoliciesIsNotTold(t *testing.T) {
	t.Parallel()
	state := NewState([]string{"workers"})
	if entries := state.Apply(changed(fleet.Reboot("others", "a", "n")), now); len(entries) > 0 {
		t.Errorf("told: %s", texts(entries))
	}
	if got := texts(state.Apply(changed(fleet.Reboot("workers", "a", "m")), now)); got == "" {
		t.Error("the policy's own is not told")
	}
	if policies := state.Overview(nil, now).Policies; len(policies) != 1 || policies[0].Name != "workers" {
		t.Errorf("policies that are shown: %v", policies)
	}
}

func TestOneLineTellsThatManyNodesWait(t *testing.T) {
	t.Parallel()
	state := seen(t)
	var entries []Entry
	for i := range 1000 {
		entries = append(entries, state.Apply(changed(fleet.Reboot("workers", "a", fmt.Sprintf("n%d", i))), now)...)
	}
	entries = append(entries, state.Apply(changed(fleet.Reboot("workers", "a", "d", fleet.Drains(0, 1, 1))), now)...)
	if got, want := texts(Condense(entries)), "workers : 1000 nodes wait now: BudgetExhausted\nworkers d: Draining"; got != want {
		t.Errorf("told %q instead of %q", got, want)
	}
	if got := Condense(entries[:3]); len(got) != 3 {
		t.Errorf("three nodes are listed as %s", texts(got))
	}
}

func TestItSaysSinceWhenNothingIsSeen(t *testing.T) {
	t.Parallel()
	state := seen(t)
	since := now.Add(-time.Minute)
	lost := func(kind feed.Kind, ago time.Duration) *feed.Update {
		return &feed.Update{Kind: kind, Lost: errors.New("refused"), Since: now.Add(-ago)}
	}
	if got := texts(state.Apply(lost(feed.Reboots, time.Minute), now)); got != ": The cluster is not visible: refused" {
		t.Errorf("told %q", got)
	}
	for range 3 {
		if got := texts(state.Apply(lost(feed.Policies, time.Second), now)); got != "" {
			t.Errorf("told again: %q", got)
		}
		state.Apply(lost(feed.Reboots, 0), now)
	}
	if b := state.Blind(); b == nil || !b.Since.Equal(since) {
		t.Errorf("blind since %v instead of %v", b, since)
	}
	if got := texts(state.Apply(&feed.Update{Kind: feed.Policies}, now)); got != "" || state.Blind() == nil {
		t.Errorf("one of two is seen, and told is %q", got)
	}
	listed := &feed.Update{Kind: feed.Reboots, Listed: true}
	if got := texts(state.Apply(listed, now)); got != ": The cluster is visible again" || state.Blind() != nil {
		t.Errorf("both are seen, and told is %q", got)
	}
}
