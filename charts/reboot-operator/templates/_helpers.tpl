{{- /* The image of all containers. */ -}}
{{- define "reboot-operator.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}{{ with $image.tag }}:{{ . }}{{ end }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Labels of every object, besides those of config/. */ -}}
{{- define "reboot-operator.labels" -}}
{{- include "reboot-operator.labelsWith" (list . dict) -}}
{{- end -}}

{{- /* The same with more labels: of the root, and those. None is there twice. */ -}}
{{- define "reboot-operator.labelsWith" -}}
{{- $root := index . 0 -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- toYaml (merge $labels (index . 1 | default dict) ($root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{- /* More labels of pods: of the root, and the values of their program. */ -}}
{{- define "reboot-operator.podLabels" -}}
{{- with merge (deepCopy ((index . 1).podLabels | default dict)) ((index . 0).Values.commonLabels | default dict) }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- /* Annotations of pods: of the root, the values of their program, and the SecurityContextConstraints that they need. */ -}}
{{- define "reboot-operator.podAnnotations" -}}
{{- $annotations := deepCopy ((index . 1).podAnnotations | default dict) -}}
{{- if (index . 0).Values.openshift.enabled }}{{ $_ := set $annotations "openshift.io/required-scc" (index . 2) }}{{ end -}}
{{- with $annotations }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "reboot-operator.namespaceAnnotations" -}}
{{- $annotations := merge (deepCopy (.Values.namespace.annotations | default dict)) (.Values.commonAnnotations | default dict) -}}
{{- if .Values.openshift.enabled }}{{ $_ := set $annotations "openshift.io/node-selector" "" }}{{ end -}}
{{- with $annotations }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- /* A number or a text, such as 3 or 10%. Large numbers are not written with an exponent. */ -}}
{{- define "reboot-operator.number" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end -}}
{{- end -}}

{{- /* How a program logs, of its values. */ -}}
{{- define "reboot-operator.logArgs" -}}
{{- $args := list -}}
{{- if ne (toString .logLevel) "Info" }}{{ $args = append $args (printf "--log-level=%s" (include "reboot-operator.number" .logLevel)) }}{{ end -}}
{{- if ne .logFormat "JSON" }}{{ $args = append $args (printf "--log-format=%s" .logFormat) }}{{ end -}}
{{- toYaml $args -}}
{{- end -}}

{{- define "reboot-operator.managerArgs" -}}
{{- $args := list -}}
{{- with .Values.manager -}}
{{- if ne (toString .maxUnavailable) "" }}{{ $args = append $args (printf "--max-unavailable=%s" (include "reboot-operator.number" .maxUnavailable)) }}{{ end -}}
{{- with .quorumNodeLabels }}{{ $args = append $args (printf "--quorum-node-labels=%s" (join "," .)) }}{{ end -}}
{{- with .maintenanceLeaseNamespaces }}{{ $args = append $args (printf "--maintenance-lease-namespaces=%s" (join "," .)) }}{{ end -}}
{{- with .gateAllowedCIDRs }}{{ $args = append $args (printf "--gate-allowed-cidrs=%s" (join "," .)) }}{{ end -}}
{{- with $.Values.notifications.allowedCIDRs }}{{ $args = append $args (printf "--notify-allowed-cidrs=%s" (join "," .)) }}{{ end -}}
{{- if not .publishNodeConditions }}{{ $args = append $args "--publish-node-conditions=false" }}{{ end -}}
{{- $args = concat $args (include "reboot-operator.logArgs" . | fromYamlArray) -}}
{{- if $.Values.metrics.certManager.enabled }}{{ $args = append $args "--metrics-cert-dir=/etc/reboot-operator/metrics-cert" }}{{ end -}}
{{- with $.Values.metrics.certDir }}{{ $args = append $args (printf "--metrics-cert-dir=%s" .) }}{{ end -}}
{{- with int $.Values.metrics.maxNodes }}{{ $args = append $args (printf "--metrics-max-nodes=%d" .) }}{{ end -}}
{{- $args = concat $args (.extraArgs | default list) -}}
{{- end -}}
{{- with $args }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "reboot-operator.managerVolumes" -}}
{{- $volumes := list -}}
{{- if .Values.metrics.certManager.enabled -}}
{{- $volumes = append $volumes (dict "name" "metrics-cert" "secret" (dict "secretName" "reboot-operator-metrics-cert" "defaultMode" 0440)) -}}
{{- end -}}
{{- with concat $volumes (.Values.manager.extraVolumes | default list) }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "reboot-operator.managerVolumeMounts" -}}
{{- $mounts := list -}}
{{- if .Values.metrics.certManager.enabled -}}
{{- $mounts = append $mounts (dict "name" "metrics-cert" "mountPath" "/etc/reboot-operator/metrics-cert" "readOnly" true) -}}
{{- end -}}
{{- with concat $mounts (.Values.manager.extraVolumeMounts | default list) }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- /* By what Prometheus verifies, where that is not the manager's own authority. */ -}}
{{- define "reboot-operator.metricsCA" -}}
{{- if .Values.metrics.serviceMonitor.ca -}}
{{ toYaml .Values.metrics.serviceMonitor.ca }}
{{- else if .Values.metrics.certManager.enabled -}}
secret:
  name: reboot-operator-metrics-cert
  key: ca.crt
{{- end -}}
{{- end -}}

