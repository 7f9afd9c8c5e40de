package openshift

import (
	"slices"
	"strings"
	"testing"

	securityv1 "github.com/openshift/api/security/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

const (
	helper  = "reboot-operator-helper"
	manager = "reboot-operator-manager"
	scc     = "SecurityContextConstraints"

	requiredSCC = "openshift.io/required-scc"
)

// nonrootV2 is what every OpenShift since 4.11 has; see bindata/bootkube/scc-manifests of openshift/cluster-kube-apiserver-operator.
func nonrootV2() *securityv1.SecurityContextConstraints {
	return &securityv1.SecurityContextConstraints{
		AllowedCapabilities:      []corev1.Capability{"NET_BIND_SERVICE"},
		RequiredDropCapabilities: []corev1.Capability{"ALL"},
		AllowPrivilegeEscalation: ptr.To(false),
		RunAsUser:                securityv1.RunAsUserStrategyOptions{Type: securityv1.RunAsUserStrategyMustRunAsNonRoot},
		SELinuxContext:           securityv1.SELinuxContextStrategyOptions{Type: securityv1.SELinuxStrategyMustRunAs},
		FSGroup:                  securityv1.FSGroupStrategyOptions{Type: securityv1.FSGroupStrategyRunAsAny},
		SupplementalGroups:       securityv1.SupplementalGroupsStrategyOptions{Type: securityv1.SupplementalGroupsStrategyRunAsAny},
		SeccompProfiles:          []string{"runtime/default"},
		Volumes: []securityv1.FSType{"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
			"secret"},
	}
}

// installations are those with the component openshift.
func installations(t *testing.T) map[string]manifests.Rendered {
	t.Helper()
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]manifests.Rendered{}
	for name, objects := range all {
		if strings.Contains(name, "openshift") {
			found[name] = objects
		}
	}
	if len(found) < 5 {
		t.Fatalf("only %d installations for OpenShift", len(found))
	}
	return found
}

