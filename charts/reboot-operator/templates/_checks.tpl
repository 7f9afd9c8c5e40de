{{- /* "true" if this runs against a cluster, which helm template and lint do not. */ -}}
{{- define "reboot-operator.connected" -}}
{{- not (empty (lookup "v1" "Namespace" "" "kube-system")) -}}
{{- end -}}

{{- /* "true" if this runs against a cluster that does not serve the kinds yet. */ -}}
{{- define "reboot-operator.kindsMissing" -}}
{{- and (eq (include "reboot-operator.connected" .) "true") (not (.Capabilities.APIVersions.Has "reboot-operator.io/v1alpha1/RebootPolicy")) -}}
{{- end -}}

{{- /* A quantity of memory such as 256Mi, 230MiB or 1Gi in MiB, or 0 if it is written in another way. */ -}}
{{- define "reboot-operator.mebibytes" -}}
{{- $text := toString . -}}
{{- if regexMatch "^[0-9]+MiB?$" $text }}{{ regexFind "^[0-9]+" $text }}
{{- else if regexMatch "^[0-9]+GiB?$" $text }}{{ mul (regexFind "^[0-9]+" $text | int64) 1024 }}
{{- else }}0{{ end -}}
{{- end -}}

{{- /* What is wrong with the values, or with the cluster for them. Each line is one problem. */ -}}
{{- define "reboot-operator.problems" -}}
{{- $problems := list -}}
{{- $helper := .Values.helper -}}
{{- $command := $helper.sentinelCommand -}}
{{- $detectors := or $helper.sentinels $helper.sentinelKernel $command.preset $command.command -}}

{{- /* What says that a host needs a reboot. */ -}}
{{- if and $helper.noSentinel $detectors }}{{ $problems = append $problems "helper.noSentinel says that no host asks for a reboot by itself, and something else says how it would: leave helper.noSentinel out, or set helper.sentinels: [], and no helper.sentinelKernel and helper.sentinelCommand" }}{{ end -}}
{{- if not (or $helper.noSentinel $detectors) }}{{ $problems = append $problems "nothing says that a host needs a reboot: write helper.sentinels, helper.sentinelKernel or helper.sentinelCommand, or helper.noSentinel: true if only people and conditions of nodes are to ask" }}{{ end -}}
{{- if and $command.preset (or $command.command $command.exitCodes $command.requiredOutput) }}{{ $problems = append $problems "helper.sentinelCommand.preset has a command, exit codes and an output of its own: leave them out, or the preset" }}{{ end -}}
{{- if and $command.command (not $command.exitCodes) }}{{ $problems = append $problems "helper.sentinelCommand.command takes exitCodes, such as {\"0\": NotRequired, \"1\": Required}" }}{{ end -}}
{{- if and (not $command.command) (not $command.preset) (or $command.exitCodes $command.requiredOutput $command.timeout $command.interval) }}{{ $problems = append $problems "helper.sentinelCommand has no command and no preset: write one, or leave out the rest" }}{{ end -}}
{{- if and (or $command.preset $command.command) (not $helper.hostPrograms) }}{{ $problems = append $problems "helper.sentinelCommand is a program of the host: it takes helper.hostPrograms: true, which makes the container rebooter privileged" }}{{ end -}}
{{- range include "reboot-operator.sentinelDirectories" . | fromYamlArray -}}
{{- if eq . "/" }}{{ $problems = append $problems "helper.sentinels: the directory of a sentinel is mounted, and one in / would mount the whole host: use another directory" }}{{ end -}}
{{- if and $helper.sentinelKernel (has . (list "/boot" "/lib/modules")) }}{{ $problems = append $problems (printf "helper.sentinels: %s is mounted for helper.sentinelKernel already: use another directory" .) }}{{ end -}}
{{- end -}}

