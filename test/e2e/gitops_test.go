package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"

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
		kubectl("wait", "--for=condition=Ready", "--timeout=20s", "-f", policy)
		expectShown(&v1alpha1.RebootPolicy{}, "Healthy", "Current")

		By("applying a NodeReboot, which is Ready when it is proved")
		kubectl("apply", "--server-side", "-f", reboot)
		kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-f", reboot)
		expectProved(p.hosts[0], eventuallyPhase(p.hosts[0], v1alpha1.PhaseSucceeded))
		expectShown(&v1alpha1.NodeReboot{}, "Healthy", "Current")
		expectLeftAsFound(p.hosts[0])
		Eventually(func(g Gomega) { g.Expect(theReboot(g, p.hosts[0].Name()).Finalizers).To(BeEmpty()) }).Should(Succeed())

		By("applying both again, which changes nothing")
		before := []any{identity(&v1alpha1.RebootPolicy{}), identity(&v1alpha1.NodeReboot{})}
		for range 2 {
			kubectl("apply", "--server-side", "-f", policy, "-f", reboot)
		}
		Expect(kubectl("diff", "--server-side", "-f", policy, "-f", reboot)).To(BeEmpty())
		Expect([]any{identity(&v1alpha1.RebootPolicy{}), identity(&v1alpha1.NodeReboot{})}).To(Equal(before))
	})
})

func writeFile(name, content string) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), name)
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	return path
}

// kubectl runs kubectl as the administrator and returns what it prints. What it waits for has to come true in two minutes.
func kubectl(args ...string) string {
	GinkgoHelper()
	limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
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

// identity changes with whatever is written to the object named gitops, by whomever.
func identity(object client.Object) [3]any {
	GinkgoHelper()
	live := readLive(object)
	return [3]any{live.GetResourceVersion(), live.GetGeneration(), live.GetManagedFields()}
}

func readLive(object client.Object) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(cluster.Client().Get(ctx, client.ObjectKey{Name: "gitops"}, object)).To(Succeed())
	live, err := gitops.Unstructured(object)
	Expect(err).NotTo(HaveOccurred())
	return live
}
