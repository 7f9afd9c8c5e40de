package plan

import (
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestWhatIsSaidOfSilencesThatFail(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	making := model.SilenceFailure{Silence: "node-alerts", Message: "No.", Since: since}
	finding := making
	finding.Finding, finding.Until = true, since.Add(time.Hour)
	ending := making
	ending.Ending, ending.Node, ending.Nodes, ending.Until = true, "a", 2, since.Add(5*time.Minute)
	const (
		made = "Silence node-alerts has been failing since 2026-03-01 12:00 +00:00: No. " +
			"Reboots do not wait for that; their alerts may page someone."
		list = "Listing the silences that an earlier manager created for node-alerts has failed since 2026-03-01 12:00 +00:00: No. " +
			"They may hide alerts until 2026-03-01 13:00 +00:00."
		end = "Silence node-alerts of node a and 1 other node has failed to end since 2026-03-01 12:00 +00:00: No. " +
			"Alerts may stay hidden until 2026-03-01 12:05 +00:00."
	)
	for name, tc := range map[string]struct {
		failures        []model.SilenceFailure
		reason, message string
	}{
		"nothing":            {},
		"cannot be made":     {[]model.SilenceFailure{making}, v1alpha1.ReasonSilencesFailing, made},
		"cannot be listed":   {[]model.SilenceFailure{finding}, v1alpha1.ReasonSilencesFailing, list},
		"cannot be ended":    {[]model.SilenceFailure{ending}, v1alpha1.ReasonSilencesNotEnded, end},
		"of several entries": {[]model.SilenceFailure{making, finding, ending}, v1alpha1.ReasonSilencesNotEnded, end + " " + list + " " + made},
	} {
		t.Run(name, func(t *testing.T) {
			reason, message := tellSilences(model.Clock{}, tc.failures)
			if reason != tc.reason || message != tc.message {
				t.Errorf("got %s %q, want %s %q", reason, message, tc.reason, tc.message)
			}
		})
	}
}
