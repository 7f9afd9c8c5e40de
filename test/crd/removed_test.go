package crd

import (
	"regexp"
	"testing"
)

// removed is what a policy no longer has: each field and value that was renamed or moved, as it was written, and the answer to it. All of
// the answer is compared.
var removed = map[string]struct{ spec, want string }{
	"excludeFromLoadBalancers": {
		`excludeFromLoadBalancers: {leadSeconds: 30}`,
		`spec.excludeFromLoadBalancers: Invalid value: excludeFromLoadBalancers is now below drain: write drain.excludeFromLoadBalancers`,
	},
	"rollout.groupLabel": {
		`rollout: {groupLabel: example.com/rack}`,
		`spec.rollout.groupLabel: Invalid value: "example.com/rack": groupLabel is now group: ` +
			`write 'group: {label: ..., maxSize: ...}', where maxSize is the most nodes that may go together`,
	},
	"drain.adaptiveDelay": {
		`drain: {adaptiveDelay: {minSeconds: 30, maxSeconds: 600}}`,
		`spec.drain.adaptiveDelay: Invalid value: adaptiveDelay is now below rollout: write rollout.adaptiveDelay`,
	},
	"drain.podSelector": {
		`drain: {podSelector: app!=web}`,
		`spec.drain.podSelector: Invalid value: "app!=web": ` + podSelector,
	},
	"drain.waitForPods.podSelector": {
		`drain: {waitForPods: {podSelector: app=web}}`,
		`spec.drain.waitForPods.podSelector: Invalid value: "app=web": ` + podSelector,
	},
	"drain.stages[].podSelector": {
		`drain: {stages: [{podSelector: app=web}]}`,
		`spec.drain.stages[0].podSelector: Invalid value: "app=web": ` + podSelector,
	},
	"failure.maxDeferralSeconds": {
		`failure: {maxDeferralSeconds: 86400}`,
		`spec.failure.maxDeferralSeconds: Invalid value: 86400: maxDeferralSeconds is now below schedule: write schedule.maxDeferralSeconds`,
	},
	"drain.volumeDetachSeconds: 0": {
		`drain: {volumeDetachSeconds: 0}`,
		`spec.drain.volumeDetachSeconds: Invalid value: 0: write how many seconds to wait for volumes, ` +
			`or remove volumeDetachSeconds to wait for none`,
	},
	"approval: Required": {
		`approval: Required`,
		`spec.approval: Invalid value: "Required": write Require or Ignore (Required is now Require, NotRequired is now Ignore)`,
	},
	"approval: NotRequired": {
		`approval: NotRequired`,
		`spec.approval: Invalid value: "NotRequired": write Require or Ignore (Required is now Require, NotRequired is now Ignore)`,
	},
	"recovery.workloads: Wait": {
		`recovery: {workloads: Wait}`,
		`spec.recovery.workloads: Invalid value: "Wait": write Require or Ignore (Wait is now Require)`,
	},
	"drain.waitForPods.onTimeout: Proceed": {
		`drain: {waitForPods: {selector: {matchLabels: {app: web}}, onTimeout: Proceed}}`,
		`spec.drain.waitForPods.onTimeout: Invalid value: "Proceed": write Abort or Continue (Proceed is now Continue)`,
	},
	"schedule.atClose: Finish": {
		`schedule: {atClose: Finish}`,
		`spec.schedule.atClose: Invalid value: "Finish": write Abort or Continue (Finish is now Continue)`,
	},
	"gates.prometheus[].onError: Block": {
		`gates: {prometheus: [{name: g, url: "http://p", query: up, onError: Block}]}`,
		`spec.gates.prometheus[0].onError: Invalid value: "Block": write Require or Ignore (Block is now Require)`,
	},
	"gates.alertmanager[].onError: Block": {
		`gates: {alertmanager: [{name: g, url: "http://p", onError: Block}]}`,
		`spec.gates.alertmanager[0].onError: Invalid value: "Block": write Require or Ignore (Block is now Require)`,
	},
	"gates.objects[].onError: Block": {
		`gates: {objects: [{name: g, apiVersion: v1, kind: Pod, expression: "true", onError: Block}]}`,
		`spec.gates.objects[0].onError: Invalid value: "Block": write Require or Ignore (Block is now Require)`,
	},
	"recovery.objects[].onError: Block": {
		`recovery: {objects: [{name: g, apiVersion: v1, kind: Pod, expression: "true", onError: Block}]}`,
		`spec.recovery.objects[0].onError: Invalid value: "Block": write Require or Ignore (Block is now Require)`,
	},
}

const podSelector = `podSelector is now selector: write for example 'selector: {matchLabels: {app: web}}' for app=web`

// removedFields are those that are in the schema only to be refused.
func removedFields() []string {
	return []string{
		"excludeFromLoadBalancers.leadSeconds", "rollout.groupLabel", "drain.adaptiveDelay.minSeconds", "drain.adaptiveDelay.maxSeconds",
		"drain.podSelector", "drain.waitForPods.podSelector", "failure.maxDeferralSeconds",
	}
}

func TestWhatAPolicyNoLongerHasIsRefusedAndTheNewNameIsTold(t *testing.T) {
	for name, test := range removed {
		t.Run(name, func(t *testing.T) {
			err := tryCreate(t, policy(t, "removed", "{nodes: All, "+test.spec+"}"))
			want := `RebootPolicy.reboot-operator.io "removed" is invalid: ` + test.want
			if err == nil || err.Error() != want && !answeredByType(want).MatchString(err.Error()) {
				t.Errorf("the answer is\n%v, want\n%s", err, want)
			}
		})
	}
}

// invalidValue is the part of an answer that shows what was written.
var invalidValue = regexp.MustCompile(`Invalid value: (?:(?:"[^"]*"|[0-9]+): )?`)

// answeredByType matches the answer of an older API server, which shows the type of what was written instead.
func answeredByType(answer string) *regexp.Regexp {
	place := invalidValue.FindStringIndex(answer)
	return regexp.MustCompile("^" + regexp.QuoteMeta(answer[:place[0]]) + `Invalid value: "(string|integer|object)?": ` +
		regexp.QuoteMeta(answer[place[1]:]) + "$")
}
