package main

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// conditions are the values that switch on what is in a folder or file of config/. Empty means that it is always there.
var conditions = map[string]string{
	"admission":                    "",
	"helper":                       "",
	"manager/manager.yaml":         "",
	"manager/namespace.yaml":       "$.Values.namespace.create",
	"manager/quota.yaml":           "$.Values.resourceQuota.enabled",
	"network":                      "$.Values.networkPolicy.enabled",
	"rbac":                         "",
	"webhook":                      "$.Values.webhooks.enabled",
	"components/before-1.36":       "$.Values.beforeKubernetes136",
	"components/eviction-requests": "$.Values.helper.evictionRequests",
	"components/medik8s-leases":    "",
	"components/openshift":         "$.Values.openshift.enabled",

	"components/metrics-cert-manager":           "$.Values.metrics.certManager.enabled",
	"components/monitoring/rbac.yaml":           "$.Values.metrics.serviceMonitor.enabled",
	"components/monitoring/rules.yaml":          "$.Values.metrics.prometheusRule.enabled",
	"components/monitoring/servicemonitor.yaml": "$.Values.metrics.serviceMonitor.enabled",
}

// conditionOf is the condition of a file, and whether it has one.
func conditionOf(name string) (string, bool) {
	for name != "." && name != "" {
		if condition, found := conditions[name]; found {
			return condition, true
		}
		cut := strings.LastIndex(name, "/")
		if cut < 0 {
			break
		}
		name = name[:cut]
	}
	return "", false
}

// seams of one manifest.
type seams struct {
	// when is a condition in addition to that of its folder.
	when string
	// each says for what it is repeated.
	each string
	// labels are values with more labels, in addition to the labels of every object.
	labels string
	// ownAnnotations says that its seams have those that the user gives to everything.
	ownAnnotations bool
	seams          []seam
}

// everyObject has the labels of the release, those that the user gives to everything, and more of its own. A label that is in several
// values is written once: tools that read YAML strictly refuse a key that is there twice.
func everyObject(more string) []seam {
	text := `{{- include "reboot-operator.labels" $ | nindent INDENT }}`
	if more != "" {
		text = `{{- include "reboot-operator.labelsWith" (list $ ` + more + `) | nindent INDENT }}`
	}
	return []seam{mapping("metadata/labels"), last("metadata/labels", text)}
}

// annotations that the user gives to everything go next to those that a manifest has, which count.
func annotations(s *sewing, root *yaml.Node) error {
	if own := field(field(root, "metadata"), "annotations"); own != nil {
		common := "omit ($.Values.commonAnnotations | default dict)"
		for i := 0; i < len(own.Content); i += 2 {
			common += fmt.Sprintf(" %q", own.Content[i].Value)
		}
		return last("metadata/annotations", with(items, common))(s, root)
	}
	return last("metadata", "{{- with $.Values.commonAnnotations }}\nannotations: {{- toYaml . | nindent INDENT+2 }}\n{{- end }}")(s, root)
}

// Conditions that several manifests share.
const (
	createRBAC   = "$.Values.rbac.create"
	createRoles  = "and $.Values.rbac.create $.Values.rbac.userRoles"
	hostPrograms = "$.Values.helper.hostPrograms"
	ownAuthority = "not $.Values.metrics.certManager.issuerRef.name"
)

