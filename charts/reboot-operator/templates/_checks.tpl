{{- /* "true" if this runs against a cluster, which helm template and lint do not. */ -}}
{{- define "reboot-operator.connected" -}}
{{- not (empty (lookup "v1" "Namespace" "" "kube-system")) -}}
{{- end -}}

{{- /* "true" if this runs against a cluster without the kinds. One that Helm has just applied may not be listed yet among what the cluster serves. */ -}}
{{- define "reboot-operator.kindsMissing" -}}
{{- $served := or (.Capabilities.APIVersions.Has "reboot-operator.io/v1alpha1/RebootPolicy") (ne (include "reboot-operator.connected" .) "true") -}}
{{- or $served (not (empty (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "rebootpolicies.reboot-operator.io"))) | not -}}
{{- end -}}

{{- /* A quantity of memory such as 256Mi, 230MiB or 1Gi in MiB, or 0 if it is written in another way. */ -}}
{{- define "reboot-operator.mebibytes" -}}
{{- $text := toString . -}}
{{- if regexMatch "^[0-9]+MiB?$" $text }}{{ regexFind "^[0-9]+" $text }}
{{- else if regexMatch "^[0-9]+GiB?$" $text }}{{ mul (regexFind "^[0-9]+" $text | int64) 1024 }}
{{- else }}0{{ end -}}
{{- end -}}