{{- /* The name that Prometheus verifies. */ -}}
{{- define "reboot-operator.metricsServerName" -}}
{{- $names := .Values.metrics.certManager.enabled | ternary .Values.metrics.certManager.dnsNames list -}}
{{- .Values.metrics.serviceMonitor.serverName | default (first $names) | default "reboot-operator-metrics" -}}
{{- end -}}

{{- define "reboot-operator.helperArgs" -}}
{{- $args := list -}}
{{- if .Values.helper.evictionRequests }}{{ $args = append $args "--eviction-requests" }}{{ end -}}
{{- $args = concat $args (include "reboot-operator.logArgs" .Values.helper | fromYamlArray) -}}
{{- with concat $args (.Values.helper.extraArgs | default list) }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "reboot-operator.rebooterArgs" -}}
{{- $args := list -}}
{{- with .Values.helper -}}
{{- range .sentinels }}{{ $args = append $args (printf "--sentinel=%s" .) }}{{ end -}}
{{- if .sentinelKernel }}{{ $args = append $args "--sentinel-kernel" }}{{ end -}}
{{- if .noSentinel }}{{ $args = append $args "--no-sentinel" }}{{ end -}}
{{- if .hostPrograms }}{{ $args = append $args "--host-namespaces" }}{{ end -}}
{{- with .sentinelCommand -}}
{{- with .preset }}{{ $args = append $args (printf "--sentinel-preset=%s" .) }}{{ end -}}
{{- range .command }}{{ $args = append $args (printf "--sentinel-command=%s" .) }}{{ end -}}
{{- $codes := list -}}
{{- range $code, $meaning := .exitCodes }}{{ $codes = append $codes (printf "%s=%s" $code $meaning) }}{{ end -}}
{{- with $codes }}{{ $args = append $args (printf "--sentinel-exit-codes=%s" (join "," .)) }}{{ end -}}
{{- with .requiredOutput }}{{ $args = append $args (printf "--sentinel-required-output=%s" .) }}{{ end -}}
{{- with .timeout }}{{ $args = append $args (printf "--sentinel-timeout=%s" .) }}{{ end -}}
{{- with .interval }}{{ $args = append $args (printf "--sentinel-command-interval=%s" .) }}{{ end -}}
{{- end -}}
{{- range .rebootCommand }}{{ $args = append $args (printf "--reboot-command=%s" .) }}{{ end -}}
{{- with .allowedRebootMethods }}{{ $args = append $args (printf "--allowed-reboot-methods=%s" (join "," .)) }}{{ end -}}
{{- $args = concat $args (include "reboot-operator.logArgs" . | fromYamlArray) (.rebooterExtraArgs | default list) -}}
{{- end -}}
{{- with $args }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- /* "true" if hosts may be rebooted by a signal. */ -}}
{{- define "reboot-operator.signal" -}}
{{- or (eq .Values.helper.rebootMethod "Signal") (has "Signal" .Values.helper.allowedRebootMethods) -}}
{{- end -}}