{{- /* How hosts are rebooted. */ -}}
{{- $methods := append ($helper.allowedRebootMethods | default list) $helper.rebootMethod -}}
{{- if and (has "Command" $methods) (not $helper.rebootCommand) }}{{ $problems = append $problems "the reboot method Command takes helper.rebootCommand, such as [/usr/bin/systemctl, reboot]" }}{{ end -}}
{{- if and $helper.rebootCommand (not (has "Command" $methods)) }}{{ $problems = append $problems "helper.rebootCommand is never run: write helper.rebootMethod: Command, or Command in helper.allowedRebootMethods" }}{{ end -}}
{{- if and (has "Command" $methods) (not $helper.hostPrograms) }}{{ $problems = append $problems "the reboot method Command runs a program of the host: it takes helper.hostPrograms: true, which makes the container rebooter privileged" }}{{ end -}}
{{- $confined := or $helper.appArmorProfile (ne $helper.seLinuxType "spc_t") -}}
{{- if and $confined $helper.hostPrograms }}{{ $problems = append $problems "helper.appArmorProfile and helper.seLinuxType confine the container rebooter, and helper.hostPrograms makes it privileged: choose" }}{{ end -}}
{{- if and $confined (has "Signal" $methods) }}{{ $problems = append $problems "helper.appArmorProfile and helper.seLinuxType forbid the signal of the reboot method Signal: choose" }}{{ end -}}

{{- /* Webhooks. */ -}}
{{- if and .Values.beforeKubernetes136 (not .Values.webhooks.enabled) }}{{ $problems = append $problems "beforeKubernetes136 takes webhooks.enabled: they confine each helper to its own node" }}{{ end -}}
{{- if and $helper.evictionRequests (not .Values.webhooks.enabled) }}{{ $problems = append $problems "helper.evictionRequests takes webhooks.enabled: they confine each helper to its own node" }}{{ end -}}
{{- if and .Values.webhooks.enabled .Values.metrics.enabled (eq (int .Values.webhooks.port) (int .Values.metrics.port)) }}{{ $problems = append $problems "webhooks.port and metrics.port are the same" }}{{ end -}}
{{- range $name, $port := dict "webhooks.port" .Values.webhooks.port "metrics.port" .Values.metrics.port -}}
{{- if eq (int $port) 8081 }}{{ $problems = append $problems (printf "%s: 8081 is the port of the probes" $name) }}{{ end -}}
{{- end -}}

{{- /* Monitoring. */ -}}
{{- range $what := list "serviceMonitor" "prometheusRule" "dashboards" -}}
{{- if and (index $.Values.metrics $what).enabled (not $.Values.metrics.enabled) }}{{ $problems = append $problems (printf "metrics.%s takes metrics.enabled" $what) }}{{ end -}}
{{- end -}}
{{- if and .Values.metrics.certManager (not .Values.metrics.enabled) }}{{ $problems = append $problems "metrics.certManager takes metrics.enabled" }}{{ end -}}
{{- if eq (include "reboot-operator.connected" .) "true" -}}
{{- range $value, $api := dict "serviceMonitor" "monitoring.coreos.com/v1/ServiceMonitor" "prometheusRule" "monitoring.coreos.com/v1/PrometheusRule" -}}
{{- if and (index $.Values.metrics $value).enabled (not ($.Capabilities.APIVersions.Has $api)) }}{{ $problems = append $problems (printf "metrics.%s takes Prometheus Operator: the cluster does not serve %s" $value $api) }}{{ end -}}
{{- end -}}
{{- if and .Values.metrics.certManager (not (.Capabilities.APIVersions.Has "cert-manager.io/v1/Certificate")) }}{{ $problems = append $problems "metrics.certManager takes cert-manager: the cluster does not serve cert-manager.io/v1/Certificate" }}{{ end -}}
{{- end -}}

{{- /* Rights. */ -}}
{{- range $who := list "viewers" "requesters" "approvers" "editors" "hooks" "metricsReaders" -}}
{{- if and (index $.Values.rbac $who) (not (and $.Values.rbac.create $.Values.rbac.userRoles)) }}{{ $problems = append $problems (printf "rbac.%s get a role that is not created: set rbac.create and rbac.userRoles" $who) }}{{ end -}}
{{- end -}}
{{- if and .Values.rbac.gateRules (not .Values.rbac.create) }}{{ $problems = append $problems "rbac.gateRules takes rbac.create" }}{{ end -}}

