package monitoring

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// states are series of a state that fires each alert, with their values. Those of alerts that are about an absence are not here.
var states = map[string]map[string]string{
	"RebootPolicyHalted": {`reboot_operator_policy_halted{policy="p"}`: "1"},
	"RebootNodeNotBack":  {`reboot_operator_nodereboots{policy="p", phase="Failed", reason="NodeNotBack"}`: "1"},
	"RebootNotRecovered": {`reboot_operator_nodereboots{policy="p", phase="Failed", reason="RecoveryTimedOut"}`: "1"},
	"RebootGivenUp":      {`reboot_operator_policy_failed{policy="p"}`: "1"},
	"RebootAttemptsFailing": {
		`reboot_operator_policy_nodes_failing{policy="p", reason="RebootFailed"}`: "1",
	},
	"RebootOverdue":      {`reboot_operator_policy_overdue{policy="p"}`: "1"},
	"RebootDrainRefused": {`reboot_operator_policy_nodes_failing{policy="p", reason="DrainTimedOut"}`: "1"},
	"RebootImpossible":   {`reboot_operator_nodereboots{policy="p", phase="Pending", reason="HostUnsupported"}`: "1"},
	"RebootGateError":    {`reboot_operator_nodereboots{policy="p", phase="Pending", reason="GateError"}`: "1"},
	"RebootWindowNeverOpen": {
		`reboot_operator_policy_next_start_seconds{policy="p"}`:     "100000000",
		`reboot_operator_policy_oldest_waiting_seconds{policy="p"}`: "1",
	},
	"RebootPolicyInvalid":      {`reboot_operator_policy_ready{policy="p", reason="PolicyInvalid"}`: "0"},
	"RebootPolicyWithoutNodes": {`reboot_operator_policy_ready{policy="p", reason="NoNodes"}`: "0"},
	"RebootNoPolicy":           {`reboot_operator_nodereboots{policy="", phase="Pending", reason="NoPolicy"}`: "1"},
	"RebootSilenceNotEnded":    {`reboot_operator_silences_overdue{policy="p"}`: "1"},
	"RebootHelpersNotReady":    {`reboot_operator_policy_nodes_without_helper{policy="p"}`: "1"},
	"RebootNoDetector":         {`reboot_operator_policy_no_detector{policy="p"}`: "1"},
	"RebootWritesRefused":      {`reboot_operator_refused_writes`: "1"},
	"RebootUnreadableObject":   {`reboot_operator_unreadable_objects{kind="NodeReboot"}`: "1"},
}

// A change of leader leaves a gap in the state: the series of one replica are stale, and the other has none for a while. A firing alert
// outlasts the gap, and an alert that is over ends.
func TestAnAlertAboutStateOutlastsAChangeOfLeader(t *testing.T) {
	const begins, gap, rest = 120, 4, 90
	folder := t.TempDir()
	writeRules(t, folder)
	var tests []any
	for _, r := range rulesOf(t) {
		series := []any{map[string]string{"series": `up{job="reboot-operator"}`, "values": fmt.Sprintf("1x%d", begins+gap+2*rest)}}
		if states[r.Alert] == nil {
			if !strings.Contains(r.Expr, "absent(") && !strings.Contains(r.Expr, "increase(") {
				t.Errorf("%s: there is no state here that fires it", r.Alert)
			}
			continue
		}
		for labels, value := range states[r.Alert] {
			series = append(series,
				map[string]string{"series": with(labels, "a"), "values": fmt.Sprintf("%sx%d stale", value, begins)},
				map[string]string{"series": with(labels, "b"), "values": fmt.Sprintf("_x%d %sx%d stale", begins+gap, value, rest)})
		}
		firing := `count(ALERTS{alertname="` + r.Alert + `", alertstate="firing"}) or vector(0)`
		var asked []any
		for minute := begins - 10; minute <= begins+gap+rest; minute++ {
			asked = append(asked, at(minute, firing, 1))
		}
		asked = append(asked, at(begins+gap+rest+75, firing, 0))
		tests = append(tests, map[string]any{
			"name": r.Alert, "interval": "1m", "input_series": series, "promql_expr_test": asked,
		})
	}
	text, err := yaml.Marshal(map[string]any{"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m", "tests": tests})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "gaps.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", path)
}

// at is that a query has one value after so many minutes.
func at(minute int, expr string, value float64) any {
	return map[string]any{
		"eval_time": fmt.Sprintf("%dm", minute), "expr": expr, "exp_samples": []any{map[string]any{"labels": "{}", "value": value}},
	}
}

// with are series of one replica.
func with(series, pod string) string {
	if name, labels, found := strings.Cut(series, "{"); found {
		return name + `{pod="` + pod + `", ` + labels
	}
	return series + `{pod="` + pod + `"}`
}
