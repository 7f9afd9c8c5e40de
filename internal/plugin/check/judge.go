package check

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

// The minor versions of Kubernetes: the oldest that is supported, the newest that was tried, and the first in which helpers need no role
// more.
const (
	oldestMinor   = 32
	newestMinor   = 38
	confinedMinor = 36
)

// applyAgain is what a person applies again when something is missing.
const applyAgain = "kubectl apply --server-side -f install.yaml"

// Judge says about each part of an installation how it is, and what to type. It is pure.
func Judge(f *Facts) []Line {
	lines := []Line{f.kubernetes()}
	lines = append(lines, f.kinds()...)
	lines = append(lines, f.rights(), f.admission())
	if !f.installedAtAll() {
		return append(lines, Line{"manager", Fail, fmt.Sprintf("there is neither a manager nor a helper in namespace %s: install the operator, "+
			"or write the namespace that it is in with -n", f.Installed.Namespace), []string{applyAgain}})
	}
	lines = append(lines, f.manager(), f.leader(), f.versions(), f.helpers())
	lines = append(lines, f.nodes()...)
	return append(lines, f.policies()...)
}

func ok(check, format string, args ...any) Line {
	return Line{Check: check, Status: OK, Message: fmt.Sprintf(format, args...)}
}

func (f *Facts) installedAtAll() bool {
	i := f.Installed
	return len(i.Managers)+len(i.HelperSets)+len(i.Unknown) > 0
}

var minorVersion = regexp.MustCompile(`^v1\.(\d+)`)

func (f *Facts) kubernetes() Line {
	const check = "kubernetes"
	if f.KubernetesError != nil {
		return Line{check, Warn, fmt.Sprintf("the version of the API server is not known: %v", f.KubernetesError), []string{"kubectl version"}}
	}
	match := minorVersion.FindStringSubmatch(f.Kubernetes)
	if match == nil {
		return Line{check, Warn, fmt.Sprintf("%q is not a version that this plugin knows", f.Kubernetes), []string{"kubectl version"}}
	}
	minor, _ := strconv.Atoi(match[1])
	switch {
	case minor < oldestMinor:
		return Line{check, Fail, fmt.Sprintf("Kubernetes %s is older than 1.%d, and not supported: update it", f.Kubernetes, oldestMinor),
			[]string{"kubectl version"}}
	case minor > newestMinor:
		return Line{check, Warn, fmt.Sprintf("Kubernetes %s is newer than 1.%d, the newest that this version was tested with", f.Kubernetes,
			newestMinor), nil}
	case f.EvictionError != nil:
		return Line{check, Warn, fmt.Sprintf("Kubernetes %s is supported; whether helpers have the roles for it is not known: %v", f.Kubernetes,
			f.EvictionError), nil}
	case minor >= confinedMinor && f.EvictionRole:
		return Line{check, Warn, fmt.Sprintf("helpers have a role that Kubernetes %s does not need: one could evict pods of other nodes",
			f.Kubernetes),
			[]string{"kubectl delete -f before-1.36.yaml"}}
	case minor < confinedMinor && !f.EvictionRole:
		return Line{check, Fail, fmt.Sprintf("before Kubernetes 1.%d helpers need a role of their own to evict pods, and it is not there "+
			"(this is %s): "+
			"apply the component before-1.36", confinedMinor, f.Kubernetes), []string{"kubectl apply --server-side -f before-1.36.yaml"}}
	}
	return ok(check, "Kubernetes %s is supported", f.Kubernetes)
}

func (f *Facts) kinds() []Line {
	var lines []Line
	for _, kind := range slices.Sorted(maps.Keys(f.Kinds)) {
		check := "kind " + kind
		switch state := f.Kinds[kind]; {
		case state.Err != nil:
			lines = append(lines, Line{check, Warn, fmt.Sprintf("how it is installed is not known: %v", state.Err), nil})
		case !state.Found:
			lines = append(lines, Line{check, Fail, "it is not installed", []string{applyAgain}})
		case !state.Fresh:
			lines = append(lines, Line{check, Warn, "it is not of this plugin's version: fields may be missing. Update the kinds first, " +
				"then the operator, then the plugin", []string{applyAgain, "kubectl reboots version"}})
		default:
			lines = append(lines, ok(check, "it is installed, and of this plugin's version"))
		}
	}
	return lines
}