{{- /* Memory. */ -}}
{{- range $name := list "manager" "helper" -}}
{{- $values := index $.Values $name -}}
{{- $limit := include "reboot-operator.mebibytes" (dig "resources" "limits" "memory" "" $values) | int64 -}}
{{- $soft := include "reboot-operator.mebibytes" $values.goMemLimit | int64 -}}
{{- if and $limit $soft (ge $soft $limit) }}{{ $problems = append $problems (printf "%s.goMemLimit %s has to be less than %s.resources.limits.memory %s: write about nine tenths of it" $name $values.goMemLimit $name (dig "resources" "limits" "memory" "" $values)) }}{{ end -}}
{{- end -}}

{{- /* Arguments that have a value. */ -}}
{{- $known := dict
  "manager.extraArgs" (dict "--max-unavailable" "manager.maxUnavailable" "--quorum-node-labels" "manager.quorumNodeLabels" "--maintenance-lease-namespaces" "manager.maintenanceLeaseNamespaces" "--gate-allowed-cidrs" "manager.gateAllowedCIDRs" "--notify-allowed-cidrs" "notifications.allowedCIDRs" "--publish-node-conditions" "manager.publishNodeConditions" "--log-level" "manager.logLevel" "--log-format" "manager.logFormat" "--metrics-max-nodes" "metrics.maxNodes" "--metrics-cert-dir" "metrics.certManager" "--metrics-bind-address" "metrics.port" "--webhook-bind-address" "webhooks.port" "--namespace" "the namespace of the release" "--leader-elect" "manager.replicas")
  "helper.extraArgs" (dict "--eviction-requests" "helper.evictionRequests" "--log-level" "helper.logLevel" "--log-format" "helper.logFormat" "--node-name" "nothing: it is the node of the pod")
  "helper.rebooterExtraArgs" (dict "--sentinel" "helper.sentinels" "--sentinel-kernel" "helper.sentinelKernel" "--no-sentinel" "helper.noSentinel" "--sentinel-preset" "helper.sentinelCommand.preset" "--sentinel-command" "helper.sentinelCommand.command" "--sentinel-exit-codes" "helper.sentinelCommand.exitCodes" "--sentinel-required-output" "helper.sentinelCommand.requiredOutput" "--sentinel-timeout" "helper.sentinelCommand.timeout" "--sentinel-command-interval" "helper.sentinelCommand.interval" "--reboot-method" "helper.rebootMethod" "--reboot-command" "helper.rebootCommand" "--allowed-reboot-methods" "helper.allowedRebootMethods" "--host-namespaces" "helper.hostPrograms" "--log-level" "helper.logLevel" "--log-format" "helper.logFormat") -}}
{{- range $list, $flags := $known -}}
{{- $keys := splitList "." $list -}}
{{- range index $.Values (first $keys) (last $keys) -}}
{{- $flag := regexReplaceAll "^--?([^=]*).*$" . "--${1}" -}}
{{- with index $flags $flag }}{{ $problems = append $problems (printf "%s has %s: write %s" $list $flag .) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* Policies. */ -}}
{{- $names := list -}}
{{- range .Values.policies -}}
{{- if has .name $names }}{{ $problems = append $problems (printf "policies has %s twice" .name) }}{{ end -}}
{{- $names = append $names .name -}}
{{- $policy := .name -}}
{{- range .spec.notifications -}}
{{- if and $.Values.notifications.urls (not .url.secret) (not (hasKey $.Values.notifications.urls .url.key)) }}{{ $problems = append $problems (printf "policies: %s names the key %s, which notifications.urls does not have" $policy .url.key) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.policies (not .Values.crds.install) (eq (include "reboot-operator.kindsMissing" .) "true") }}{{ $problems = append $problems "the cluster does not serve RebootPolicies, and crds.install is false: install the kinds first (docs/helm.md), or let the chart do it" }}{{ end -}}

