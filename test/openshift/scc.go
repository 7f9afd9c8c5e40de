// Package openshift checks what config/components/openshift installs, without an OpenShift: against the published kinds, and against the
// rules by which OpenShift admits pods.
package openshift

import (
	"cmp"
	"fmt"
	"slices"

	securityv1 "github.com/openshift/api/security/v1"
	corev1 "k8s.io/api/core/v1"
)

// Refusals says what keeps a pod from being admitted under SecurityContextConstraints, by the rules of OpenShift's documentation ("Managing
// security context constraints"). What OpenShift would fill in by itself, such as an SELinux level, is not a refusal.
func Refusals(scc *securityv1.SecurityContextConstraints, pod *corev1.PodSpec) []string {
	refusals := podRefusals(scc, pod)
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, refusal := range containerRefusals(scc, pod.SecurityContext, &c) {
			refusals = append(refusals, fmt.Sprintf("container %s: %s", c.Name, refusal))
		}
	}
	return refusals
}

// refused keeps the names of what is used and not allowed.
type refused []string

func (r *refused) unless(allowed bool, format string, args ...any) {
	if !allowed {
		*r = append(*r, fmt.Sprintf(format, args...))
	}
}

func podRefusals(scc *securityv1.SecurityContextConstraints, pod *corev1.PodSpec) []string {
	var r refused
	r.unless(scc.AllowHostPID || !pod.HostPID, "hostPID")
	r.unless(scc.AllowHostIPC || !pod.HostIPC, "hostIPC")
	r.unless(scc.AllowHostNetwork || !pod.HostNetwork, "hostNetwork")
	for i := range pod.Volumes {
		volume := &pod.Volumes[i]
		kind := volumeType(&volume.VolumeSource)
		allowed := slices.Contains(scc.Volumes, securityv1.FSTypeAll) || slices.Contains(scc.Volumes, kind)
		r.unless(allowed && (kind != securityv1.FSTypeHostPath || scc.AllowHostDirVolumePlugin), "volume %s is a %s", volume.Name, kind)
	}
	security := pod.SecurityContext
	if scc.FSGroup.Type == securityv1.FSGroupStrategyMustRunAs && len(scc.FSGroup.Ranges) > 0 && security.FSGroup != nil {
		r.unless(inRanges(scc.FSGroup.Ranges, *security.FSGroup), "fsGroup %d", *security.FSGroup)
	}
	r.unless(scc.SELinuxContext.Type == securityv1.SELinuxStrategyRunAsAny || security.SELinuxOptions == nil, "SELinux options")
	r.unless(seccompAllowed(scc, security.SeccompProfile), "seccomp profile %v", security.SeccompProfile)
	return r
}

// The kinds of volume that this project's pods have; any other is unknown, and so is refused.
func volumeType(source *corev1.VolumeSource) securityv1.FSType {
	switch {
	case source.HostPath != nil:
		return securityv1.FSTypeHostPath
	case source.EmptyDir != nil:
		return securityv1.FSTypeEmptyDir
	case source.Projected != nil:
		return securityv1.FSProjected
	case source.Secret != nil:
		return securityv1.FSTypeSecret
	case source.ConfigMap != nil:
		return securityv1.FSTypeConfigMap
	}
	return "unknown"
}

func inRanges(ranges []securityv1.IDRange, id int64) bool {
	return slices.ContainsFunc(ranges, func(r securityv1.IDRange) bool { return r.Min <= id && id <= r.Max })
}

// seccompAllowed: "runtime/default" is what SecurityContextConstraints call the profile RuntimeDefault. Without a profile they set it.
func seccompAllowed(scc *securityv1.SecurityContextConstraints, profile *corev1.SeccompProfile) bool {
	return profile == nil || slices.Contains(scc.SeccompProfiles, "*") ||
		profile.Type == corev1.SeccompProfileTypeRuntimeDefault && slices.Contains(scc.SeccompProfiles, "runtime/default")
}

func containerRefusals(
	scc *securityv1.SecurityContextConstraints, pod *corev1.PodSecurityContext, container *corev1.Container,
) []string {
	var r refused
	security := container.SecurityContext
	yes := func(field *bool) bool { return field != nil && *field }
	r.unless(scc.AllowPrivilegedContainer || !yes(security.Privileged), "privileged")
	r.unless(yes(scc.AllowPrivilegeEscalation) || !yes(security.AllowPrivilegeEscalation), "allowPrivilegeEscalation")
	r.unless(!scc.ReadOnlyRootFilesystem || yes(security.ReadOnlyRootFilesystem), "a root file system that can be written to")
	r.unless(scc.SELinuxContext.Type == securityv1.SELinuxStrategyRunAsAny || security.SELinuxOptions == nil, "SELinux options")
	r.unless(seccompAllowed(scc, security.SeccompProfile), "seccomp profile %v", security.SeccompProfile)
	uid := cmp.Or(security.RunAsUser, pod.RunAsUser)
	r.unless(userAllowed(scc.RunAsUser.Type, uid), "uid %v", uid)
	for _, added := range capabilities(security).Add {
		r.unless(slices.Contains(scc.AllowedCapabilities, added), "capability %s", added)
	}
	for _, dropped := range scc.RequiredDropCapabilities {
		r.unless(slices.Contains(capabilities(security).Drop, dropped), "capability %s, which has to be dropped", dropped)
	}
	for _, port := range container.Ports {
		r.unless(scc.AllowHostPorts || port.HostPort == 0, "host port %d", port.HostPort)
	}
	return r
}

func userAllowed(strategy securityv1.RunAsUserStrategyType, uid *int64) bool {
	switch strategy {
	case securityv1.RunAsUserStrategyRunAsAny:
		return true
	case securityv1.RunAsUserStrategyMustRunAsNonRoot:
		return uid != nil && *uid != 0
	}
	return uid == nil // a range that the namespace has, in which none of the project's uids is
}

func capabilities(security *corev1.SecurityContext) corev1.Capabilities {
	if security.Capabilities == nil {
		return corev1.Capabilities{}
	}
	return *security.Capabilities
}
