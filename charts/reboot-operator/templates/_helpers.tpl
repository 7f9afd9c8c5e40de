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

{{- /* Annotations of pods: of the root, the values of their program, and the SecurityContextConstraints that they need. The container that
kubectl shows stands in the template. */ -}}
{{- define "reboot-operator.podAnnotations" -}}
{{- $annotations := omit (deepCopy ((index . 1).podAnnotations | default dict)) "kubectl.kubernetes.io/default-container" -}}
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

{{- /*
What Helm would leave as it is of the policies in the cluster, because an earlier upgrade failed: see docs/adr/0051. In YAML, with names:
- stray: the values do not have them, and a failed upgrade brought them. The chart deletes them.
- stale: the values have them, and they are not as the values say. The chart deletes them, and Helm creates them again.
- left: the values do not have them, and they may be such: someone else may have made them, or it is not known whether an upgrade failed.
- different: the values have them, they are not as the values say, and Helm may leave them so.
*/ -}}
{{- define "reboot-operator.leftovers" -}}
{{- $found := dict "stray" list "stale" list "left" list "different" list "known" true -}}
{{- if and .Release.IsUpgrade (eq (include "reboot-operator.connected" .) "true") (eq (include "reboot-operator.kindsMissing" .) "false") -}}
{{- $status := include "reboot-operator.lastStatus" . -}}
{{- $_ := set $found "known" (ne $status "") -}}
{{- $wanted := dict -}}
{{- range .Values.policies }}{{ $_ := set $wanted .name .spec }}{{ end -}}
{{- $schema := include "reboot-operator.policySchema" . | fromJson -}}
{{- range (lookup "reboot-operator.io/v1alpha1" "RebootPolicy" "" "").items -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- $marked := and (eq (get $annotations "meta.helm.sh/release-name") $.Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") $.Release.Namespace) -}}
{{- $list := "" -}}
{{- if $marked -}}
{{- $keep := eq (get $annotations "helm.sh/resource-policy" | trim | lower) "keep" -}}
{{- /* A copy that someone made has the marks as well, and the name of what it was copied from. */ -}}
{{- $made := eq (get $annotations "reboot-operator.io/name-in-values") .metadata.name -}}
{{- $hook := and $made (hasKey $annotations "helm.sh/hook") -}}
{{- $failed := and $made (not (has $status (list "" "deployed"))) -}}
{{- if not (hasKey $wanted .metadata.name) -}}
{{- if not $keep }}{{ $list = ternary "stray" (ternary "" "left" (eq $status "deployed")) (or $hook $failed) }}{{ end -}}
{{- else -}}
{{- $want := (include "reboot-operator.withDefaults" (list $schema (get $wanted .metadata.name)) | fromJson).value -}}
{{- /* Server-side apply compares with the policy itself. Then Helm's marks were applied. */ -}}
{{- $applied := false -}}
{{- range .metadata.managedFields -}}
{{- if and (eq .operation "Apply") (hasKey (dig "fieldsV1" "f:metadata" "f:annotations" dict .) "f:meta.helm.sh/release-name") }}{{ $applied = true }}{{ end -}}
{{- end -}}
{{- /* What is in the cluster has the defaults of the kind that was there before this upgrade. */ -}}
{{- $is := (include "reboot-operator.withDefaults" (list $schema .spec) | fromJson).value -}}
{{- if and (ne (toJson $want) (toJson $is)) (not $applied) -}}
{{- /* One that starts nothing may be so because someone stopped it. */ -}}
{{- $stopped := and (ne (get $is "mode") "Enforce") (eq (get $want "mode") "Enforce") -}}
{{- $list = ternary "stale" (ternary "" "different" (eq $status "deployed")) (or $hook (and $failed (not $stopped) (not $keep))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $list }}{{ $_ := set $found $list (append (get $found $list) .metadata.name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- /* The status of the last revision, or nothing where Helm keeps revisions elsewhere than in Secrets of this namespace. */ -}}
{{- define "reboot-operator.lastStatus" -}}
{{- $version := 0 -}}
{{- $status := "" -}}
{{- range (lookup "v1" "Secret" .Release.Namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- if and (eq (toString .type) "helm.sh/release.v1") (eq (get $labels "name") $.Release.Name) (gt (int (get $labels "version")) $version) -}}
{{- $version = int (get $labels "version") -}}
{{- $status = get $labels "status" -}}
{{- end -}}
{{- end -}}
{{- $status -}}
{{- end -}}

{{- /* The schema of the spec of a policy, in JSON. */ -}}
{{- define "reboot-operator.policySchema" -}}
{{- range $path, $_ := .Files.Glob "crds/*_rebootpolicies.yaml" -}}
{{- $kind := $.Files.Get $path | fromYaml -}}
{{- (first $kind.spec.versions).schema.openAPIV3Schema.properties.spec | toJson -}}
{{- end -}}
{{- end -}}

{{- /* What the API server makes of a value, which fills in defaults: of a list of a schema and a value, as "value" of an object in JSON. */ -}}
{{- define "reboot-operator.withDefaults" -}}
{{- $schema := index . 0 -}}
{{- $value := index . 1 -}}
{{- $result := $value -}}
{{- if kindIs "map" $value -}}
{{- $result = dict -}}
{{- $properties := get $schema "properties" | default dict -}}
{{- $others := get $schema "additionalProperties" | default dict -}}
{{- range $name, $inner := $value -}}
{{- if not (kindIs "invalid" $inner) -}}
{{- $_ := set $result $name (include "reboot-operator.withDefaults" (list (get $properties $name | default $others) $inner) | fromJson).value -}}
{{- end -}}
{{- end -}}
{{- range $name, $property := $properties -}}
{{- if and (hasKey $property "default") (not (hasKey $result $name)) -}}
{{- $_ := set $result $name (include "reboot-operator.withDefaults" (list $property (get $property "default")) | fromJson).value -}}
{{- end -}}
{{- end -}}
{{- else if and (kindIs "slice" $value) $value -}}
{{- $result = list -}}
{{- $items := get $schema "items" | default dict -}}
{{- range $value }}{{ $result = append $result (include "reboot-operator.withDefaults" (list $items .) | fromJson).value }}{{ end -}}
{{- end -}}
{{- dict "value" $result | toJson -}}
{{- end -}}