// objects have the seams of each manifest that has any, by kind and name.
var objects = map[string]seams{
	"Namespace/reboot-operator-system": {labels: "$.Values.namespace.labels", ownAnnotations: true, seams: []seam{
		last("metadata", "{{- with include \"reboot-operator.namespaceAnnotations\" $ }}\nannotations: {{- . | nindent INDENT+2 }}\n{{- end }}"),
	}},
	"Deployment/reboot-operator-manager": {seams: managerSeams},
	"PodDisruptionBudget/reboot-operator-manager": {when: "$.Values.manager.podDisruptionBudget.enabled", seams: []seam{
		value("spec/maxUnavailable", "{{ $.Values.manager.podDisruptionBudget.maxUnavailable }}"),
	}},
	"Service/reboot-operator-metrics": {when: "$.Values.metrics.enabled", seams: []seam{
		value("spec/ports/metrics/port", "{{ $.Values.metrics.port }}"),
	}},
	"ConfigMap/reboot-operator-metrics-ca": {when: "$.Values.metrics.enabled"},
	"ServiceMonitor/reboot-operator-manager": {labels: "$.Values.metrics.serviceMonitor.labels", seams: []seam{
		value("spec/endpoints/0/interval", "{{ $.Values.metrics.serviceMonitor.interval | quote }}"),
		override("spec/endpoints/0/bearerTokenFile", "$.Values.metrics.serviceMonitor.authorization", "authorization"),
		around("spec/endpoints/0/tlsConfig/ca",
			"{{- if include \"reboot-operator.metricsCA\" $ }}\nca: {{- include \"reboot-operator.metricsCA\" $ | nindent INDENT+2 }}\n"+
				"{{- else if not $.Values.metrics.certDir }}"),
		value("spec/endpoints/0/tlsConfig/serverName", "{{ include \"reboot-operator.metricsServerName\" $ | quote }}"),
	}},
	"Certificate/reboot-operator-metrics": {seams: []seam{
		override("spec/dnsNames", "$.Values.metrics.certManager.dnsNames"),
		around("spec/issuerRef", "{{- if $.Values.metrics.certManager.issuerRef.name }}\n"+
			"issuerRef: {{- toYaml $.Values.metrics.certManager.issuerRef | nindent INDENT+2 }}\n{{- else }}"),
	}},
	"Certificate/reboot-operator-metrics-ca":    {when: ownAuthority},
	"Issuer/reboot-operator-metrics":            {when: ownAuthority},
	"Issuer/reboot-operator-metrics-selfsigned": {when: ownAuthority},

	"PrometheusRule/reboot-operator":  {labels: "$.Values.metrics.prometheusRule.labels"},
	"Role/reboot-operator-prometheus": {when: createRBAC},
	"RoleBinding/reboot-operator-prometheus": {when: createRBAC, seams: []seam{
		value("subjects", with(block, "$.Values.metrics.serviceMonitor.subjects")),
	}},
	"ClusterRoleBinding/reboot-operator-prometheus": {when: createRBAC, seams: []seam{
		value("subjects", with(block, "$.Values.metrics.serviceMonitor.subjects")),
	}},
	"DaemonSet/reboot-operator-helper": {seams: helperSeams},
	"NetworkPolicy/reboot-operator-manager": {seams: []seam{
		when("spec/ingress/0/ports/metrics", "$.Values.metrics.enabled"),
		when("spec/ingress/0/ports/webhook", "$.Values.webhooks.enabled"),
		override("spec/egress", "$.Values.networkPolicy.managerEgress"),
	}},
	"NetworkPolicy/reboot-operator-helper": {seams: []seam{override("spec/egress", "$.Values.networkPolicy.helperEgress")}},

	"ClusterRole/reboot-operator-manager":        {when: createRBAC},
	"ClusterRoleBinding/reboot-operator-manager": {when: createRBAC},
	"Role/reboot-operator-manager":               {when: createRBAC},
	"RoleBinding/reboot-operator-manager":        {when: createRBAC},
	"ClusterRole/reboot-operator-helper":         {when: createRBAC},
	"ClusterRoleBinding/reboot-operator-helper":  {when: createRBAC},
	"ClusterRole/reboot-operator-gates":          {when: createRBAC},
	"ClusterRoleBinding/reboot-operator-gates":   {when: createRBAC},
	"ClusterRole/reboot-operator-viewer": {when: createRoles, seams: []seam{
		when("metadata/labels/rbac.authorization.k8s.io~1aggregate-to-view", "$.Values.rbac.aggregateToView"),
	}},
	"ClusterRole/reboot-operator-editor":    {when: createRoles},
	"ClusterRole/reboot-operator-requester": {when: createRoles},
	"ClusterRole/reboot-operator-approver":  {when: createRoles},
	"ClusterRole/reboot-operator-plugin":    {when: createRoles},
	"ClusterRole/reboot-operator-skipper":   {when: createRoles},
	"ClusterRole/reboot-operator-hook":      {when: createRoles},
	"ClusterRole/reboot-operator-metrics-reader": {
		when: "and $.Values.rbac.create (or $.Values.rbac.userRoles $.Values.metrics.serviceMonitor.enabled)",
	},

	"ClusterRole/reboot-operator-helper-drain":                    {when: createRBAC},
	"ClusterRoleBinding/reboot-operator-helper-drain":             {when: createRBAC},
	"ClusterRole/reboot-operator-helper-eviction-requests":        {when: createRBAC},
	"ClusterRoleBinding/reboot-operator-helper-eviction-requests": {when: createRBAC},
	"Role/reboot-operator-helper-scc":                             {when: createRBAC},
	"RoleBinding/reboot-operator-helper-scc":                      {when: createRBAC},
	"Role/reboot-operator-manager-scc":                            {when: createRBAC},
	"RoleBinding/reboot-operator-manager-scc":                     {when: createRBAC},
	"Role/reboot-operator-manager-leases":                         leases,
	"RoleBinding/reboot-operator-manager-leases":                  leases,

	"SecurityContextConstraints/reboot-operator-helper": {seams: []seam{
		value("allowHostPID", "{{ or "+hostPrograms+" (include \"reboot-operator.signal\" $ | eq \"true\") }}"),
		value("allowPrivilegedContainer", "{{ "+hostPrograms+" }}"),
		value("allowPrivilegeEscalation", "{{ "+hostPrograms+" }}"),
		value("requiredDropCapabilities", "{{ ternary \"null\" \"[ALL]\" "+hostPrograms+" }}"),
	}},
}

