package chart

import (
	"strings"
	"testing"
)

// Values that are wrong, or contradict each other, are refused with what to write instead.
func TestWrongValuesAreRefused(t *testing.T) {
	tests := map[string]struct {
		values string
		want   string
	}{
		"a value that there is not":          {"manger: {replicas: 1}", "additional properties 'manger' not allowed"},
		"one below another":                  {"helper: {sentinel: /run/x}", "additional properties 'sentinel' not allowed"},
		"a field that a policy has not":      {"policies: [{name: a, spec: {nodes: All, rollout: {maxUnavailabel: 1}}}]", "maxUnavailabel"},
		"a policy without a spec":            {"policies: [{name: a}]", "missing property 'spec'"},
		"a policy without a name":            {"policies: [{spec: {nodes: All}}]", "missing property 'name'"},
		"a policy twice":                     {"policies: [{name: a, spec: {nodes: All}}, {name: a, spec: {nodes: All}}]", "policies has a twice"},
		"a digest without its algorithm":     {"image: {digest: 2c26}", "/image/digest"},
		"a tag in the repository's place":    {"image: {tag: 'x:y'}", "/image/tag"},
		"a duration as kured writes windows": {"helper: {hostPrograms: true, sentinelCommand: {preset: dnf, timeout: 1 minute}}", "/helper/sentinelCommand/timeout"},
		"an unknown preset":                  {"helper: {sentinelCommand: {preset: apt}}", "'dnf', 'dnf5', 'rpm-ostree', 'yum-utils', 'zypper'"},
		"an unknown way to reboot":           {"helper: {rebootMethod: logind}", "'Logind', 'Signal', 'Command'"},
		"a label by which the chart selects": {"commonLabels: {app.kubernetes.io/name: x}", "/commonLabels"},
		"another operating system":           {"helper: {nodeSelector: {kubernetes.io/os: windows}}", "/helper/nodeSelector"},
		"a relative sentinel":                {"helper: {sentinels: [run/reboot-required]}", "/helper/sentinels/0"},
		"a sentinel that climbs":             {"helper: {sentinels: [/run/../etc/x]}", "/helper/sentinels/0"},
		"a gate that may do more than list":  {"rbac: {gateRules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}", "/rbac/gateRules/0/verbs/0"},
		"a ServiceAccount of no namespace":   {"rbac: {viewers: [{kind: ServiceAccount, name: x}]}", "missing property 'namespace'"},

		"nothing says that a host needs a reboot":  {"helper: {sentinels: []}", "nothing says that a host needs a reboot"},
		"no sentinel, and sentinels":               {"helper: {noSentinel: true}", "helper.noSentinel says that no host asks"},
		"a sentinel in the root":                   {"helper: {sentinels: [/reboot]}", "would mount the whole host"},
		"a sentinel where kernels are":             {"helper: {sentinelKernel: true, sentinels: [/boot/reboot]}", "/boot is mounted for helper.sentinelKernel already"},
		"a preset and a command":                   {"helper: {hostPrograms: true, sentinelCommand: {preset: dnf, command: [/x]}}", "leave them out, or the preset"},
		"a command without exit codes":             {"helper: {hostPrograms: true, sentinelCommand: {command: [/x]}}", "takes exitCodes"},
		"exit codes without a command":             {"helper: {sentinelCommand: {exitCodes: {'1': Required}}}", "has no command and no preset"},
		"a program without the right to run it":    {"helper: {sentinelCommand: {preset: dnf}}", "takes helper.hostPrograms: true"},
		"Command without a command":                {"helper: {hostPrograms: true, rebootMethod: Command}", "takes helper.rebootCommand"},
		"Command without the right to run it":      {"helper: {rebootMethod: Command, rebootCommand: [/x]}", "takes helper.hostPrograms: true"},
		"a command that is never run":              {"helper: {hostPrograms: true, rebootCommand: [/x]}", "is never run"},
		"a confined and privileged container":      {"helper: {hostPrograms: true, seLinuxType: x}", "choose"},
		"a confined container that signals":        {"helper: {rebootMethod: Signal, appArmorProfile: x}", "choose"},
		"helpers that nothing confines":            {"{webhooks: {enabled: false}, beforeKubernetes136: true}", "beforeKubernetes136 takes webhooks.enabled"},
		"eviction requests that nothing confines":  {"{webhooks: {enabled: false}, helper: {evictionRequests: true}}", "helper.evictionRequests takes webhooks.enabled"},
		"one port for two":                         {"{webhooks: {port: 9443}, metrics: {port: 9443}}", "are the same"},
		"the port of the probes":                   {"metrics: {port: 8081}", "metrics.port: 8081 is the port of the probes"},
		"someone with a role that is not there":    {"rbac: {userRoles: false, editors: [{kind: User, name: x}]}", "rbac.editors get a role that is not created"},
		"rules for nobody":                         {"rbac: {create: false, gateRules: [{verbs: [list]}]}", "rbac.gateRules takes rbac.create"},
		"less memory than Go may use":              {"manager: {resources: {limits: {memory: 128Mi}}}", "manager.goMemLimit 230MiB has to be less than"},
		"the same for the helper":                  {"helper: {goMemLimit: 1GiB}", "helper.goMemLimit 1GiB has to be less than"},
		"an argument that has a value":             {"manager: {extraArgs: [--max-unavailable=1]}", "write manager.maxUnavailable"},
		"one with one dash":                        {"helper: {rebooterExtraArgs: [-reboot-method, Signal]}", "/helper/rebooterExtraArgs/1"},
		"one of the rebooter with one dash":        {"helper: {rebooterExtraArgs: [-reboot-method=Signal]}", "write helper.rebootMethod"},
		"one of the helper":                        {"helper: {extraArgs: [--eviction-requests]}", "write helper.evictionRequests"},
		"a monitor of no metrics":                  {"metrics: {enabled: false, serviceMonitor: {enabled: true}}", "metrics.serviceMonitor takes metrics.enabled"},
		"a certificate of no metrics":              {"metrics: {enabled: false, certManager: true}", "metrics.certManager takes metrics.enabled"},
		"a receiver that is no URL":                {"notifications: {urls: {slack: hooks.slack.com}}", "/notifications/urls/slack"},
		"a way to reboot besides, without program": {"helper: {allowedRebootMethods: [Command]}", "takes helper.rebootCommand"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := template(t, values(t, test.values))
			if err == nil {
				t.Fatalf("%s is not refused", test.values)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v\nwant %q", test.values, err, test.want)
			}
		})
	}
}

