package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/gitops"
)

const gitopsPolicy = `
apiVersion: reboot-operator.io/v1alpha1
kind: RebootPolicy
metadata: {name: gitops}
spec:
  nodeSelector: {matchLabels: {pool: gitops}}
  rollout: {maxUnavailable: 1}
`

const gitopsReboot = `
apiVersion: reboot-operator.io/v1alpha1
kind: NodeReboot
metadata: {name: gitops}
spec: {nodeName: gitops-a1}
`

var _ = Describe("A policy and a NodeReboot out of Git", func() {
	It("are waited for by kubectl, understood by tools, and applied again without any change", func() {
		policy, reboot := writeFile("policy.yaml", gitopsPolicy), writeFile("reboot.yaml", gitopsReboot)
		p := newPool("gitops", "a")

		By("applying a policy, which is in force at once")
		kubectl("apply", "--server-side", "-f", policy)
		kubectl("wait", "--for=condition=Ready", "--timeout=180s", "-f", policy)
		expectShown(&v1alpha1.RebootPolicy{}, "Healthy", "Current")

		By("applying a NodeReboot, which is Ready when it is proved")
		kubectl("apply", "--server-side", "-f", reboot)
		kubectl("wait", "--for=condition=Ready", "--timeout=180s", "-f", reboot)
		expectProved(p.hosts[0], eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded))
		expectShown(&v1alpha1.NodeReboot{}, "Healthy", "Current")
		expectLeftAsFound(p.hosts[0])
		Eventually(func(g Gomega) { g.Expect(theReboot(g, p.hosts[0].Name()).Finalizers).To(BeEmpty()) }).Should(Succeed())

		By("applying both again, which changes nothing")
		before := appliedBoth()
		Eventually(func(g Gomega) { // The manager may not have written all statuses yet; when it has, nobody writes anything.
			versions := versionsOfBoth()
			for range 2 {
				kubectl("apply", "--server-side", "-f", policy, "-f", reboot)
			}
			g.Expect(versionsOfBoth()).To(Equal(versions))
		}).Should(Succeed())
		Expect(kubectl("diff", "--server-side", "-f", policy, "-f", reboot)).To(BeEmpty())
		Expect(appliedBoth()).To(Equal(before))
	})
})

func writeFile(name, content string) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), name)
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	return path
}

// kubectl runs kubectl as the administrator and returns what it prints.
func kubectl(args ...string) string {
	GinkgoHelper()
	limited, cancel := context.WithTimeout(ctx, 2*waitLimit)
	defer cancel()
	command := exec.CommandContext(limited, cluster.Kubectl(), append([]string{"--kubeconfig", cluster.Kubeconfig()}, args...)...)
	output, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "kubectl %v: %s", args, output)
	return string(output)
}

// expectShown says what Argo CD and kstatus make of the object named gitops.
func expectShown(object client.Object, argo, kstatus string) {
	GinkgoHelper()
	checks, err := gitops.ReadArgoCD(filepath.Join("..", "..", "config", "gitops", "argocd", "health-checks.yaml"))
	Expect(err).NotTo(HaveOccurred())
	live := readLive(object)
	health, err := checks.Health(live)
	Expect(err).NotTo(HaveOccurred())
	Expect(health.Status).To(Equal(argo), health.Message)
	status, err := gitops.Kstatus(live)
	Expect(err).NotTo(HaveOccurred())
	Expect(status).To(Equal(kstatus))
}

// appliedBoth is all that kubectl has applied: what it may write, and what the API server notes of that. Statuses are the manager's.
func appliedBoth() []any {
	GinkgoHelper()
	var all []any
	for _, object := range []client.Object{&v1alpha1.RebootPolicy{}, &v1alpha1.NodeReboot{}} {
		live := readLive(object)
		all = append(all, live.GetGeneration(), live.GetLabels(), live.GetAnnotations(), live.Object["spec"])
		for _, fields := range live.GetManagedFields() {
			if fields.Manager == "kubectl" {
				all = append(all, fields)
			}
		}
	}
	return all
}

// versionsOfBoth change with whatever is written to the objects named gitops, by whomever.
func versionsOfBoth() [2]string {
	GinkgoHelper()
	return [2]string{readLive(&v1alpha1.RebootPolicy{}).GetResourceVersion(), readLive(&v1alpha1.NodeReboot{}).GetResourceVersion()}
}

func readLive(object client.Object) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: "gitops"}, object)).To(Succeed())
	live, err := gitops.Unstructured(object)
	Expect(err).NotTo(HaveOccurred())
	return live
}