func find[T any](t *testing.T, objects manifests.Rendered, kind, name string) *T {
	t.Helper()
	object, err := manifests.Find[T](objects, kind, name)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestOpenShiftAdmitsThePods(t *testing.T) {
	for name, objects := range installations(t) {
		t.Run(name, func(t *testing.T) {
			own := find[securityv1.SecurityContextConstraints](t, objects, scc, helper)
			set := find[appsv1.DaemonSet](t, objects, "DaemonSet", helper)
			if refusals := Refusals(own, &set.Spec.Template.Spec); len(refusals) > 0 {
				t.Errorf("the helper is refused: %v", refusals)
			}
			deployment := find[appsv1.Deployment](t, objects, "Deployment", manager)
			if refusals := Refusals(nonrootV2(), &deployment.Spec.Template.Spec); len(refusals) > 0 {
				t.Errorf("the manager is refused: %v", refusals)
			}
			if set.Spec.Template.Annotations[requiredSCC] != helper || deployment.Spec.Template.Annotations[requiredSCC] != "nonroot-v2" {
				t.Error("the pods do not say under which constraints they run")
			}
			mayUse(t, objects, helper, helper)
			mayUse(t, objects, manager, "nonroot-v2")
			namespace := find[corev1.Namespace](t, objects, "Namespace", manifests.Namespace)
			if selector, has := namespace.Annotations["openshift.io/node-selector"]; !has || selector != "" {
				t.Error("a default node selector of the cluster keeps helpers off nodes")
			}
		})
	}
}

// mayUse checks that a ServiceAccount, and nobody else, gets the right to use constraints.
func mayUse(t *testing.T, objects manifests.Rendered, account, constraints string) {
	t.Helper()
	binding := find[rbacv1.RoleBinding](t, objects, "RoleBinding", account+"-scc")
	role := find[rbacv1.Role](t, objects, "Role", binding.RoleRef.Name)
	subject := rbacv1.Subject{Kind: "ServiceAccount", Name: account, Namespace: manifests.Namespace}
	if !slices.Equal(binding.Subjects, []rbacv1.Subject{subject}) || len(role.Rules) != 1 {
		t.Fatalf("%v get %v", binding.Subjects, role.Rules)
	}
	rule := role.Rules[0]
	if !slices.Equal(rule.APIGroups, []string{securityv1.GroupName}) || !slices.Equal(rule.Verbs, []string{"use"}) ||
		!slices.Equal(rule.Resources, []string{"securitycontextconstraints"}) || !slices.Equal(rule.ResourceNames, []string{constraints}) {
		t.Errorf("%s may %v", account, rule)
	}
}

// Whatever is taken out of the constraints, the helper's pod is refused: they allow nothing that it does not need.
func TestTheConstraintsAllowNothingThatTheHelperDoesNotNeed(t *testing.T) {
	type constraints = securityv1.SecurityContextConstraints
	less := map[string]func(*constraints) bool{
		"directories of the host": func(c *constraints) bool { return flip(&c.AllowHostDirVolumePlugin) },
		"the host's processes":    func(c *constraints) bool { return flip(&c.AllowHostPID) },
		"the host's network":      func(c *constraints) bool { return flip(&c.AllowHostNetwork) },
		"the host's IPC":          func(c *constraints) bool { return flip(&c.AllowHostIPC) },
		"the host's ports":        func(c *constraints) bool { return flip(&c.AllowHostPorts) },
		"privilege":               func(c *constraints) bool { return flip(&c.AllowPrivilegedContainer) },
		"privilege escalation":    func(c *constraints) bool { return flip(c.AllowPrivilegeEscalation) },
		"any user": func(c *constraints) bool {
			was := c.RunAsUser.Type
			c.RunAsUser.Type = securityv1.RunAsUserStrategyMustRunAsNonRoot
			return was == securityv1.RunAsUserStrategyRunAsAny
		},
		"any SELinux type": func(c *constraints) bool {
			was := c.SELinuxContext.Type
			c.SELinuxContext.Type = securityv1.SELinuxStrategyMustRunAs
			return was == securityv1.SELinuxStrategyRunAsAny
		},
		"the seccomp profile": func(c *constraints) bool { c.SeccompProfiles = nil; return true },
		"the group":           func(c *constraints) bool { c.FSGroup.Ranges[0].Max--; return true },
	}
	for name, objects := range installations(t) {
		t.Run(name, func(t *testing.T) {
			pod, err := objects.HelperPod()
			if err != nil {
				t.Fatal(err)
			}
			own := find[constraints](t, objects, scc, helper)
			if len(own.AllowedCapabilities)+len(own.DefaultAddCapabilities)+len(own.Users)+len(own.Groups) > 0 || own.Priority != nil {
				t.Errorf("capabilities, users or a priority: %s", manifests.YAML(own))
			}
			for what, take := range less {
				if changed := own.DeepCopy(); take(changed) && len(Refusals(changed, pod)) == 0 {
					t.Errorf("it does not need %s", what)
				}
			}
			for i := range own.Volumes {
				changed := own.DeepCopy()
				changed.Volumes = slices.Delete(changed.Volumes, i, i+1)
				if len(Refusals(changed, pod)) == 0 {
					t.Errorf("it does not need volumes of type %s", own.Volumes[i])
				}
			}
		})
	}
}

// flip removes what is allowed, and says whether it was.
func flip(allowed *bool) bool {
	was := *allowed
	*allowed = false
	return was
}

// Without the component, no constraints that every ServiceAccount may use admit the pods: that is its purpose.
func TestOpenShiftRefusesTheHelperWithoutTheComponent(t *testing.T) {
	objects, err := manifests.Render("default")
	if err != nil {
		t.Fatal(err)
	}
	pod, err := objects.HelperPod()
	if err != nil {
		t.Fatal(err)
	}
	restrictedV2 := nonrootV2()
	restrictedV2.RunAsUser.Type = securityv1.RunAsUserStrategyMustRunAsRange
	deployment := find[appsv1.Deployment](t, objects, "Deployment", manager)
	for _, constraints := range []*securityv1.SecurityContextConstraints{restrictedV2, nonrootV2()} {
		if len(Refusals(constraints, pod)) == 0 {
			t.Errorf("the helper runs under %s", constraints.RunAsUser.Type)
		}
	}
	if len(Refusals(restrictedV2, &deployment.Spec.Template.Spec)) == 0 {
		t.Error("the manager needs no more than restricted-v2")
	}
}
