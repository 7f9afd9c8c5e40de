package chart

import (
	"fmt"
	"regexp"
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
		"a tag that is none":                 {"image: {tag: 'x:y'}", "/image/tag"},
		"a tag in the repository's place":    {"image: {repository: 'registry.example.com/x:v1'}", "/image/repository"},
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
		"a command without exit codes":             {"helper: {hostPrograms: true, sentinelCommand: {command: [/x]}}", "requires exitCodes"},
		"exit codes without a command":             {"helper: {sentinelCommand: {exitCodes: {'1': Required}}}", "has no command and no preset"},
		"a program without the right to run it":    {"helper: {sentinelCommand: {preset: dnf}}", "requires helper.hostPrograms: true"},
		"Command without a command":                {"helper: {hostPrograms: true, rebootMethod: Command}", "requires helper.rebootCommand"},
		"Command without the right to run it":      {"helper: {rebootMethod: Command, rebootCommand: [/x]}", "requires helper.hostPrograms: true"},
		"a command that is never run":              {"helper: {hostPrograms: true, rebootCommand: [/x]}", "is never run"},
		"a confined and privileged container":      {"helper: {hostPrograms: true, seLinuxType: x}", "use only one of them"},
		"a confined container that signals":        {"helper: {rebootMethod: Signal, appArmorProfile: x}", "use only one of them"},
		"helpers that nothing confines":            {"{webhooks: {enabled: false}, beforeKubernetes136: true}", "beforeKubernetes136 requires webhooks.enabled"},
		"eviction requests that nothing confines":  {"{webhooks: {enabled: false}, helper: {evictionRequests: true}}", "helper.evictionRequests requires webhooks.enabled"},
		"one port for two":                         {"{webhooks: {port: 9443}, metrics: {port: 9443}}", "are the same"},
		"the port of the probes":                   {"metrics: {port: 8081}", "metrics.port: 8081 is the port of the probes"},
		"someone with a role that is not there":    {"rbac: {userRoles: false, editors: [{kind: User, name: x}]}", "rbac.editors refers to a role that is not created"},
		"rules for nobody":                         {"rbac: {create: false, gateRules: [{verbs: [list]}]}", "rbac.gateRules requires rbac.create"},
		"less memory than Go may use":              {"manager: {resources: {limits: {memory: 128Mi}}}", "manager.goMemLimit 230MiB has to be less than"},
		"the same for the helper":                  {"helper: {goMemLimit: 1GiB}", "helper.goMemLimit 1GiB has to be less than"},
		"an argument that has a value":             {"manager: {extraArgs: [--max-unavailable=1]}", "write manager.maxUnavailable"},
		"one with one dash":                        {"helper: {rebooterExtraArgs: [-reboot-method, Signal]}", "/helper/rebooterExtraArgs/1"},
		"one of the rebooter with one dash":        {"helper: {rebooterExtraArgs: [-reboot-method=Signal]}", "write helper.rebootMethod"},
		"one of the helper":                        {"helper: {extraArgs: [--eviction-requests]}", "write helper.evictionRequests"},
		"a monitor of no metrics":                  {"metrics: {enabled: false, serviceMonitor: {enabled: true}}", "metrics.serviceMonitor requires metrics.enabled"},
		"a certificate of no metrics":              {"metrics: {enabled: false, certManager: {enabled: true}}", "metrics.certManager requires metrics.enabled"},
		"a receiver that is no URL":                {"notifications: {urls: {slack: hooks.slack.com}}", "/notifications/urls/slack"},
		"more nodes than the manager takes":        {"metrics: {maxNodes: 10001}", "/metrics/maxNodes"},
		"a percentage with a zero":                 {"manager: {maxUnavailable: 05%}", "/manager/maxUnavailable"},
		"more than all nodes":                      {"manager: {maxUnavailable: 101%}", "/manager/maxUnavailable"},
		"a label that is none":                     {"manager: {quorumNodeLabels: [a b]}", "/manager/quorumNodeLabels/0"},
		"a label with a value":                     {"manager: {quorumNodeLabels: [a=b]}", "/manager/quorumNodeLabels/0"},
		"a namespace with a dot":                   {"manager: {maintenanceLeaseNamespaces: [a.b]}", "/manager/maintenanceLeaseNamespaces/0"},
		"an address that is none":                  {"manager: {gateAllowedCIDRs: [999.1.1.1/20]}", "999.1.1.1/20 is no CIDR"},
		"a length that is none":                    {"manager: {gateAllowedCIDRs: [10.0.0.0/33]}", "10.0.0.0/33 is no CIDR"},
		"an address with bits to spare":            {"manager: {gateAllowedCIDRs: [10.0.0.1/31]}", "10.0.0.1/31 is no CIDR, or has bits beyond"},
		"the same in IPv6":                         {"notifications: {allowedCIDRs: ['fd00::1/127']}", "notifications.allowedCIDRs: fd00::1/127 is no"},
		"one more bit in IPv6":                     {"notifications: {allowedCIDRs: ['1:2:3::8000:0:0/80']}", "1:2:3::8000:0:0/80 is no CIDR"},
		"nine groups":                              {"manager: {gateAllowedCIDRs: ['1:2:3:4:5:6:7:8:9/128']}", "is no CIDR"},
		"two gaps":                                 {"manager: {gateAllowedCIDRs: ['1::2::3/128']}", "is no CIDR"},
		"a gap of nothing":                         {"manager: {gateAllowedCIDRs: ['1:2:3:4::5:6:7:8/128']}", "is no CIDR"},
		"a verbosity that there is not":            {"manager: {logLevel: 11}", "/manager/logLevel"},
		"a timeout that is too long":               {"helper: {hostPrograms: true, sentinelCommand: {preset: dnf, timeout: 5m0.001s}}", "5m0.001s is more than 5 minutes"},
		"a timeout of nothing":                     {"helper: {hostPrograms: true, sentinelCommand: {preset: dnf, timeout: 0s}}", "timeout: 0s is no duration"},
		"an interval of nothing":                   {"helper: {hostPrograms: true, sentinelCommand: {preset: dnf, interval: 0.0h}}", "interval: 0.0h is no duration"},
		"an interval of ages":                      {"helper: {hostPrograms: true, sentinelCommand: {preset: dnf, interval: 8761h}}", "8761h is more than a year"},
		"an exit code that a shell makes":          {"helper: {hostPrograms: true, sentinelCommand: {command: [/x], exitCodes: {'124': Required}}}", "124"},
		"a sentinel command without its path":      {"helper: {hostPrograms: true, sentinelCommand: {command: [x], exitCodes: {'1': Required}}}", "/helper/sentinelCommand/command/0"},
		"a reboot command without its path":        {"helper: {hostPrograms: true, rebootMethod: Command, rebootCommand: [reboot]}", "/helper/rebootCommand/0"},
		"a shell that fails as it answers":         {"helper: {hostPrograms: true, sentinelCommand: {command: [/bin/sh, -c, x], exitCodes: {'1': Required}}}", "/bin/sh exits with 1 or 2 also when it fails"},
		"an interpreter with its version":          {"helper: {hostPrograms: true, sentinelCommand: {command: [/usr/bin/python3.11, x], exitCodes: {'2': Required}}}", "exits with 1 or 2"},
		"memory that Go cannot read":               {"manager: {goMemLimit: 10000000TiB}", "/manager/goMemLimit"},
		"no memory":                                {"manager: {goMemLimit: 0MiB}", "/manager/goMemLimit"},
		"a budget of nothing":                      {"manager: {podDisruptionBudget: {maxUnavailable: 0}}", "no node that a manager runs on could be drained"},
		"a budget of 0 %":                          {"manager: {podDisruptionBudget: {maxUnavailable: 0%}}", "no node that a manager runs on could be drained"},
		"helpers that surge and are missing":       {"helper: {updateStrategy: {rollingUpdate: {maxSurge: 1}}}", "with maxSurge, maxUnavailable has to be 0"},
		"helpers that are never replaced":          {"helper: {updateStrategy: {rollingUpdate: {maxUnavailable: 0}}}", "are both 0"},
		"a variable twice":                         {"helper: {extraEnv: [{name: A, value: b}, {name: A, value: c}]}", "helper.extraEnv: A is set already"},
		"a variable of the manager's own":          {"manager: {extraEnv: [{name: GOGC, value: '50'}]}", "manager.extraEnv: GOGC is set already"},
		"kinds that an upgrade would delete":       {"crds: {install: false, keep: false}", "would have an upgrade delete the kinds"},
		"a label that gives rights away":           {"commonLabels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}", "/commonLabels"},
		"another of those":                         {"commonLabels: {reboot-operator.io/aggregate-to-gates: 'true'}", "/commonLabels"},
		"a level of Pod Security everywhere":       {"commonLabels: {pod-security.kubernetes.io/enforce: baseline}", "/commonLabels"},
		"an annotation that makes hooks":           {"commonAnnotations: {helm.sh/hook: pre-install}", "/commonAnnotations"},
		"an annotation of a Secret":                {"commonAnnotations: {reboot-operator.io/allowed-policies: '*'}", "/commonAnnotations"},
		"an issuer without cert-manager":           {"metrics: {certManager: {issuerRef: {name: x}}}", "require metrics.certManager.enabled"},
		"two certificates":                         {"metrics: {certManager: {enabled: true}, certDir: /x}", "leave metrics.certDir out"},
		"a certificate that nobody mounts":         {"metrics: {certDir: /etc/cert}", "nothing is mounted at /etc/cert"},
		"a directory of almost that name":          {"{metrics: {certDir: /etc/cert}, manager: {extraVolumes: [{name: a}], extraVolumeMounts: [{name: a, mountPath: /etc/cer}]}}", "nothing is mounted at /etc/cert"},
		"a mount of no volume":                     {"manager: {extraVolumeMounts: [{name: a, mountPath: /a}]}", "names a, which manager.extraVolumes does not have"},
		"a volume twice":                           {"manager: {extraVolumes: [{name: a}, {name: a}]}", "manager.extraVolumes has a twice"},
		"the chart's own volume":                   {"manager: {extraVolumes: [{name: metrics-cert}]}", "/manager/extraVolumes/0"},
		"a name that is not in the certificate":    {"metrics: {certManager: {enabled: true, dnsNames: [a.b]}, serviceMonitor: {enabled: true, serverName: c.d}}", "c.d is not in metrics.certManager.dnsNames"},
		"two authorities":                          {"metrics: {serviceMonitor: {ca: {secret: {name: a, key: b}, configMap: {name: a, key: b}}}}", "/metrics/serviceMonitor/ca"},
		"the port of the probes as an argument":    {"helper: {extraArgs: [--health-probe-bind-address=:1]}", "nothing: the probes of the pod use its port"},
		"a key that is there twice":                {"notifications: {urls: {a: 'x:y'}, keys: {a: b}}", "notifications.urls and notifications.keys both have a"},
		"an object of no kind":                     {"extraObjects: [{apiVersion: v1, metadata: {name: x}}]", "missing property 'kind'"},
		"an object without a name":                 {"extraObjects: [{apiVersion: v1, kind: Secret, metadata: {}}]", "missing property 'name'"},
		"an object as a text":                      {"extraObjects: ['kind: Secret']", "/extraObjects/0"},
		"hosts for no credentials":                 {"gates: {allowedHosts: [a.b]}", "gates.allowedHosts is an annotation of the Secret"},
		"a host with a path":                       {"gates: {credentials: {a: b}, allowedHosts: ['https://a.b/c']}", "/gates/allowedHosts/0"},
		"metrics without TLS":                      {"manager: {extraArgs: [--metrics-secure=false]}", "--metrics-secure: write nothing"},
		"two mounts at one place":                  {"manager: {extraVolumes: [{name: a}], extraVolumeMounts: [{name: a, mountPath: /a}, {name: a, mountPath: /a/}]}", "mounts two volumes at /a/"},
		"a way to reboot besides, without program": {"helper: {allowedRebootMethods: [Command]}", "requires helper.rebootCommand"},
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

// All problems are reported at once.
func TestEveryProblemIsSaid(t *testing.T) {
	_, err := template(t, values(t, "{manager: {gateAllowedCIDRs: [10.0.0.1/31]}, webhooks: {port: 8081}, helper: {sentinels: []}}"))
	if err == nil || strings.Count(err.Error(), "\n- ") != 3 {
		t.Errorf("want three problems: %v", err)
	}
}

// The schema says what contradicts what, where an editor or another validator sees it as well, and each of its rules refuses something.
func TestTheSchemaRefusesContradictions(t *testing.T) {
	var schema struct {
		AllOf []struct {
			Then map[string]any `json:"then"`
		} `json:"allOf"`
	}
	decode(t, load(t).Schema, &schema)
	refused := map[string]bool{}
	for _, vals := range []string{
		"{webhooks: {enabled: false}, beforeKubernetes136: true, helper: {evictionRequests: true}}",
		"helper: {sentinelCommand: {preset: dnf}}",
		"helper: {sentinelCommand: {command: [/x], preset: dnf}}",
		"helper: {rebootMethod: Command}",
		"metrics: {enabled: false, serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}",
		"metrics: {enabled: false, dashboards: {enabled: true}, certManager: {enabled: true}}",
		"metrics: {certManager: {enabled: true}, certDir: /x}",
		"rbac: {create: false, gateRules: [{verbs: [list]}]}",
		"crds: {install: false, keep: false}",
		"gates: {allowedHosts: [a.b]}",
		"manager: {podDisruptionBudget: {maxUnavailable: 0%}}",
	} {
		_, err := template(t, values(t, vals))
		if err == nil || !strings.Contains(err.Error(), "don't meet the specifications of the schema") {
			t.Errorf("%s: %v", vals, err)
			continue
		}
		for _, words := range regexp.MustCompile(`at '/[^']*': value must be '([^\n]*)'`).FindAllStringSubmatch(err.Error(), -1) {
			refused[words[1]] = true
		}
	}
	for _, rule := range schema.AllOf {
		words := rule.Then
		for words["const"] == nil {
			properties := words["properties"].(map[string]any)
			words = properties[sortedKeys(properties)[0]].(map[string]any)
		}
		if !refused[words["const"].(string)] {
			t.Errorf("nothing is refused with %q", words["const"])
		}
	}
	if len(schema.AllOf) < 15 {
		t.Errorf("the schema has %d rules", len(schema.AllOf))
	}
}

func TestNotesSayWhatIsNext(t *testing.T) {
	for vals, want := range map[string]string{
		"{}":                     "Nothing is tainted or rebooted until there is a RebootPolicy",
		samplePolicy:             "Look at your policies",
		"manager: {replicas: 0}": "none that is under way is finished",
		"rbac: {create: false}":  "rbac.create is false",

		"metrics: {prometheusRule: {enabled: true}}": "the job must be named reboot-operator",
	} {
		rendered, err := template(t, values(t, vals))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(rendered.Notes, want) {
			t.Errorf("%s: the notes do not say %q:\n%s", vals, want, rendered.Notes)
		}
		if strings.Contains(rendered.Notes, "<no value>") {
			t.Errorf("%s: the notes have a value that there is not:\n%s", vals, rendered.Notes)
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

// A policy in the values names keys of the Secret in the values, in each of the places where it can, and may use it.
func TestPoliciesNameKeysThatTheSecretHas(t *testing.T) {
	var schema jsonSchema
	decode(t, load(t).Schema, &schema)
	if at(map[string]any(schema), "$defs/policySpec/properties/notifications") == nil {
		t.Fatal("the kind of a policy has no notifications")
	}
	const policies = "policies: [{name: linux, spec: {nodes: All, notifications: [{name: a, %s}]}}]\nnotifications: %s"
	for name, test := range map[string]struct{ receiver, notifications, want string }{
		"a URL that is there":        {"url: {key: a}", "{urls: {a: 'slack://x'}}", ""},
		"one that is not":            {"url: {key: b}", "{urls: {a: 'slack://x'}}", "linux names the key b"},
		"one of another tool":        {"url: {key: b}", "{}", ""},
		"one of another Secret":      {"url: {secret: other, key: b}", "{urls: {a: 'slack://x'}}", ""},
		"one of the Secret by name":  {"url: {secret: reboot-operator-notifications, key: b}", "{urls: {a: 'slack://x'}}", "linux names the key b"},
		"a webhook that is there":    {"webhook: {url: {key: a}, hmacKey: {key: h}}", "{urls: {a: 'https://x'}, keys: {h: s}}", ""},
		"a signature that is not":    {"webhook: {url: {key: a}, hmacKey: {key: h}}", "{urls: {a: 'https://x'}}", "linux names the key h"},
		"an authority that is not":   {"webhook: {url: {key: a}, ca: {key: c}}", "{urls: {a: 'https://x'}}", "linux names the key c"},
		"a policy that may not":      {"url: {key: a}", "{urls: {a: 'slack://x'}, allowedPolicies: [other]}", "is not in notifications.allowedPolicies"},
		"one that may":               {"url: {key: a}", "{urls: {a: 'slack://x'}, allowedPolicies: [linux]}", ""},
		"one that does not use them": {"url: {secret: other, key: a}", "{urls: {a: 'slack://x'}, allowedPolicies: [other]}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := template(t, values(t, fmt.Sprintf(policies, test.receiver, test.notifications)))
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
