package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// fleet is what someone looks at who has a minute: is anything wrong, and with which policy.
func fleet() *dashboard.DashboardBuilder {
	return page("fleet", "reboot-operator / Fleet", "Which nodes need a reboot, how far they are, and what someone has to look at.").
		WithRow(dashboard.NewRowBuilder("Now")).
		WithPanel(number(about{"Nodes", "Nodes that policies own."},
			`sum(max by (policy) (reboot_operator_policy_nodes{policy=~"$policy"}))`, "short", 0)).
		WithPanel(number(about{"Waiting", "Nodes that need a reboot and have not been started."},
			`sum(reboot_operator_nodereboots{policy=~"$policy", phase="Pending"})`, "short", 0)).
		WithPanel(number(about{"Under way", "Nodes that hold a slot."},
			`sum(max by (policy) (reboot_operator_policy_underway{policy=~"$policy"}))`, "short", 0)).
		WithPanel(number(about{"Longest waiting", "How long the node that waits longest has needed its reboot."},
			`max(reboot_operator_policy_oldest_waiting_seconds{policy=~"$policy"})`, "s", 0)).
		WithPanel(number(about{"Managers", "Replicas that Prometheus collects from."},
			`count(reboot_operator_build_info)`, "short", 0)).
		WithPanel(number(about{"No policy", "Nodes that need a reboot, and that no policy selects."},
			`sum(reboot_operator_nodereboots{phase="Pending", reason="NoPolicy"}) or vector(0)`, "short", 1)).
		WithRow(dashboard.NewRowBuilder("To look at")).
		WithPanel(number(about{"Halted policies", "Nothing of them starts: nodes did not come back, or drains fail."},
			`sum(max by (policy) (reboot_operator_policy_halted{policy=~"$policy"}))`, "short", 1)).
		WithPanel(number(about{"Failed", "Reboots that failed and have not recovered, or were given up and are still needed."},
			`sum(max by (policy) (reboot_operator_policy_failed{policy=~"$policy"}))`, "short", 1)).
		WithPanel(number(about{"Overdue", "Nodes that have waited for longer than their policy allows."},
			`sum(max by (policy) (reboot_operator_policy_overdue{policy=~"$policy"}))`, "short", 1)).
		WithPanel(number(about{"Without helper", "Ready nodes without a helper that is Ready."},
			`sum(max by (policy) (reboot_operator_policy_nodes_without_helper{policy=~"$policy"}))`, "short", 1)).
		WithPanel(number(about{"Refused writes", "Writes that the API server refuses."},
			`max(reboot_operator_refused_writes)`, "short", 1)).
		WithPanel(number(about{"Unreadable objects", "Objects that were set aside because a part of them cannot be read."},
			`sum(reboot_operator_unreadable_objects)`, "short", 1)).
		WithPanel(stacked(about{"Reboots by phase", "Those that are over are kept for some time."}, half,
			query{`sum by (phase) (reboot_operator_nodereboots{policy=~"$policy"})`, "{{phase}}"})).
		WithPanel(rows(about{"Policies", "Whether each is in force, and why not."}, half,
			query{`max by (policy, reason) (reboot_operator_policy_ready{policy=~"$policy"})`, "in force"})).
		WithPanel(rows(about{"Attempts fail repeatedly", "Nodes on which the last two attempts or more failed, by the reason of the last one."}, half,
			query{`sum by (policy, reason) (reboot_operator_policy_nodes_failing{policy=~"$policy"}) > 0`, "nodes"})).
		WithPanel(rows(about{"Cannot be rebooted", "Nodes whose host, helper or rights do not allow it, such as those of helpers to evict."}, half,
			query{`sum by (policy, reason) (reboot_operator_nodereboots{policy=~"$policy", phase="Pending", ` +
				`reason=~"EvictionForbidden|HelperTooOld|HostCannotReboot|HostUnsupported|SentinelCheckFails"}) > 0`, "nodes"})).
		WithPanel(lines(about{"Silences", "That exist, and those that should have ended and cannot be ended: they may hide alerts."}, half, "short",
			query{`sum by (policy) (reboot_operator_silences{policy=~"$policy"})`, "{{policy}}"},
			query{`sum by (policy) (reboot_operator_silences_overdue{policy=~"$policy"})`, "{{policy}} cannot be ended"},
			query{`sum by (policy) (increase(reboot_operator_silence_failures_total{policy=~"$policy"}[$__rate_interval]))`, "{{policy}} failed requests"})).
		WithPanel(lines(about{"Notifications", "Messages to receivers: delivered, failed and tried again, or given up after a day."}, half, "short",
			query{`sum by (policy, result) (increase(reboot_operator_notifications_total{policy=~"$policy"}[$__rate_interval]))`, "{{policy}} {{result}}"})).
		WithPanel(rows(about{"Nodes that need a reboot",
			"Only with --metrics-max-nodes of the manager, and no more nodes than that."}, full,
			query{`max by (node, policy, phase, reason) (reboot_operator_node_reboot_state{policy=~"$policy"})`, "shown"})).
		WithPanel(rows(about{"Versions", "Of the managers, with the protocol that they speak with helpers."}, full,
			query{`count by (version, goversion, protocol) (reboot_operator_build_info)`, "managers"}))
}