func (f *Facts) rights() Line {
	const check = "permissions"
	if f.RightsError != nil {
		return Line{check, Warn, fmt.Sprintf("what you may do is not known: %v", f.RightsError), []string{"kubectl auth whoami"}}
	}
	if len(f.Missing) == 0 {
		return ok(check, "you may do everything that the plugin does")
	}
	line := Line{Check: check, Status: Warn}
	var cannot []string
	for _, right := range f.Missing {
		text := right.String()
		if right.Command != read {
			text += " (" + right.Command + ")"
		} else if right.Group == v1alpha1.GroupVersion.Group || right.Resource == "nodes" && right.Verb == "list" {
			line.Status = Fail
		}
		cannot = append(cannot, text)
		if len(line.Type) < 3 {
			line.Type = append(line.Type, "kubectl auth can-i "+right.String())
		}
	}
	line.Message = "you may not " + strings.Join(cannot, ", ") +
		": a cluster administrator can bind ClusterRoles to you: reboot-operator-viewer for policies and reboots, reboot-operator-plugin for " +
		"what else the plugin reads, reboot-operator-requester, -approver or -editor for actions, and reboot-operator-skipper for skip"
	return line
}

// admissionPolicies are those that keep promises of the operator.
var admissionPolicies = []string{"reboot-operator-approval", "reboot-operator-helper", "reboot-operator-size", "reboot-operator-status"}

func (f *Facts) admission() Line {
	const check = "admission"
	if f.AdmissionError != nil {
		return Line{check, Warn, fmt.Sprintf("which admission policies there are is not known: %v", f.AdmissionError),
			[]string{"kubectl auth can-i list validatingadmissionpolicies"}}
	}
	var missing []string
	for _, name := range admissionPolicies {
		if !f.AdmissionPolicies[name] {
			missing = append(missing, "ValidatingAdmissionPolicy "+name)
		}
		if !f.AdmissionBindings[name] {
			missing = append(missing, "ValidatingAdmissionPolicyBinding "+name)
		}
	}
	if len(missing) > 0 {
		return Line{check, Fail, "missing are " + strings.Join(missing,
			", ") + ": without them a helper could ask for reboots of other nodes, and anyone who may " +
			"patch a NodeReboot could approve it", []string{applyAgain}}
	}
	return ok(check, "all %d admission policies are in force", len(admissionPolicies))
}

func (f *Facts) manager() Line {
	const check = "manager"
	in := "kubectl -n " + f.Installed.Namespace + " "
	if err := f.Installed.Unknown[install.Manager]; err != nil {
		return Line{check, Warn, fmt.Sprintf("the manager's Deployment cannot be read: %v", err), []string{in + "get deployments"}}
	}
	if len(f.Installed.Managers) == 0 {
		return Line{check, Fail, "there is no Deployment of the manager in namespace " + f.Installed.Namespace, []string{applyAgain}}
	}
	d := &f.Installed.Managers[0]
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	describe := []string{in + "describe deployment " + d.Name, in + "get pods -l app.kubernetes.io/component=manager"}
	switch ready := d.Status.ReadyReplicas; {
	case want == 0:
		return Line{check, Fail, fmt.Sprintf("Deployment %s is scaled to 0: nothing happens", d.Name),
			[]string{in + "scale deployment " + d.Name + " --replicas=2"}}
	case ready == 0:
		return Line{check, Fail, fmt.Sprintf("none of the %d pods of Deployment %s is ready: nothing happens", want, d.Name), describe}
	case ready < want:
		return Line{check, Warn, fmt.Sprintf("%d of %d pods of Deployment %s are ready", ready, want, d.Name), describe}
	case want == 1 && f.Fleet != nil && len(f.Fleet.Nodes) > 1:
		return Line{check, Warn, fmt.Sprintf("Deployment %s has one replica: nothing happens while its own node reboots", d.Name),
			[]string{in + "scale deployment " + d.Name + " --replicas=2"}}
	}
	return ok(check, "%d of %d pods of Deployment %s are ready", d.Status.ReadyReplicas, want, d.Name)
}

func (f *Facts) leader() Line {
	const check = "leader"
	if err := f.Installed.Unknown[install.Lease]; err != nil {
		return Line{check, Warn, fmt.Sprintf("the lease of the leader cannot be read: %v", err),
			[]string{"kubectl -n " + f.Installed.Namespace + " get lease " + install.LeaseName}}
	}
	lease := f.Installed.Lease
	logs := []string{"kubectl -n " + f.Installed.Namespace + " logs -l app.kubernetes.io/component=manager --tail=50"}
	since, silent := f.Installed.Silence(f.Now)
	switch {
	case silent && since.IsZero():
		return Line{check, Fail, fmt.Sprintf("no manager leads: there is no Lease %s/%s", f.Installed.Namespace, install.LeaseName), logs}
	case silent:
		return Line{check, Fail, fmt.Sprintf("no manager has led since %s: every status is from before that",
			since.In(f.Zone).Format("2006-01-02 15:04 MST")), logs}
	case lease == nil:
		return ok(check, "a manager runs without leader election")
	}
	holder := ""
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	return ok(check, "%s leads, and renewed its lease %s ago", cmp.Or(holder, "a manager"), f.Now.Sub(since).Round(time.Second))
}
