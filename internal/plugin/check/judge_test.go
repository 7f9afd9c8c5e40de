package check

import (
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

var now = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

const image = "ghcr.io/reboot-operator/reboot-operator:v0.3.0"

func template(name string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: name, Image: image}}}}
}

func readyPolicy() v1alpha1.RebootPolicy {
	p := v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "linux"}}
	p.Status.Summary, p.Status.Nodes = "InForce", 1
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInForce}}
	return p
}

// healthy is an installation that lacks nothing.
func healthy() *Facts {
	named := map[string]bool{}
	for _, name := range admissionPolicies {
		named[name] = true
	}
	helper := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "helper-a"}, Spec: corev1.PodSpec{NodeName: "a"}}
	return &Facts{
		Now: now, Zone: time.UTC, Plugin: "v0.3.0", Kubernetes: "v1.37.2", AdmissionPolicies: named, AdmissionBindings: named,
		Kinds: map[string]Kind{"RebootPolicy": {Found: true, Fresh: true}, "NodeReboot": {Found: true, Fresh: true}},
		Fleet: &app.Fleet{
			Nodes: []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}, Policies: []v1alpha1.RebootPolicy{readyPolicy()},
		},
		Installed: &install.Installation{
			Namespace: "ops", Unknown: map[install.Part]error{}, HelperPods: []corev1.Pod{helper},
			Managers: []appsv1.Deployment{{
				ObjectMeta: metav1.ObjectMeta{Name: "manager"}, Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](2), Template: template("manager")},
				Status: appsv1.DeploymentStatus{ReadyReplicas: 2},
			}},
			HelperSets: []appsv1.DaemonSet{{
				ObjectMeta: metav1.ObjectMeta{Name: "helper"}, Spec: appsv1.DaemonSetSpec{Template: template("helper")},
				Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, NumberReady: 1, UpdatedNumberScheduled: 1},
			}},
			Lease: &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To("manager-1"), RenewTime: &metav1.MicroTime{Time: now.Add(-2 * time.Second)},
			}},
		},
	}
}

func condition(conditionType string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: "It is so."}
}

func TestAnInstallationThatLacksNothingIsOK(t *testing.T) {
	t.Parallel()
	lines := Judge(healthy())
	if len(lines) < 9 {
		t.Fatalf("there are only %d lines", len(lines))
	}
	for _, line := range lines {
		if line.Status != OK || line.Message == "" {
			t.Errorf("%+v", line)
		}
	}
}

