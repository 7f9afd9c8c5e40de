package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// tellSilences says which silences fail, since when and why; nothing if none does. Failures that hide alerts come before failures that let
// alerts through.
func tellSilences(clock model.Clock, failures []model.SilenceFailure) (reason, message string) {
	var ending, finding, making []string
	for _, f := range slices.SortedFunc(slices.Values(failures), model.CompareSilenceFailures) {
		if f.Finding {
			finding = append(finding, fmt.Sprintf("Listing the silences that an earlier manager created for %s has failed since %s: "+
				"%s They may hide alerts until %s.", f.Silence, clock.At(f.Since), f.Message, clock.At(f.Until)))
			continue
		}
		if !f.Ending {
			making = append(making, fmt.Sprintf("Silence %s has been failing since %s: %s", f.Silence, clock.At(f.Since), f.Message))
			continue
		}
		until := "until it expires"
		if !f.Until.IsZero() {
			until = "until " + clock.At(f.Until)
		}
		ending = append(ending, fmt.Sprintf("Silence %s of node %s has failed to end since %s: %s Alerts may stay hidden %s.",
			f.Silence, f.Node+andMore(f.Nodes), clock.At(f.Since), f.Message, until))
	}
	if len(making) > 0 {
		making = append(making, "Reboots do not wait for that; their alerts may page someone.")
	}
	all := slices.Concat(ending, finding, making)
	if len(ending) > 0 {
		reason = v1alpha1.ReasonSilencesNotEnded
	} else if len(all) > 0 {
		reason = v1alpha1.ReasonSilencesFailing
	}
	return reason, strings.Join(all, " ")
}

func andMore(nodes int) string {
	if nodes < 2 {
		return ""
	}
	return fmt.Sprintf(" and %s", model.Counted(nodes-1, "other node", "other nodes"))
}