{{- /* The cluster. */ -}}
{{- with lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "reboot-operator-manager" -}}
{{- $release := dig "metadata" "annotations" "meta.helm.sh/release-name" "" . -}}
{{- $namespace := dig "metadata" "annotations" "meta.helm.sh/release-namespace" "" . -}}
{{- if and $release (or (ne $release $.Release.Name) (ne $namespace $.Release.Namespace)) }}{{ $problems = append $problems (printf "the operator is in this cluster already, as release %s in namespace %s. There can be one: kinds, admission policies and ClusterRoles belong to the whole cluster. Upgrade that release, or uninstall it first" $release $namespace) }}{{ end -}}
{{- end -}}
{{- with lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- $level := dig "metadata" "labels" "pod-security.kubernetes.io/enforce" "" . -}}
{{- if and $level (ne $level "privileged") (not $.Values.namespace.create) }}{{ $problems = append $problems (printf "the namespace %s enforces the Pod Security level %s, which refuses the helper's hostPath volumes: run kubectl label --overwrite namespace %s pod-security.kubernetes.io/enforce=privileged" $.Release.Namespace $level $.Release.Namespace) }}{{ end -}}
{{- end -}}
{{- join "\n" $problems -}}
{{- end -}}

{{- /* What is allowed and may surprise. Each line is one warning. */ -}}
{{- define "reboot-operator.warnings" -}}
{{- $warnings := list -}}
{{- if eq (include "reboot-operator.connected" .) "true" -}}
{{- $old := semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version -}}
{{- if and $old (not .Values.beforeKubernetes136) }}{{ $warnings = append $warnings (printf "- This is Kubernetes %s, and helpers may evict nothing before 1.36: every drain waits with EvictionForbidden. Read docs/operations.md#before-kubernetes-136, then set beforeKubernetes136: true." .Capabilities.KubeVersion.Version) }}{{ end -}}
{{- if and (not $old) .Values.beforeKubernetes136 }}{{ $warnings = append $warnings (printf "- This is Kubernetes %s, which does not need beforeKubernetes136. Set it to false: it lets every helper read the pods of all nodes." .Capabilities.KubeVersion.Version) }}{{ end -}}
{{- if not .Values.crds.install -}}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" -}}
{{- $want := $.Files.Get $path | fromYaml -}}
{{- $got := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $want.metadata.name -}}
{{- if not $got }}{{ $warnings = append $warnings (printf "- The cluster has no kind %s, and crds.install is false. The manager waits until someone installs it." $want.metadata.name) -}}
{{- else if ne (include "reboot-operator.schemas" $want) (include "reboot-operator.schemas" $got) }}{{ $warnings = append $warnings (printf "- The kind %s in the cluster is of another version than this chart, and crds.install is false. Older kinds drop fields that they do not know: apply files/crds of this chart." $want.metadata.name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.namespace.create) (empty (dig "metadata" "labels" "pod-security.kubernetes.io/enforce" "" (lookup "v1" "Namespace" "" .Release.Namespace))) }}{{ $warnings = append $warnings (printf "- The namespace has no Pod Security level. Where the cluster's default is baseline or restricted, the helper's pods are refused. Write it down: kubectl label namespace %s pod-security.kubernetes.io/enforce=privileged" .Release.Namespace) }}{{ end -}}
{{- end -}}
{{- if not .Values.rbac.create }}{{ $warnings = append $warnings "- rbac.create is false: nothing works until someone creates the roles of the operator and their bindings." }}{{ end -}}
{{- if eq (int .Values.manager.replicas) 0 }}{{ $warnings = append $warnings "- manager.replicas is 0: no reboot is started, and none that is under way is finished." }}{{ end -}}
{{- join "\n" $warnings -}}
{{- end -}}

{{- /* The schemas of all versions of a kind, to compare. */ -}}
{{- define "reboot-operator.schemas" -}}
{{- range .spec.versions }}{{ .name }} {{ toJson .schema | sha256sum }} {{ end -}}
{{- end -}}
