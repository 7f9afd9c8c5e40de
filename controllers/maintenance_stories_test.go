package controllers

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

var _ = Describe("Maintenance by others", func() {
	for _, group := range []string{"nodemaintenance.medik8s.io", "nodemaintenance.kubevirt.io"} {
		It("is honored when its kind is installed after the manager started, and again after it was removed: "+group, func(ctx context.Context) {
			seen := startOperator(Options{}, ClientOptions())
			createPolicy(ctx, v1alpha1.ModeEnforce, func(s *v1alpha1.RebootPolicySpec) { s.Approval = v1alpha1.Require })
			createNode(ctx, "n1")
			createHelper(ctx, "n1")
			createReboot(ctx, "r1", "n1")
			reason := func() string { return rebootNamed(ctx, "r1")().Status.Reason }
			Eventually(reason).Should(Equal(v1alpha1.ReasonAwaitingApproval))
			Expect(seen.about(group)).To(BeEmpty(), "nothing asks for a kind that does not exist")

			for range 2 {
				uninstall := installNodeMaintenance(group, "v1beta1")
				Expect(k8s.Create(ctx, maintenanceOfNode(group, "n1"))).To(Succeed())
				Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
					HaveField("Status.Reason", v1alpha1.ReasonForeignMaintenance),
					HaveField("Status.Message", ContainSubstring("NodeMaintenance nm is about it")),
				))
				Expect(k8s.Delete(ctx, maintenanceOfNode(group, "n1"))).To(Succeed())
				Eventually(reason).Should(Equal(v1alpha1.ReasonAwaitingApproval))
				Expect(k8s.Create(ctx, maintenanceOfNode(group, "n1"))).To(Succeed())
				Eventually(reason).Should(Equal(v1alpha1.ReasonForeignMaintenance))
				uninstall()
				Eventually(reason).Should(Equal(v1alpha1.ReasonAwaitingApproval))
			}

			atRest(seen)
			asked := len(seen.about(group))
			Consistently(func() int { return len(seen.about(group)) }).
				WithTimeout(2*time.Second).Should(Equal(asked), "nothing asks for it after it is gone")
		})
	}

	It("is assumed of every node while its kind is installed and cannot be read", func(ctx context.Context) {
		startOperator(Options{}, ClientOptions())
		createPolicy(ctx, v1alpha1.ModeEnforce)
		createNode(ctx, "n1")
		createHelper(ctx, "n1")
		uninstall := installNodeMaintenance("nodemaintenance.medik8s.io", "v2")
		createReboot(ctx, "r1", "n1")
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Reason", v1alpha1.ReasonForeignMaintenance),
			HaveField("Status.Message", ContainSubstring("NodeMaintenance (nodemaintenance.medik8s.io/v1beta1) cannot be read")),
		))
		uninstall()
		Eventually(rebootNamed(ctx, "r1")).Should(HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
	})
})

// installNodeMaintenance installs the kind of a group, and returns what removes it.
func installNodeMaintenance(group, version string) (uninstall func()) {
	definition := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "nodemaintenances." + group}}
	definition.Spec = apiextensionsv1.CustomResourceDefinitionSpec{
		Group: group, Scope: apiextensionsv1.ClusterScoped,
		Names: apiextensionsv1.CustomResourceDefinitionNames{
			Kind: "NodeMaintenance", ListKind: "NodeMaintenanceList", Plural: "nodemaintenances", Singular: "nodemaintenance",
		},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: version, Served: true, Storage: true,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object", XPreserveUnknownFields: ptr.To(true),
			}},
		}},
	}
	options := envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{definition}}
	_, err := envtest.InstallCRDs(apiServer, options)
	Expect(err).NotTo(HaveOccurred())
	return func() { Expect(envtest.UninstallCRDs(apiServer, options)).To(Succeed()) }
}

func maintenanceOfNode(group, node string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1beta1", "kind": "NodeMaintenance", "spec": map[string]any{"nodeName": node},
	}}
	object.SetName("nm")
	return object
}

// about are the requests and watches of a group.
func (t *traffic) about(group string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []string
	for _, path := range append(append([]string{}, t.requests...), t.watches...) {
		if strings.Contains(path, "/"+group) {
			found = append(found, path)
		}
	}
	return found
}
