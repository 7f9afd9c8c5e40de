package lint_test

import "testing"

const nightly = "windows: [{cron: \"0 22 * * *\", durationSeconds: 900}]"

func TestWhatANodeWaitsForIsAddedUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ spec, want string }{
		"a drain":                  {"  drain: {timeoutSeconds: 1000}\n", "at least 0s, and at most 16m40s"},
		"a delay before the drain": {"  drain: {timeoutSeconds: 1000, delaySeconds: 60}\n", "at least 1m0s, and at most 17m40s"},
		"a delay before the reboot": {"  drain: {timeoutSeconds: 1000}\n  reboot: {delaySeconds: 60}\n",
			"at least 1m0s, and at most 17m40s"},
		"a lead of load balancers": {"  drain: {timeoutSeconds: 1000, excludeFromLoadBalancers: {leadSeconds: 60}}\n",
			"at least 1m0s, and at most 17m40s"},
		"pods that may finish": {"  drain: {timeoutSeconds: 1000, waitForPods: {selector: {matchLabels: {a: b}}, timeoutSeconds: 60}}\n",
			"at least 0s, and at most 17m40s"},
		"volumes that detach": {"  drain: {timeoutSeconds: 1000, volumeDetachSeconds: 60}\n", "at least 0s, and at most 17m40s"},
		"a hook before the drain": {"  drain: {timeoutSeconds: 1000}\n  hooks: {beforeDrain: [{conditionType: example.com/a, timeoutSeconds: " +
			"60}]}\n",
			"at least 0s, and at most 17m40s"},
		"a hook before the reboot": {"  drain: {timeoutSeconds: 1000}\n  hooks: {beforeReboot: [{conditionType: example.com/a, " +
			"timeoutSeconds: 60}]}\n",
			"at least 0s, and at most 17m40s"},
		"a hook without a drain": {"  drain: {mode: Skip}\n  hooks: {beforeDrain: [{conditionType: example.com/a, timeoutSeconds: 1000}]}\n",
			"at least 0s, and at most 16m40s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, head+"  nodes: All\n  schedule: {"+nightly+"}\n"+test.spec, nil, "--offline"),
				"may be shorter than a node takes until "+
					"its reboot ("+test.want+" if everything takes as long as it may), and atClose: Abort rolls back what is late")
		})
	}
}

func TestAWindowIsComparedWithItsBounds(t *testing.T) {
	t.Parallel()
	const quarter = "windows: [{daily: {days: [Mon], from: \"22:00\", through: \"22:14:59\"}}]"
	const path = "error: RebootPolicy p: spec.schedule.windows[0].durationSeconds: "
	for name, test := range map[string]struct {
		schedule, drain string
		want            []string
	}{
		"as long as it may take": {nightly, "{timeoutSeconds: 900}", nil},
		"as long as the delays":  {nightly, "{delaySeconds: 900}", []string{path + "15m0s is shorter than a node takes until its reboot"}},
		"delays that may go on":  {"atClose: Continue, " + nightly, "{delaySeconds: 900}", nil},
		"as long as must remain": {"minRemainingSeconds: 900, " + quarter, "{timeoutSeconds: 600}",
			[]string{"error: RebootPolicy p: spec.schedule.windows[0].daily: " +
				"15m0s is no more than schedule.minRemainingSeconds (15m0s), so no node ever starts: write more than 900"}},
		"shorter than must remain": {"atClose: Continue, minRemainingSeconds: 901, " + quarter, "{timeoutSeconds: 600}",
			[]string{"15m0s is no more than schedule.minRemainingSeconds (15m1s)"}},
		"more than must remain": {"minRemainingSeconds: 899, " + quarter, "{timeoutSeconds: 600}", nil},
		"a daily one": {"windows: [{daily: {days: [Mon], from: \"22:00\", through: \"22:29:59\"}}]", "{timeoutSeconds: 3600}",
			[]string{"warning: RebootPolicy p: spec.schedule.windows[0].daily: 30m0s may be shorter"}},
		"the second": {"windows: [{cron: \"0 22 * * *\", durationSeconds: 7200}, {cron: \"0 2 * * *\", durationSeconds: 900}]",
			"{timeoutSeconds: 1000}",
			[]string{"spec.schedule.windows[1].durationSeconds: 15m0s may be shorter"}},
		"one that is open now": {"windows: [{cron: \"0 12 * * *\", durationSeconds: 900}]", "{timeoutSeconds: 900}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, head+"  nodes: All\n  schedule: {"+test.schedule+"}\n  drain: "+test.drain+"\n", nil, "--offline"),
				test.want...)
		})
	}
}

func TestASchedulesNextOpeningIsLookedFor(t *testing.T) {
	t.Parallel()
	freeze := func(from, to string) string {
		return "freezes: [{name: f, from: \"" + from + "T00:00:00Z\", to: \"" + to + "\"}]"
	}
	const february = "windows: [{cron: \"0 0 29 2 *\", durationSeconds: 3600}], "
	for name, test := range map[string]struct {
		schedule string
		want     []string
	}{
		"a freeze for a year": {freeze("2026-03-01", "2027-03-03T12:00:00Z"), nil},
		"a freeze for longer": {freeze("2026-03-01", "2027-03-03T12:00:01Z"), []string{"warning: RebootPolicy p: spec.schedule: " +
			"nothing starts before 2027-03-03T12:00:01Z"}},
		"a freeze that begins later": {freeze("2026-03-03", "9999-01-01T00:00:00Z"), nil},
		"a freeze that ends now":     {freeze("2026-03-01", "2026-03-02T12:00:00Z"), nil},
		"a freeze that ended just now": {freeze("2026-03-01", "2026-03-02T11:59:59Z"), []string{"spec.schedule.freezes[0].to: the freeze " +
			"\"f\" ended at 2026-03-02T11:59:59Z: remove it"}},
		"a rare window": {february + "freezes: []", []string{"nothing starts before 2028-02-29T00:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, head+"  nodes: All\n  schedule: {"+test.schedule+"}\n", nil, "--offline"), test.want...)
		})
	}
}

func TestAnExpressionOfAGateIsFoundByTheNameOfTheGate(t *testing.T) {
	t.Parallel()
	gate := func(name, expression string) string {
		return "    - {name: " + name + ", apiVersion: v1, kind: Node, expression: \"" + expression + "\"}\n"
	}
	text := head + "  nodes: All\n  gates:\n    objects:\n"
	for name, test := range map[string]struct{ text, want string }{
		"the last of three": {text + gate("a", "object.x") + gate("b", "object.x") + gate("ceph", "object.x ="),
			"-:10: error: RebootPolicy p: spec.gates.objects[ceph].expression: "},
		"one called 1": {text + gate("'1'", "object.x ="), "-:8: error: RebootPolicy p: spec.gates.objects[1].expression: "},
		"one called 9": {text + gate("'9'", "object.x ="), "-:8: error: RebootPolicy p: spec.gates.objects[9].expression: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, linted(t, test.text, nil, "--offline"), test.want)
		})
	}
}

func TestALabelWithDotsIsFoundInItsLine(t *testing.T) {
	t.Parallel()
	text := head + "  nodes: All\n  rollout: {zones: {topologyKey: example.com/zone}}\n  nodeLabels:\n" +
		"    during:\n      example.com/zone: away\n"
	requireLines(t, linted(t, text, nil, "--offline"),
		"-:9: error: RebootPolicy p: spec.nodeLabels.during[example.com/zone]: it moves the nodes to another zone")
}