{{- /* "true" if the helper's pod is in the host's process namespace. */ -}}
{{- define "reboot-operator.hostPID" -}}
{{- or .Values.helper.hostPrograms (eq (include "reboot-operator.signal" .) "true") -}}
{{- end -}}

{{- define "reboot-operator.rebooterResources" -}}
{{- $resources := deepCopy .Values.helper.rebooterResources -}}
{{- $limits := $resources.limits | default dict -}}
{{- if not $limits.memory }}{{ $limits = merge (dict "memory" (ternary "512Mi" "32Mi" .Values.helper.hostPrograms)) $limits }}{{ end -}}
{{ toYaml (set $resources "limits" $limits) }}
{{- end -}}

{{- /* Directories of sentinels that are not below /run, as a list in YAML. */ -}}
{{- define "reboot-operator.sentinelDirectories" -}}
{{- $directories := list -}}
{{- range .Values.helper.sentinels -}}
{{- if not (or (hasPrefix "/run/" .) (hasPrefix "/var/run/" .)) }}{{ $directories = append $directories (dir .) }}{{ end -}}
{{- end -}}
{{- toYaml (uniq $directories) -}}
{{- end -}}

{{- define "reboot-operator.hostVolumeMounts" -}}
{{- $mounts := list -}}
{{- if .Values.helper.sentinelKernel -}}
{{- $mounts = append $mounts (dict "name" "modules" "mountPath" "/host/lib/modules" "readOnly" true) -}}
{{- $mounts = append $mounts (dict "name" "boot" "mountPath" "/host/boot" "readOnly" true "mountPropagation" "HostToContainer") -}}
{{- end -}}
{{- range $i, $directory := include "reboot-operator.sentinelDirectories" . | fromYamlArray -}}
{{- $mount := dict "name" (printf "sentinel-%d" $i) "mountPath" (printf "/host%s" $directory) "readOnly" true "mountPropagation" "HostToContainer" -}}
{{- $mounts = append $mounts $mount -}}
{{- end -}}
{{- with $mounts }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "reboot-operator.hostVolumes" -}}
{{- $volumes := list -}}
{{- if .Values.helper.sentinelKernel -}}
{{- $volumes = append $volumes (dict "name" "modules" "hostPath" (dict "path" "/lib/modules" "type" "Directory")) -}}
{{- $volumes = append $volumes (dict "name" "boot" "hostPath" (dict "path" "/boot" "type" "Directory")) -}}
{{- end -}}
{{- range $i, $directory := include "reboot-operator.sentinelDirectories" . | fromYamlArray -}}
{{- $volumes = append $volumes (dict "name" (printf "sentinel-%d" $i) "hostPath" (dict "path" $directory "type" "Directory")) -}}
{{- end -}}
{{- with $volumes }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- /* Names of policies of this release that the values no longer have, unless the last revision is deployed: then Helm knows what to delete. */ -}}
{{- define "reboot-operator.strayPolicies" -}}
{{- $stray := list -}}
{{- if and .Release.IsUpgrade (eq (include "reboot-operator.connected" .) "true") (eq (include "reboot-operator.kindsMissing" .) "false") -}}
{{- $last := dict "version" 0 "status" "" -}}
{{- range (lookup "v1" "Secret" .Release.Namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $version := int (get $labels "version") -}}
{{- if and (eq (toString .type) "helm.sh/release.v1") (eq (get $labels "name") $.Release.Name) (gt $version (int $last.version)) -}}
{{- $last = dict "version" $version "status" (get $labels "status") -}}
{{- end -}}
{{- end -}}
{{- if ne $last.status "deployed" -}}
{{- $names := list -}}
{{- range .Values.policies }}{{ $names = append $names .name }}{{ end -}}
{{- range (lookup "reboot-operator.io/v1alpha1" "RebootPolicy" "" "").items -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- $ours := and (eq (get $annotations "meta.helm.sh/release-name") $.Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") $.Release.Namespace) -}}
{{- if and $ours (not (has .metadata.name $names)) }}{{ $stray = append $stray .metadata.name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $stray -}}
{{- end -}}
