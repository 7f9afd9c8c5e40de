package crd

import (
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestADurationWhereSecondsAreMeantIsAnsweredByTheNumber(t *testing.T) {
	window := `schedule: {windows: [{weekly: {days: [Sat], start: "22:00"}, durationSeconds: 14400}], `
	for name, spec := range map[string]string{
		"schedule.windows[0].durationSeconds":        `schedule: {windows: [{weekly: {days: [Sat], start: "22:00"}, durationSeconds: $}]}`,
		"cron/schedule.windows[0].durationSeconds":   `schedule: {windows: [{cron: "0 3 * * *", durationSeconds: $}]}`,
		"schedule.minRemainingSeconds":               window + `minRemainingSeconds: $}`,
		"schedule.maxDeferralSeconds":                `schedule: {maxDeferralSeconds: $}`,
		"drain.timeoutSeconds":                       `drain: {timeoutSeconds: $}`,
		"drain.delaySeconds":                         `drain: {delaySeconds: $}`,
		"drain.gracePeriodSeconds":                   `drain: {gracePeriodSeconds: $}`,
		"drain.skipWaitForDeleteSeconds":             `drain: {skipWaitForDeleteSeconds: $}`,
		"drain.volumeDetachSeconds":                  `drain: {volumeDetachSeconds: $}`,
		"drain.waitForPods.timeoutSeconds":           `drain: {waitForPods: {selector: {matchLabels: {a: b}}, timeoutSeconds: $}}`,
		"reboot.delaySeconds":                        `reboot: {delaySeconds: $}`,
		"reboot.timeoutSeconds":                      `reboot: {timeoutSeconds: $}`,
		"recovery.settleSeconds":                     `recovery: {settleSeconds: $}`,
		"recovery.timeoutSeconds":                    `recovery: {timeoutSeconds: $}`,
		"failure.backoffSeconds":                     `failure: {backoffSeconds: $}`,
		"failure.nodeGoneTimeoutSeconds":             `failure: {nodeGoneTimeoutSeconds: $}`,
		"rollout.minIntervalSeconds":                 `rollout: {minIntervalSeconds: $}`,
		"rollout.zones.soakSeconds":                  `rollout: {zones: {soakSeconds: $}}`,
		"rollout.canary.soakSeconds":                 `rollout: {canary: {soakSeconds: $}}`,
		"rollout.adaptiveDelay.maxSeconds":           `rollout: {adaptiveDelay: {maxSeconds: $}}`,
		"rollout.adaptiveDelay.minSeconds":           `rollout: {adaptiveDelay: {minSeconds: $, maxSeconds: 60}}`,
		"hooks.beforeDrain[0].timeoutSeconds":        `hooks: {beforeDrain: [{conditionType: example.com/a, timeoutSeconds: $}]}`,
		"triggers.nodeConditions[0].minSeconds":      `triggers: {nodeConditions: [{type: A, minSeconds: $}]}`,
		"gates.objects[0].timeoutSeconds":            `gates: {objects: [{name: a, apiVersion: v1, kind: P, expression: a, timeoutSeconds: $}]}`,
		"gates.alertmanager[0].timeoutSeconds":       `gates: {alertmanager: [{name: a, url: "http://a", timeoutSeconds: $}]}`,
		"notifications[0].drainRefusedSeconds":       `notifications: [{name: a, url: {key: a}, drainRefusedSeconds: $}]`,
		"notifications[0].gateFailingSeconds":        `notifications: [{name: a, url: {key: a}, gateFailingSeconds: $}]`,
		"notifications[0].overdueSeconds":            `notifications: [{name: a, url: {key: a}, overdueSeconds: $}]`,
		"silences[0].durationSeconds":                `silences: [{name: a, url: http://a, matchers: [{name: b, value: c}], durationSeconds: $}]`,
		"silences[0].lingerSeconds":                  `silences: [{name: a, url: http://a, matchers: [{name: b, value: c}], lingerSeconds: $}]`,
		"drain.excludeFromLoadBalancers.leadSeconds": `drain: {excludeFromLoadBalancers: {leadSeconds: $}}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := name[strings.Index(name, "/")+1:]
			for _, wrong := range []string{"30m", "1h", "30s", `"1800"`} {
				err := tryCreate(t, policy(t, "seconds", `{nodes: All, `+strings.ReplaceAll(spec, "$", wrong)+`}`))
				checkAnswer(t, err, []string{"spec." + path + ": ", "must be a number of seconds from ", ": write "})
				if err != nil && strings.Contains(err.Error(), "no such overload") {
					t.Errorf("another rule does not expect it: %v", err)
				}
			}
		})
	}
}

func TestEveryNumberOfSecondsOfAPolicyIsAnsweredLikeThat(t *testing.T) {
	found := 0
	var look func(schema apiextensionsv1.JSONSchemaProps, path string)
	look = func(schema apiextensionsv1.JSONSchemaProps, path string) {
		for name, property := range schema.Properties {
			below := path + "." + name
			look(property, below)
			removed := slices.ContainsFunc(property.XValidations, func(r apiextensionsv1.ValidationRule) bool { return r.Rule == "false" })
			if !strings.HasSuffix(name, "Seconds") || removed || property.Format == "int64" {
				continue // what was removed is refused whatever it is
			}
			found++
			answers := func(r apiextensionsv1.ValidationRule) bool {
				// In a list the first is too expensive: Kubernetes 1.32 estimates that comparing two types takes as long as comparing long texts.
				return strings.HasPrefix(r.Rule, "type(self) == int && self >= ") || strings.HasPrefix(r.Rule, "type(self) in [int] && self >= ")
			}
			if !property.XIntOrString || !slices.ContainsFunc(property.XValidations, answers) {
				t.Errorf("%s lets the schema answer 30m, which says nothing of seconds", below)
			}
		}
		if schema.Items != nil && schema.Items.Schema != nil {
			look(*schema.Items.Schema, path+"[]")
		}
	}
	look(readSchema(t, "reboot-operator.io_rebootpolicies.yaml").Properties["spec"], "spec")
	if found < 25 {
		t.Errorf("only %d numbers of seconds were found", found)
	}
}