func TestWhatAnInstallationLacksIsSaidWithWhatToType(t *testing.T) {
	t.Parallel()
	forbidden := errors.New("forbidden")
	for name, test := range map[string]struct {
		change func(*Facts)
		check  string
		status Status
		says   string
		types  string
	}{
		"an old Kubernetes":     {func(f *Facts) { f.Kubernetes = "v1.31.0" }, "kubernetes", Fail, "older than 1.32", "kubectl version"},
		"a newer Kubernetes":    {func(f *Facts) { f.Kubernetes = "v1.39.0-alpha.1" }, "kubernetes", Warn, "newer than 1.38", ""},
		"no role to evict":      {func(f *Facts) { f.Kubernetes = "v1.35.4" }, "kubernetes", Fail, "before-1.36", "before-1.36.yaml"},
		"a role too much":       {func(f *Facts) { f.EvictionRole = true }, "kubernetes", Warn, "does not need", "before-1.36.yaml"},
		"an unknown Kubernetes": {func(f *Facts) { f.KubernetesError = forbidden }, "kubernetes", Warn, "is not known: forbidden", ""},
		"no kind":               {func(f *Facts) { f.Kinds["NodeReboot"] = Kind{} }, "kind NodeReboot", Fail, "not installed", applyAgain},
		"an old kind": {func(f *Facts) { f.Kinds["NodeReboot"] = Kind{Found: true} }, "kind NodeReboot", Warn,
			"not of this plugin", applyAgain},
		"a kind that is hidden": {func(f *Facts) { f.Kinds["NodeReboot"] = Kind{Err: forbidden} }, "kind NodeReboot", Warn, "forbidden", ""},
		"no admission policy": {func(f *Facts) { f.AdmissionPolicies = nil }, "admission", Fail,
			"ValidatingAdmissionPolicy reboot-operator-helper", applyAgain},
		"a hidden admission": {func(f *Facts) { f.AdmissionError = forbidden }, "admission", Warn, "forbidden", "kubectl auth can-i"},
		"a right to read": {func(f *Facts) { f.Missing = rights()[:1] }, "permissions", Fail, "list rebootpolicies.reboot-operator.io",
			"kubectl auth can-i list"},
		"a right to write": {func(f *Facts) { f.Missing = rights()[12:13] }, "permissions", Warn,
			"create nodereboots.reboot-operator.io (now)", "kubectl auth can-i create"},
		"unknown rights": {func(f *Facts) { f.RightsError = forbidden }, "permissions", Warn, "forbidden", "kubectl auth whoami"},
		"no manager is ready": {func(f *Facts) { f.Installed.Managers[0].Status.ReadyReplicas = 0 }, "manager", Fail, "none of the 2 pods",
			"describe deployment manager"},
		"one manager of two": {func(f *Facts) { f.Installed.Managers[0].Status.ReadyReplicas = 1 }, "manager", Warn, "1 of 2 pods",
			"describe deployment manager"},
		"scaled to 0": {func(f *Facts) { *f.Installed.Managers[0].Spec.Replicas = 0 }, "manager", Fail, "scaled to 0",
			"--replicas=2"},
		"no Deployment": {func(f *Facts) { f.Installed.Managers = nil }, "manager", Fail, "no Deployment of the manager", applyAgain},
		"an old lease": {func(f *Facts) { f.Installed.Lease.Spec.RenewTime.Time = now.Add(-time.Hour) }, "leader", Fail,
			"since 2026-03-02 11:00 UTC", "logs"},
		"no lease":       {func(f *Facts) { f.Installed.Lease = nil }, "leader", Fail, "no manager leads", "logs"},
		"a hidden lease": {func(f *Facts) { f.Installed.Unknown[install.Lease] = forbidden }, "leader", Warn, "forbidden", "get lease"},
		"another helper": {func(f *Facts) { f.Installed.HelperSets[0].Spec.Template.Spec.Containers[0].Image = "x:v1" }, "versions",
			Warn, "helpers run x:v1", applyAgain},
		"another plugin": {func(f *Facts) { f.Plugin = "v0.2.0" }, "versions", Warn, "the plugin is v0.2.0, and the operator v0.3.0",
			"krew upgrade"},
		"no DaemonSet": {func(f *Facts) { f.Installed.HelperSets = nil }, "helpers", Fail, "no DaemonSet", applyAgain},
		"no helper is ready": {func(f *Facts) { f.Installed.HelperSets[0].Status.NumberReady = 0 }, "helpers", Fail, "none of 1 helpers",
			"get pods"},
		"a helper is not updated": {func(f *Facts) { f.Installed.HelperSets[0].Status.UpdatedNumberScheduled = 0 }, "helpers", Warn,
			"0 of 1 helpers run the current", "get pods"},
		"a taint": {func(f *Facts) {
			f.Installed.HelperPods = nil
			f.Fleet.Nodes[0].Spec.Taints = []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
		}, "nodes", Fail, "node a has no helper: there is no helper pod, because the DaemonSet does not tolerate the taint gpu:NoSchedule",
			"edit daemonset helper"},
		"no detector": {func(f *Facts) {
			f.Fleet.Nodes[0].Status.NodeInfo.OSImage = "Fedora Linux 41"
			f.Installed.HelperSets[0].Spec.Template.Spec.Containers = []corev1.Container{{
				Name: "rebooter", Image: image, Args: []string{"--sentinel=/run/reboot-required", "--sentinel=/run/reboot-needed"},
			}}
		}, "detectors", Warn, "nothing would detect that node a needs a reboot", "edit daemonset helper"},
		"no policy": {func(f *Facts) { f.Fleet.Policies = nil }, "policies", Warn, "no RebootPolicy", "kubectl apply"},
		"a policy that is invalid": {func(f *Facts) {
			f.Fleet.Policies[0].Status.Conditions = []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionFalse,
				v1alpha1.ReasonPolicyInvalid)}
		}, "policy linux", Fail, "PolicyInvalid: It is so.", "why rebootpolicy/linux"},
		"writes that are refused": {func(f *Facts) {
			p := &f.Fleet.Policies[0]
			p.Status.Conditions = append(p.Status.Conditions, condition(v1alpha1.ConditionWritesRefused, metav1.ConditionTrue,
				v1alpha1.ReasonWriteRefused))
		}, "policy linux", Warn, "WriteRefused: It is so.", "why rebootpolicy/linux"},
		"a policy that is new": {func(f *Facts) { f.Fleet.Policies[0].Status.Conditions = nil }, "policy linux", Warn, "has not seen",
			"why rebootpolicy/linux"},
		"nothing can be read": {func(f *Facts) { f.FleetError, f.Fleet = forbidden, nil }, "policies", Fail, "forbidden", ""},
		"nothing is installed": {func(f *Facts) {
			f.Installed = &install.Installation{Namespace: "ops"}
		}, "manager", Fail, "neither a manager nor a helper in namespace ops", applyAgain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			test.change(f)
			for _, line := range Judge(f) {
				if line.Check == test.check && line.Status == test.status && strings.Contains(line.Message, test.says) {
					if !strings.Contains(strings.Join(line.Type, "\n"), test.types) {
						t.Errorf("it does not have one type %q: %q", test.types, line.Type)
					}
					return
				}
			}
			t.Errorf("no line of %s is %s and says %q: %+v", test.check, test.status, test.says, Judge(f))
		})
	}
}

func TestALineIsNoWiderThanTheTerminal(t *testing.T) {
	t.Parallel()
	f := healthy()
	f.Fleet.Policies[0].Name = strings.Repeat("ö", 200)
	f.AdmissionPolicies, f.AdmissionBindings = nil, nil
	plain := func(_ app.Color, text string) string { return text }
	for line := range strings.SplitSeq(text(Judge(f), 80, plain), "\n") {
		if width := len([]rune(line)); width > 80 && !strings.Contains(line, "kubectl ") {
			t.Errorf("%d columns: %s", width, line)
		}
	}
}