// rollout is what someone looks at while nodes are rebooted.
func rollout() *dashboard.DashboardBuilder {
	return page("rollout", "reboot-operator / Rollout", "How far a rollout is, how fast it is, and what it takes out of service.").
		WithPanel(number(about{"Left", "Nodes that wait or are under way."},
			`sum(reboot_operator_nodereboots{policy=~"$policy", phase=~"Pending|Draining|Rebooting|Recovering"})`, "short", 0)).
		WithPanel(number(about{"Proved", "Reboots that succeeded in the time shown."},
			`sum(increase(reboot_operator_reboots_total{policy=~"$policy", outcome="Succeeded"}[$__range]))`, "short", 0)).
		WithPanel(number(about{"Failed attempts", "In the time shown."},
			`sum(increase(reboot_operator_attempts_failed_total{policy=~"$policy"}[$__range]))`, "short", 1)).
		WithPanel(number(about{"Unavailable", "Nodes that are unavailable for any reason."},
			`sum(max by (policy) (reboot_operator_policy_unavailable{policy=~"$policy"}))`, "short", 0)).
		WithPanel(number(about{"Policies whose window is open", ""},
			`sum(max by (policy) (reboot_operator_policy_window_open{policy=~"$policy"}))`, "short", 0)).
		WithPanel(number(about{"Next start", "Until the schedule lets nodes start; infinite if it never does again."},
			`min(max by (policy) (reboot_operator_policy_next_start_seconds{policy=~"$policy"}))`, "s", 0)).
		WithPanel(stacked(about{"Under way", "By phase."}, half,
			query{`sum by (phase) (reboot_operator_nodereboots{policy=~"$policy", phase=~"Draining|Rebooting|Recovering"})`, "{{phase}}"})).
		WithPanel(lines(about{"Budget", "Unavailable nodes, whatever the cause, and how many may be."}, half, "short",
			query{`max by (policy) (reboot_operator_policy_unavailable{policy=~"$policy"})`, "{{policy}} unavailable"},
			query{`max by (policy) (reboot_operator_policy_max_unavailable{policy=~"$policy"})`, "{{policy}} limit"},
			query{`max by (policy) (reboot_operator_policy_underway{policy=~"$policy"})`, "{{policy}} under way"})).
		WithPanel(lines(about{"Reboots an hour", "That ended, by outcome."}, half, "short",
			query{`sum by (outcome) (rate(reboot_operator_reboots_total{policy=~"$policy"}[$__rate_interval])) * 3600`, "{{outcome}}"})).
		WithPanel(lines(about{"Failed attempts by reason", ""}, half, "short",
			query{`sum by (reason) (increase(reboot_operator_attempts_failed_total{policy=~"$policy"}[$__rate_interval]))`, "{{reason}}"})).
		WithPanel(lines(about{"Windows", "1 while the schedule lets nodes start."}, half, "short",
			query{`max by (policy) (reboot_operator_policy_window_open{policy=~"$policy"})`, "{{policy}}"})).
		WithPanel(lines(about{"Halted", "1 while a policy is halted."}, half, "short",
			query{`max by (policy) (reboot_operator_policy_halted{policy=~"$policy"})`, "{{policy}}"}))
}

