package dashboard

import (
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/history"
)

// Explanation is why a node is where it is, and what to type.
type Explanation struct {
	Text     string
	Commands []Advice
}

// Explain explains a node; it returns false if it cannot.
type Explain func(fleet *app.Fleet, node string, now time.Time) (Explanation, bool)

// detailOf a node: why, what to type, and what happened.
func detailOf(in *Input, node string) Detail {
	detail := Detail{Story: []Entry{}}
	explained := false
	if in.Explain != nil {
		var e Explanation
		if e, explained = in.Explain(in.Fleet, node, in.Chart.Now); explained {
			detail.Why, detail.Commands = e.Text, e.Commands
		}
	}
	reboot := lastReboots(in.Fleet)[node]
	if !explained {
		detail.Why, detail.Commands = why(reboot), commands(reboot, node)
	}
	chart := history.Build(&history.Input{
		Reboots: rebootsOf(in.Fleet, node), Policies: in.Fleet.Policies, From: in.Chart.From, To: in.Chart.To, Now: in.Chart.Now,
		Zone: in.Zone, OnlyNodes: []string{node}, Stories: true,
	})
	for i := range chart.Lanes {
		for k := range chart.Lanes[i].Rows {
			detail.Story = append(detail.Story, entries(chart.Lanes[i].Rows[k].Story)...)
		}
	}
	return detail
}

func rebootsOf(fleet *app.Fleet, node string) []v1alpha1.NodeReboot {
	var own []v1alpha1.NodeReboot
	for i := range fleet.Reboots {
		if fleet.Reboots[i].Spec.NodeName == node {
			own = append(own, fleet.Reboots[i])
		}
	}
	return own
}

func entries(story []history.Entry) []Entry {
	all := make([]Entry, 0, len(story))
	for i := range story {
		all = append(all, Entry{At: story[i].Time.UnixMilli(), Text: story[i].Text, Warning: story[i].Warning})
	}
	return all
}

// why is what a NodeReboot says about itself.
func why(reboot *v1alpha1.NodeReboot) string {
	switch {
	case reboot == nil:
		return "No reboot of this node is required: it has no NodeReboot."
	case reboot.Status.CompletionTime != nil && reboot.Status.OutcomeMessage != "":
		return reboot.Status.OutcomeMessage
	case reboot.Status.Message != "":
		return reboot.Status.Message
	case reboot.Status.Phase == "":
		return "The operator has not looked at NodeReboot " + reboot.Name + " yet."
	}
	return reboot.Status.Reason
}

// commands are what helps with a node in the state that it is in.
func commands(reboot *v1alpha1.NodeReboot, node string) []Advice {
	all := []Advice{{"Explain it in the terminal", "kubectl reboots why " + node}}
	if reboot == nil || reboot.Status.CompletionTime != nil {
		all = append(all, Advice{"Reboot it", "kubectl reboots now " + node + " --reason=..."})
		return append(all, Advice{"See what happened", "kubectl reboots timeline " + node})
	}
	switch reboot.Status.Reason {
	case v1alpha1.ReasonAwaitingApproval, v1alpha1.ReasonSelfApproved:
		all = append(all, Advice{"Approve it", "kubectl reboots approve " + node})
	case v1alpha1.ReasonPaused:
		all = append(all, Advice{"Resume the policy", "kubectl reboots resume " + reboot.Status.PolicyName})
	case v1alpha1.ReasonSkipped:
		all = append(all, Advice{"Let it reboot again", "kubectl reboots unskip " + node})
	case v1alpha1.ReasonBackingOff:
		all = append(all, Advice{"Try again at once", "kubectl reboots retry " + node})
	case v1alpha1.ReasonEvictionRefused, v1alpha1.ReasonDrainStuck, v1alpha1.ReasonDrainImpossible:
		all = append(all, Advice{"Look at the budgets of pods", "kubectl get poddisruptionbudgets -A"},
			Advice{"Look at the pods that are left", "kubectl get pods -A --field-selector spec.nodeName=" + node})
	case v1alpha1.ReasonWindowClosed, v1alpha1.ReasonFreeze, v1alpha1.ReasonWindowEnding:
		all = append(all, Advice{"See the next windows", "kubectl reboots windows " + reboot.Status.PolicyName})
	}
	if reboot.Status.Phase == v1alpha1.PhaseFailed {
		all = append(all, Advice{"Try again", "kubectl reboots retry " + node})
	}
	return append(all, Advice{"Wait until it is proved", "kubectl reboots wait " + node + " --for=proved"},
		Advice{"See the object", "kubectl describe nodereboot " + reboot.Name})
}