{{- /* A duration such as 1h30m in milliseconds. */ -}}
{{- define "reboot-operator.milliseconds" -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9]+([.][0-9]+)?(ms|s|m|h)" . -1 -}}
{{- $unit := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+" .) -}}
{{- $sum = addf $sum (mulf (regexFind "[0-9.]+" .) $unit) -}}
{{- end -}}
{{- int64 $sum -}}
{{- end -}}

{{- /* "true" if a text is a CIDR as the manager takes it: an address without bits beyond the length. */ -}}
{{- define "reboot-operator.isCIDR" -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" -}}
{{- $group := "[0-9a-f]{1,4}" -}}
{{- $six := list (printf "(%s:){7}%s" $group $group) (printf "(%s:){1,7}:" $group) (printf ":(:%s){1,7}" $group) "::" -}}
{{- range list 1 2 3 4 5 6 }}{{ $six = append $six (printf "(%s:){1,%d}(:%s){1,%d}" $group . $group (sub 7 .)) }}{{ end -}}
{{- $text := lower . -}}
{{- $address := splitList "/" $text | first -}}
{{- $length := splitList "/" $text | last | int -}}
{{- $bits := "no" -}}
{{- if regexMatch (printf "^(%s[.]){3}%s/(3[0-2]|[12]?[0-9])$" $octet $octet) $text -}}
{{- $bits = "" -}}
{{- range splitList "." $address }}{{ $bits = print $bits (printf "%08b" (int64 .)) }}{{ end -}}
{{- else if regexMatch (printf "^(%s)/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" (join "|" $six)) $text -}}
{{- $halves := splitList "::" $address -}}
{{- $groups := splitList ":" (first $halves) | compact -}}
{{- if eq (len $halves) 2 -}}
{{- $tail := splitList ":" (last $halves) | compact -}}
{{- range until (int (sub 8 (add (len $groups) (len $tail)))) }}{{ $groups = append $groups "0" }}{{ end -}}
{{- $groups = concat $groups $tail -}}
{{- end -}}
{{- $digits := dict "0" "0000" "1" "0001" "2" "0010" "3" "0011" "4" "0100" "5" "0101" "6" "0110" "7" "0111" "8" "1000" "9" "1001" "a" "1010" "b" "1011" "c" "1100" "d" "1101" "e" "1110" "f" "1111" -}}
{{- $bits = "" -}}
{{- range $groups }}{{ range printf "000%s" . | trunc -4 | splitList "" }}{{ $bits = print $bits (get $digits .) }}{{ end }}{{ end -}}
{{- end -}}
{{- if ne $bits "no" }}{{ regexMatch "^0*$" (substr $length -1 $bits) }}{{ else }}false{{ end -}}
{{- end -}}

{{- /* What is wrong with the values, or with the cluster for them. Each line is one problem. */ -}}
{{- define "reboot-operator.problems" -}}
{{- $problems := list -}}
{{- $helper := .Values.helper -}}
{{- $command := $helper.sentinelCommand -}}
{{- $detectors := or $helper.sentinels $helper.sentinelKernel $command.preset $command.command -}}

{{- /* What says that a host needs a reboot. */ -}}
{{- if and $helper.noSentinel $detectors }}{{ $problems = append $problems "helper.noSentinel says that no host asks for a reboot by itself, and something else says how it would: leave helper.noSentinel out, or set helper.sentinels: [], and no helper.sentinelKernel and helper.sentinelCommand" }}{{ end -}}
{{- if not (or $helper.noSentinel $detectors) }}{{ $problems = append $problems "nothing says that a host needs a reboot: write helper.sentinels, helper.sentinelKernel or helper.sentinelCommand, or helper.noSentinel: true if only people and conditions of nodes should ask" }}{{ end -}}
{{- if and $command.preset (or $command.command $command.exitCodes $command.requiredOutput) }}{{ $problems = append $problems "helper.sentinelCommand.preset has a command, exit codes and an output of its own: leave them out, or the preset" }}{{ end -}}
{{- if and (not $command.command) (not $command.preset) (or $command.exitCodes $command.requiredOutput $command.timeout $command.interval) }}{{ $problems = append $problems "helper.sentinelCommand has no command and no preset: write one, or leave out the rest" }}{{ end -}}
{{- range $name := list "timeout" "interval" -}}
{{- with index $command $name -}}
{{- $milliseconds := include "reboot-operator.milliseconds" . | int64 -}}
{{- if eq $milliseconds 0 }}{{ $problems = append $problems (printf "helper.sentinelCommand.%s: %s is no duration: write one such as 2m" $name .) }}{{ end -}}
{{- if and (eq $name "timeout") (gt $milliseconds 300000) }}{{ $problems = append $problems (printf "helper.sentinelCommand.timeout: %s is more than 5 minutes, which is the most that the rebooter waits" .) }}{{ end -}}
{{- if gt $milliseconds 31536000000 }}{{ $problems = append $problems (printf "helper.sentinelCommand.%s: %s is more than a year" $name .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $interpreters := "^((da|ba|a|mk|k|rba)?sh|[gm]?awk|fish|lua|node|perl|php|python|ruby|zsh|tclsh)[0-9.]*$" -}}
{{- with $command.command -}}
{{- $required := list -}}
{{- range $code, $meaning := $command.exitCodes }}{{ if eq $meaning "Required" }}{{ $required = append $required $code }}{{ end }}{{ end -}}
{{- if and (regexMatch $interpreters (base (first .))) (or (has "1" $required) (has "2" $required)) (not $command.requiredOutput) }}{{ $problems = append $problems (printf "helper.sentinelCommand: %s exits with 1 or 2 also when it fails: let another exit code mean Required, or write what the output has to contain in requiredOutput" (first .)) }}{{ end -}}
{{- end -}}
{{- range include "reboot-operator.sentinelDirectories" . | fromYamlArray -}}
{{- if eq . "/" }}{{ $problems = append $problems "helper.sentinels: the directory of a sentinel is mounted, and one in / would mount the whole host: use another directory" }}{{ end -}}
{{- if and $helper.sentinelKernel (has . (list "/boot" "/lib/modules")) }}{{ $problems = append $problems (printf "helper.sentinels: %s is mounted for helper.sentinelKernel already: use another directory" .) }}{{ end -}}
{{- end -}}

{{- /* How hosts are rebooted. */ -}}
{{- $methods := append ($helper.allowedRebootMethods | default list) $helper.rebootMethod -}}
{{- if and (has "Command" $methods) (not $helper.rebootCommand) }}{{ $problems = append $problems "the reboot method Command requires helper.rebootCommand, such as [/usr/bin/systemctl, reboot]" }}{{ end -}}
{{- if and $helper.rebootCommand (not (has "Command" $methods)) }}{{ $problems = append $problems "helper.rebootCommand is never run: write helper.rebootMethod: Command, or Command in helper.allowedRebootMethods" }}{{ end -}}
{{- if and (has "Command" $methods) (not $helper.hostPrograms) }}{{ $problems = append $problems "the reboot method Command runs a program of the host: it requires helper.hostPrograms: true, which makes the container rebooter privileged" }}{{ end -}}
{{- $confined := or $helper.appArmorProfile (ne $helper.seLinuxType "spc_t") -}}
{{- if and $confined $helper.hostPrograms }}{{ $problems = append $problems "helper.appArmorProfile and helper.seLinuxType confine the container rebooter, and helper.hostPrograms makes it privileged: use only one of them" }}{{ end -}}
{{- if and $confined (has "Signal" $methods) }}{{ $problems = append $problems "helper.appArmorProfile and helper.seLinuxType forbid the signal of the reboot method Signal: use only one of them" }}{{ end -}}

{{- /* Webhooks. */ -}}
{{- if and .Values.webhooks.enabled .Values.metrics.enabled (eq (int .Values.webhooks.port) (int .Values.metrics.port)) }}{{ $problems = append $problems "webhooks.port and metrics.port are the same" }}{{ end -}}
{{- range $name, $port := dict "webhooks.port" .Values.webhooks.port "metrics.port" .Values.metrics.port -}}
{{- if eq (int $port) 8081 }}{{ $problems = append $problems (printf "%s: 8081 is the port of the probes" $name) }}{{ end -}}
{{- end -}}

{{- /* Monitoring. */ -}}
{{- $certManager := .Values.metrics.certManager -}}
{{- $monitor := .Values.metrics.serviceMonitor -}}
{{- if and (not $certManager.enabled) (or $certManager.issuerRef.name $certManager.dnsNames) }}{{ $problems = append $problems "metrics.certManager.issuerRef and dnsNames require metrics.certManager.enabled" }}{{ end -}}
{{- if and .Values.metrics.certDir (not .Values.metrics.enabled) }}{{ $problems = append $problems "metrics.certDir requires metrics.enabled" }}{{ end -}}
{{- $volumes := list -}}
{{- range .Values.manager.extraVolumes -}}
{{- if has .name $volumes }}{{ $problems = append $problems (printf "manager.extraVolumes has %s twice" .name) }}{{ end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- $mounts := list -}}
{{- range .Values.manager.extraVolumeMounts -}}
{{- if has (clean .mountPath) $mounts }}{{ $problems = append $problems (printf "manager.extraVolumeMounts mounts two volumes at %s" .mountPath) }}{{ end -}}
{{- $mounts = append $mounts (clean .mountPath) -}}
{{- if not (has .name $volumes) }}{{ $problems = append $problems (printf "manager.extraVolumeMounts names %s, which manager.extraVolumes does not have" .name) }}{{ end -}}
{{- end -}}
{{- with .Values.metrics.certDir -}}
{{- $mounted := false -}}
{{- $directory := clean . -}}
{{- range $mounts }}{{ if or (eq . $directory) (hasPrefix (print (trimSuffix "/" .) "/") $directory) }}{{ $mounted = true }}{{ end }}{{ end -}}
{{- if not $mounted }}{{ $problems = append $problems (printf "metrics.certDir: nothing is mounted at %s: write manager.extraVolumes and manager.extraVolumeMounts" .) }}{{ end -}}
{{- end -}}
{{- if and $monitor.serverName $certManager.dnsNames (not (has $monitor.serverName $certManager.dnsNames)) }}{{ $problems = append $problems (printf "metrics.serviceMonitor.serverName: %s is not in metrics.certManager.dnsNames" $monitor.serverName) }}{{ end -}}
{{- if eq (include "reboot-operator.connected" .) "true" -}}
{{- range $value, $api := dict "serviceMonitor" "monitoring.coreos.com/v1/ServiceMonitor" "prometheusRule" "monitoring.coreos.com/v1/PrometheusRule" -}}
{{- if and (index $.Values.metrics $value).enabled (not ($.Capabilities.APIVersions.Has $api)) }}{{ $problems = append $problems (printf "metrics.%s requires Prometheus Operator: the cluster does not serve %s" $value $api) }}{{ end -}}
{{- end -}}
{{- if and $certManager.enabled (not (.Capabilities.APIVersions.Has "cert-manager.io/v1/Certificate")) }}{{ $problems = append $problems "metrics.certManager requires cert-manager: the cluster does not serve cert-manager.io/v1/Certificate" }}{{ end -}}
{{- end -}}

{{- /* Rights. */ -}}
{{- range $who := list "viewers" "requesters" "approvers" "editors" "hooks" "metricsReaders" -}}
{{- if and (index $.Values.rbac $who) (not (and $.Values.rbac.create $.Values.rbac.userRoles)) }}{{ $problems = append $problems (printf "rbac.%s refers to a role that is not created: set rbac.create and rbac.userRoles" $who) }}{{ end -}}
{{- end -}}

{{- /* Addresses. */ -}}
{{- range $value, $cidrs := dict "manager.gateAllowedCIDRs" .Values.manager.gateAllowedCIDRs "notifications.allowedCIDRs" .Values.notifications.allowedCIDRs -}}
{{- range $cidrs -}}
{{- if ne (include "reboot-operator.isCIDR" .) "true" }}{{ $problems = append $problems (printf "%s: %s is no CIDR, or has bits beyond its length: write one such as 127.0.0.0/8, 169.254.20.10/32 or fd00::/8" $value .) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* Rolling updates and budgets. */ -}}
{{- with $helper.updateStrategy.rollingUpdate -}}
{{- $surges := not (has (toString (.maxSurge | default 0)) (list "0" "0%")) -}}
{{- $unavailable := not (has (toString (dig "maxUnavailable" 1 .)) (list "0" "0%")) -}}
{{- if and $surges $unavailable }}{{ $problems = append $problems "helper.updateStrategy.rollingUpdate: with maxSurge, maxUnavailable has to be 0" }}{{ end -}}
{{- if and (not $surges) (not $unavailable) }}{{ $problems = append $problems "helper.updateStrategy.rollingUpdate: maxUnavailable and maxSurge are both 0, so no helper could be replaced: write one of them" }}{{ end -}}
{{- end -}}

{{- /* Environment variables. A list with a name that is there twice is refused in the middle of an install. */ -}}
{{- range $name := list "manager" "helper" -}}
{{- $seen := ternary (list "GOGC") list (eq $name "manager") -}}
{{- range (index $.Values $name).extraEnv -}}
{{- if has .name $seen }}{{ $problems = append $problems (printf "%s.extraEnv: %s is set already" $name .name) }}{{ end -}}
{{- $seen = append $seen .name -}}
{{- end -}}
{{- end -}}

{{- /* Memory. */ -}}
{{- range $name := list "manager" "helper" -}}
{{- $values := index $.Values $name -}}
{{- $limit := include "reboot-operator.mebibytes" (dig "resources" "limits" "memory" "" $values) | int64 -}}
{{- $soft := include "reboot-operator.mebibytes" $values.goMemLimit | int64 -}}
{{- if and $limit $soft (ge $soft $limit) }}{{ $problems = append $problems (printf "%s.goMemLimit %s has to be less than %s.resources.limits.memory %s: write about nine tenths of it" $name $values.goMemLimit $name (dig "resources" "limits" "memory" "" $values)) }}{{ end -}}
{{- end -}}

{{- /* Arguments that have a value. */ -}}
{{- $known := dict
  "manager.extraArgs" (dict "--max-unavailable" "manager.maxUnavailable" "--quorum-node-labels" "manager.quorumNodeLabels" "--maintenance-lease-namespaces" "manager.maintenanceLeaseNamespaces" "--gate-allowed-cidrs" "manager.gateAllowedCIDRs" "--notify-allowed-cidrs" "notifications.allowedCIDRs" "--publish-node-conditions" "manager.publishNodeConditions" "--log-level" "manager.logLevel" "--log-format" "manager.logFormat" "--metrics-max-nodes" "metrics.maxNodes" "--metrics-cert-dir" "metrics.certDir" "--metrics-bind-address" "metrics.port" "--metrics-secure" "nothing: metrics are served by TLS" "--webhook-bind-address" "webhooks.port" "--namespace" "the namespace of the release" "--leader-elect" "manager.replicas" "--health-probe-bind-address" "nothing: the probes of the pod use its port")
  "helper.extraArgs" (dict "--eviction-requests" "helper.evictionRequests" "--log-level" "helper.logLevel" "--log-format" "helper.logFormat" "--node-name" "nothing: it is the node of the pod" "--health-probe-bind-address" "nothing: the probes of the pod use its port")
  "helper.rebooterExtraArgs" (dict "--sentinel" "helper.sentinels" "--sentinel-kernel" "helper.sentinelKernel" "--no-sentinel" "helper.noSentinel" "--sentinel-preset" "helper.sentinelCommand.preset" "--sentinel-command" "helper.sentinelCommand.command" "--sentinel-exit-codes" "helper.sentinelCommand.exitCodes" "--sentinel-required-output" "helper.sentinelCommand.requiredOutput" "--sentinel-timeout" "helper.sentinelCommand.timeout" "--sentinel-command-interval" "helper.sentinelCommand.interval" "--reboot-method" "helper.rebootMethod" "--reboot-command" "helper.rebootCommand" "--allowed-reboot-methods" "helper.allowedRebootMethods" "--host-namespaces" "helper.hostPrograms" "--host-root" "nothing: it is where volumes are mounted" "--log-level" "helper.logLevel" "--log-format" "helper.logFormat") -}}
{{- range $list, $flags := $known -}}
{{- $keys := splitList "." $list -}}
{{- range index $.Values (first $keys) (last $keys) -}}
{{- $flag := regexReplaceAll "^--?([^=]*).*$" . "--${1}" -}}
{{- with index $flags $flag }}{{ $problems = append $problems (printf "%s has %s: write %s" $list $flag .) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* Policies, and the keys of the Secret of notifications that they name. Where another tool makes that Secret nothing is known of it. */ -}}
{{- $secret := merge (deepCopy (.Values.notifications.urls | default dict)) (.Values.notifications.keys | default dict) -}}
{{- range $key, $_ := .Values.notifications.keys -}}
{{- if hasKey ($.Values.notifications.urls | default dict) $key }}{{ $problems = append $problems (printf "notifications.urls and notifications.keys both have %s" $key) }}{{ end -}}
{{- end -}}
{{- $names := list -}}
{{- range .Values.policies -}}
{{- if has .name $names }}{{ $problems = append $problems (printf "policies has %s twice" .name) }}{{ end -}}
{{- $names = append $names .name -}}
{{- $policy := .name -}}
{{- $uses := false -}}
{{- range .spec.notifications -}}
{{- $webhook := .webhook | default dict -}}
{{- range list .url $webhook.url $webhook.hmacKey $webhook.ca -}}
{{- if and . $secret (eq ((. | default dict).secret | default "reboot-operator-notifications") "reboot-operator-notifications") -}}
{{- $uses = true -}}
{{- if not (hasKey $secret .key) }}{{ $problems = append $problems (printf "policies: %s names the key %s, which neither notifications.urls nor notifications.keys has" $policy .key) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $uses (not (has "*" $.Values.notifications.allowedPolicies)) (not (has $policy $.Values.notifications.allowedPolicies)) }}{{ $problems = append $problems (printf "policies: %s uses the Secret of notifications, and is not in notifications.allowedPolicies" $policy) }}{{ end -}}
{{- end -}}
{{- if and .Values.policies (eq (include "reboot-operator.kindsMissing" .) "true") }}{{ $problems = append $problems "the cluster does not serve RebootPolicies yet, and policies need them: helm install brings the kinds first, but not with --skip-crds, and not in a dry run on the server. Install the kinds (docs/helm.md), or leave the policies out" }}{{ end -}}


{{- /* The cluster. An admission policy is in every installation, whoever creates the roles. */ -}}
{{- with lookup "admissionregistration.k8s.io/v1" "ValidatingAdmissionPolicy" "" "reboot-operator-helper" -}}
{{- $release := dig "metadata" "annotations" "meta.helm.sh/release-name" "" . -}}
{{- $namespace := dig "metadata" "annotations" "meta.helm.sh/release-namespace" "" . -}}
{{- if and $release (or (ne $release $.Release.Name) (ne $namespace $.Release.Namespace)) }}{{ $problems = append $problems (printf "the operator is in this cluster already, as release %s in namespace %s. There can be one: kinds, admission policies and ClusterRoles belong to the whole cluster. Upgrade that release, or uninstall it first" $release $namespace) }}{{ end -}}
{{- end -}}
{{- with lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- $mine := or (eq $.Release.Name (dig "metadata" "annotations" "meta.helm.sh/release-name" "" .)) (eq "reboot-operator" (dig "metadata" "labels" "app.kubernetes.io/name" "" .)) -}}
{{- if and $.Values.namespace.create (not $mine) }}{{ $problems = append $problems (printf "namespace.create is for tools that apply what is rendered, and the namespace %s is there already: leave it out, and run kubectl label --overwrite namespace %s pod-security.kubernetes.io/enforce=privileged" $.Release.Namespace $.Release.Namespace) }}{{ end -}}
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
{{- range $path, $_ := .Files.Glob "crds/*.yaml" -}}
{{- $want := $.Files.Get $path | fromYaml -}}
{{- $got := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $want.metadata.name -}}
{{- if not $got }}{{ $warnings = append $warnings (printf "- The cluster has no kind %s, and crds.install is false. The manager waits until someone installs it." $want.metadata.name) -}}
{{- else if ne (include "reboot-operator.schemas" $want) (include "reboot-operator.schemas" $got) }}{{ $warnings = append $warnings (printf "- The kind %s in the cluster is of another version than this chart, and crds.install is false. Older kinds drop fields that they do not know: apply the folder crds of this chart." $want.metadata.name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $leftovers := include "reboot-operator.leftovers" . | fromYaml -}}
{{- with $leftovers.stray }}{{ $warnings = append $warnings (printf "- This upgrade deletes policies that the values do not have, and that a failed upgrade left: %s. If they are needed, add them to the values. --reset-then-reuse-values takes the values of the last upgrade that did not fail." (join ", " .)) }}{{ end -}}
{{- with $leftovers.stale }}{{ $warnings = append $warnings (printf "- This upgrade deletes policies and creates them again, because they were not as the values say after a failed upgrade: %s." (join ", " .)) }}{{ end -}}
{{- $because := ternary "the last upgrade failed" "no Secret of this release is in its namespace, so the chart cannot tell whether the last upgrade failed" $leftovers.known -}}
{{- with $leftovers.left }}{{ $warnings = append $warnings (printf "- The values do not have these policies, and %s: %s. If they are still there, the chart cannot tell who made them. Delete those that are not needed." $because (join ", " .)) }}{{ end -}}
{{- with $leftovers.different }}{{ $warnings = append $warnings (printf "- These policies were not as the values say, and %s: %s. Helm leaves fields as they are that the values have not changed since the last upgrade that did not fail. Compare the policies with the values, and correct them with kubectl edit." $because (join ", " .)) }}{{ end -}}
{{- if and (not .Values.namespace.create) (empty (dig "metadata" "labels" "pod-security.kubernetes.io/enforce" "" (lookup "v1" "Namespace" "" .Release.Namespace))) }}{{ $warnings = append $warnings (printf "- The namespace has no Pod Security level. Where the cluster's default is baseline or restricted, the helper's pods are refused. Set it: kubectl label namespace %s pod-security.kubernetes.io/enforce=privileged" .Release.Namespace) }}{{ end -}}
{{- end -}}
{{- if and .Values.metrics.prometheusRule.enabled (not .Values.metrics.serviceMonitor.enabled) }}{{ $warnings = append $warnings "- metrics.prometheusRule has alerts of metrics that metrics.serviceMonitor would collect. If Prometheus collects them in another way, the job must be named reboot-operator, or RebootManagerDown never stops firing." }}{{ end -}}
{{- if not .Values.rbac.create }}{{ $warnings = append $warnings "- rbac.create is false: nothing works until someone creates the operator's roles and bindings." }}{{ end -}}
{{- if eq (int .Values.manager.replicas) 0 }}{{ $warnings = append $warnings "- manager.replicas is 0: no reboot starts, and none that is under way is finished." }}{{ end -}}
{{- join "\n" $warnings -}}
{{- end -}}

{{- /* The schemas of all versions of a kind, to compare. */ -}}
{{- define "reboot-operator.schemas" -}}
{{- range .spec.versions }}{{ .name }} {{ toJson .schema | sha256sum }} {{ end -}}
{{- end -}}