// waiting is why nodes do not move.
func waiting() *dashboard.DashboardBuilder {
	return page("waiting", "reboot-operator / Why nodes wait", "What the nodes that need a reboot wait for. Each reason is explained in docs/reasons.md.").
		WithPanel(stacked(about{"Waiting nodes by reason", "Those that have not been started."}, full,
			query{`sum by (reason) (reboot_operator_nodereboots{policy=~"$policy", phase="Pending", reason!=""})`, "{{reason}}"})).
		WithPanel(rows(about{"Waiting now", ""}, half,
			query{`sum by (policy, reason) (reboot_operator_nodereboots{policy=~"$policy", phase="Pending", reason!=""})`, "nodes"})).
		WithPanel(rows(about{"Under way now", ""}, half,
			query{`sum by (policy, phase, reason) (reboot_operator_nodereboots{policy=~"$policy", phase=~"Draining|Rebooting|Recovering", reason!=""})`,
				"nodes"})).
		WithPanel(stacked(about{"Under way by reason", "What the nodes that hold a slot wait for."}, half,
			query{`sum by (reason) (reboot_operator_nodereboots{policy=~"$policy", phase=~"Draining|Rebooting|Recovering", reason!=""})`,
				"{{reason}}"})).
		WithPanel(lines(about{"Longest waiting", "How long the node that waits longest has needed its reboot."}, half, "s",
			query{`max by (policy) (reboot_operator_policy_oldest_waiting_seconds{policy=~"$policy"})`, "{{policy}}"})).
		WithPanel(stacked(about{"Failed by reason", "Those that are over are kept for some time."}, half,
			query{`sum by (reason) (reboot_operator_nodereboots{policy=~"$policy", phase="Failed", reason!=""})`, "{{reason}}"})).
		WithPanel(lines(about{"Writes that are refused", "By what was to be written."}, half, "short",
			query{`sum by (write) (increase(reboot_operator_writes_refused_total[$__rate_interval]))`, "{{write}}"}))
}

// durations are how long each part of a reboot takes.
func durations() *dashboard.DashboardBuilder {
	board := page("durations", "reboot-operator / Durations", "How long each part of a reboot takes.")
	for _, part := range []struct{ metric, title, description string }{
		{"reboot_operator_reboot_seconds", "Whole reboot", "From the grant of a slot until it is freed, of reboots that succeeded."},
		{"reboot_operator_drain_seconds", "Drain", "From the order to drain until the node is drained."},
		{"reboot_operator_downtime_seconds", "Downtime", "From the order to reboot until the node reports another boot."},
		{"reboot_operator_recovery_seconds", "Recovery", "From another boot until the slot is freed."},
		{"reboot_operator_taint_lead_seconds", "Lead of the taint", "From the taint of a node to the order to drain it."},
	} {
		quantile := func(q string) query {
			return query{"histogram_quantile(" + q + ", sum by (le) (increase(" + part.metric + `_bucket{policy=~"$policy"}[$__range])))`, q}
		}
		board.WithRow(dashboard.NewRowBuilder(part.title)).
			WithPanel(lines(about{part.title + ": half of them, and nine of ten", part.description}, third, "s", quantile("0.5"), quantile("0.9"))).
			WithPanel(lines(about{part.title + ": mean by policy", part.description}, third, "s", query{
				"sum by (policy) (increase(" + part.metric + `_sum{policy=~"$policy"}[$__range])) / sum by (policy) (increase(` +
					part.metric + `_count{policy=~"$policy"}[$__range]))`, "{{policy}}",
			})).
			WithPanel(spread(about{part.title + ": spread", part.description}, third, part.metric))
	}
	return board.WithRow(dashboard.NewRowBuilder("Manager")).
		WithPanel(lines(about{"Pass over the cluster", "Nine of ten, writes included."}, half, "s", query{
			"histogram_quantile(0.9, sum by (le) (increase(reboot_operator_pass_seconds_bucket[$__range])))", "0.9",
		})).
		WithPanel(lines(about{"Passes a second", ""}, half, "short", query{
			"sum(rate(reboot_operator_pass_seconds_count[$__rate_interval]))", "passes",
		}))
}