// leases: one Role in each namespace whose Leases count.
var leases = seams{when: createRBAC, each: "$namespace := $.Values.manager.maintenanceLeaseNamespaces", seams: []seam{
	value("metadata/namespace", "{{ $namespace | quote }}"),
}}

const (
	podLabels = "{{- with include \"reboot-operator.podLabels\" (list $ %s) }}\n{{- . | nindent INDENT }}\n{{- end }}"
	// What else a pod needs to be pulled and found.
	podAnnotations = "{{- with include \"reboot-operator.podAnnotations\" (list $ %s \"%s\") }}\n" +
		"annotations: {{- . | nindent INDENT+2 }}\n{{- end }}"
	// The same for pods that have annotations anyway.
	morePodAnnotations = "{{- with include \"reboot-operator.podAnnotations\" (list $ %s \"%s\") }}\n{{- . | nindent INDENT }}\n{{- end }}"
	defaultContainer   = "kubectl.kubernetes.io~1default-container"

	pullSecrets = "{{- with $.Values.image.pullSecrets }}\n" +
		"imagePullSecrets:\n{{- range . }}\n- name: {{ . | quote }}\n{{- end }}\n{{- end }}"
	items      = "{{- with %s }}\n{{- toYaml . | nindent INDENT }}\n{{- end }}"
	included   = "{{- with include \"%s\" $ }}\n{{- . | nindent INDENT }}\n{{- end }}"
	listOf     = "{{- with include \"reboot-operator.%[2]s\" $ }}\n%[1]s: {{- . | nindent INDENT+2 }}\n{{- end }}"
	image      = "{{ include \"reboot-operator.image\" $ | quote }}"
	pullPolicy = "{{- with $.Values.image.pullPolicy }}\nimagePullPolicy: {{ . }}\n{{- end }}"
	block      = "{{- toYaml %s | nindent INDENT }}"
)

const (
	inPod     = "spec/template/spec/"
	inManager = inPod + "containers/manager/"
	inHelper  = inPod + "containers/helper/"
	inReboot  = inPod + "containers/rebooter/"
)

