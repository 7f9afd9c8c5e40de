package act

import (
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What tools write on the objects that they manage.
const (
	fluxKustomization = "kustomize.toolkit.fluxcd.io/"
	fluxHelmRelease   = "helm.toolkit.fluxcd.io/"
	argoTracking      = "argocd.argoproj.io/tracking-id"
	argoInstance      = "argocd.argoproj.io/instance"
	helmManaged       = "app.kubernetes.io/managed-by"
	helmRelease       = "meta.helm.sh/release-name"
	helmNamespace     = "meta.helm.sh/release-namespace"
)

// managed warns that a tool will set the mode of a policy again, if one manages it.
func managed(p *v1alpha1.RebootPolicy) []string {
	const inGit = " Set spec.mode in the source of the policy"
	flux := func(prefix string) (name, namespace string) {
		return p.Labels[prefix+"name"], p.Labels[prefix+"namespace"]
	}
	if name, namespace := flux(fluxKustomization); name != "" {
		return []string{"Flux manages this policy, and sets its mode back at the next reconciliation." + inGit +
			", or suspend that first: flux suspend kustomization " + name + " -n " + namespace}
	}
	if name, namespace := flux(fluxHelmRelease); name != "" {
		return []string{"Flux manages this policy, and may set its mode back when it upgrades the release or corrects drift." + inGit +
			", or suspend that first: flux suspend helmrelease " + name + " -n " + namespace}
	}
	if name := argoApplication(p); name != "" {
		return []string{"Argo CD manages this policy (application " + name + "), and sets its mode back if it syncs with self-heal." + inGit +
			", or turn off self-heal of the application first."}
	}
	if p.Labels[helmManaged] == "Helm" {
		return []string{"Helm manages this policy (release " + p.Annotations[helmNamespace] + "/" + p.Annotations[helmRelease] +
			"), and may set its mode back at the next upgrade."}
	}
	for _, m := range managers(p) {
		if tool := applier(m.name); tool != "" {
			return []string{tool + " applied this policy, and may set its mode back." + inGit + "."}
		}
	}
	return nil
}

// argoApplication is the application that has the policy; empty if there is none.
func argoApplication(p *v1alpha1.RebootPolicy) string {
	if id := p.Annotations[argoTracking]; id != "" {
		application, _, _ := strings.Cut(id, ":")
		return application
	}
	if name := p.Labels[argoInstance]; name != "" {
		return name
	}
	return p.Annotations[argoInstance]
}

// applier is the tool that a field manager belongs to.
func applier(fieldManager string) string {
	switch {
	case strings.HasPrefix(fieldManager, "argocd"):
		return "Argo CD"
	case fieldManager == "kustomize-controller" || fieldManager == "helm-controller":
		return "Flux"
	}
	return ""
}