// All problems are said at once.
func TestEveryProblemIsSaid(t *testing.T) {
	_, err := template(t, values(t, "{webhooks: {enabled: false}, beforeKubernetes136: true, helper: {sentinels: []}}"))
	if err == nil || strings.Count(err.Error(), "\n- ") != 2 {
		t.Errorf("want two problems: %v", err)
	}
}

func TestNotesSayWhatIsNext(t *testing.T) {
	for vals, want := range map[string]string{
		"{}":                     "Nothing is tainted or rebooted until there is a RebootPolicy",
		samplePolicy:             "Look at your policies",
		"manager: {replicas: 0}": "none that is under way is finished",
		"rbac: {create: false}":  "rbac.create is false",
	} {
		rendered, err := template(t, values(t, vals))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(rendered.Info.Notes, want) {
			t.Errorf("%s: the notes do not say %q:\n%s", vals, want, rendered.Info.Notes)
		}
		if strings.Contains(rendered.Info.Notes, "<no value>") {
			t.Errorf("%s: the notes have a value that there is not:\n%s", vals, rendered.Info.Notes)
		}
	}
}

// Null takes a default away, as everywhere in Helm.
func TestValuesThatAreTakenAway(t *testing.T) {
	vals := values(t, `
commonLabels: null
commonAnnotations: null
manager: {extraArgs: null, podLabels: null, podAnnotations: null, resources: {limits: null}}
helper:
  {extraArgs: null, rebooterExtraArgs: null, allowedRebootMethods: null, podLabels: null, resources: null,
  rebooterResources: {limits: null}}
`)
	rendered := byKey(t, render(t, vals))
	manager, helper := plain(t, rendered["Deployment/reboot-operator-manager"]), plain(t, rendered["DaemonSet/reboot-operator-helper"])
	if got := at(manager, "spec/template/spec/containers/manager/resources/limits"); got != nil {
		t.Errorf("the manager has the limits %v", got)
	}
	if got := at(helper, "spec/template/spec/containers/rebooter/resources/limits/memory"); got != "32Mi" {
		t.Errorf("the rebooter has the limit %v", got)
	}
}