var managerSeams = []seam{
	value("spec/replicas", "{{ $.Values.manager.replicas }}"),
	last("spec/template/metadata/labels", with(podLabels, "$.Values.manager")),
	last("spec/template/metadata", with(podAnnotations, "$.Values.manager", "nonroot-v2")),
	last("spec/template/spec", pullSecrets),
	value(inPod+"priorityClassName", "{{ $.Values.manager.priorityClassName | quote }}"),
	last(inPod+"nodeSelector", with(items, "$.Values.manager.nodeSelector")),
	override(inPod+"affinity", "$.Values.manager.affinity"),
	override(inPod+"topologySpreadConstraints", "$.Values.manager.topologySpreadConstraints"),
	last(inPod+"tolerations", with(items, "$.Values.manager.tolerations")),
	value(inManager+"image", image),
	last(inManager[:len(inManager)-1], pullPolicy),
	when(inManager+"args/--metrics-bind-address", "$.Values.metrics.enabled"),
	value(inManager+"args/--metrics-bind-address", "--metrics-bind-address=:{{ $.Values.metrics.port }}"),
	when(inManager+"args/--webhook-bind-address", "$.Values.webhooks.enabled"),
	value(inManager+"args/--webhook-bind-address", "--webhook-bind-address=:{{ $.Values.webhooks.port }}"),
	last(inManager+"args", with(included, "reboot-operator.managerArgs")),
	value(inManager+"env/GOMEMLIMIT/value", "{{ $.Values.manager.goMemLimit | quote }}"),
	last(inManager+"env", with(items, "$.Values.manager.extraEnv")),
	value(inManager+"ports/metrics/containerPort", "{{ $.Values.metrics.port }}"),
	when(inManager+"ports/metrics", "$.Values.metrics.enabled"),
	value(inManager+"ports/webhook/containerPort", "{{ $.Values.webhooks.port }}"),
	when(inManager+"ports/webhook", "$.Values.webhooks.enabled"),
	last(inManager[:len(inManager)-1], with(listOf, "volumeMounts", "managerVolumeMounts")),
	last("spec/template/spec", with(listOf, "volumes", "managerVolumes")),
	last(inPod+"securityContext", "{{- if include \"reboot-operator.managerVolumes\" $ }}\nfsGroup: 61110\n{{- end }}"),
	value(inManager+"resources", with(block, "$.Values.manager.resources")),
}

var helperSeams = []seam{
	value("spec/updateStrategy", with(block, "$.Values.helper.updateStrategy")),
	last("spec/template/metadata/labels", with(podLabels, "$.Values.helper")),
	value("spec/template/metadata/annotations/"+defaultContainer, "{{ get ($.Values.helper.podAnnotations | default dict) "+
		"\"kubectl.kubernetes.io/default-container\" | default \"helper\" | quote }}"),
	last("spec/template/metadata/annotations", with(morePodAnnotations, "$.Values.helper", "reboot-operator-helper")),
	last("spec/template/spec", pullSecrets),
	last("spec/template/spec", "{{- if eq (include \"reboot-operator.hostPID\" $) \"true\" }}\nhostPID: true\n{{- end }}"),
	value(inPod+"priorityClassName", "{{ $.Values.helper.priorityClassName | quote }}"),
	last(inPod+"nodeSelector", with(items, "$.Values.helper.nodeSelector")),
	override(inPod+"affinity", "$.Values.helper.affinity"),
	value(inPod+"tolerations", with(block, "$.Values.helper.tolerations")),
	last(inPod+"volumes", with(included, "reboot-operator.hostVolumes")),

	value(inReboot+"image", image),
	last(inReboot[:len(inReboot)-1], pullPolicy),
	value(inReboot+"args/--reboot-method", "--reboot-method={{ $.Values.helper.rebootMethod }}"),
	remove(inReboot + "args/--sentinel="),
	remove(inReboot + "args/--sentinel="),
	last(inReboot+"args", with(included, "reboot-operator.rebooterArgs")),
	value(inReboot+"resources", "{{- include \"reboot-operator.rebooterResources\" $ | nindent INDENT }}"),
	value(inReboot+"securityContext/privileged", "{{ "+hostPrograms+" }}"),
	value(inReboot+"securityContext/allowPrivilegeEscalation", "{{ "+hostPrograms+" }}"),
	when(inReboot+"securityContext/capabilities", "not "+hostPrograms),
	around(inReboot+"securityContext/appArmorProfile",
		"{{- with $.Values.helper.appArmorProfile }}\n"+
			"appArmorProfile:\n  type: Localhost\n  localhostProfile: {{ . | quote }}\n{{- else }}"),
	value(inReboot+"securityContext/seLinuxOptions/type", "{{ $.Values.helper.seLinuxType | quote }}"),
	last(inReboot+"volumeMounts", with(included, "reboot-operator.hostVolumeMounts")),

	value(inHelper+"image", image),
	last(inHelper[:len(inHelper)-1], pullPolicy),
	last(inHelper+"args", with(included, "reboot-operator.helperArgs")),
	value(inHelper+"env/GOMEMLIMIT/value", "{{ $.Values.helper.goMemLimit | quote }}"),
	last(inHelper+"env", with(items, "$.Values.helper.extraEnv")),
	value(inHelper+"resources", with(block, "$.Values.helper.resources")),
}

// with fills in what a text leaves open.
func with(text string, what ...any) string { return fmt.Sprintf(text, what...) }
