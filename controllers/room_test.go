package controllers

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// ofRoom are watched only while a node waits for gates.capacity.
var ofRoom = []string{
	"/api/v1/namespaces", "/api/v1/persistentvolumeclaims", "/api/v1/persistentvolumes", "/api/v1/pods", "/apis/storage.k8s.io/v1/csinodes",
}

// gatesAskAgain is longer than a gate rests that has something in the way.
const gatesAskAgain = 30 * time.Second

var _ = Describe("Room", func() {
	It("is watched once a node waits for it, and is there when another node is", func(ctx context.Context) {
		seen := startOperator(Options{}, ClientOptions())
		policy := &v1alpha1.RebootPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "p"},
			Spec: v1alpha1.RebootPolicySpec{
				Mode: v1alpha1.ModeEnforce, Nodes: v1alpha1.NodesAll, Gates: v1alpha1.GatesSpec{Capacity: v1alpha1.Require},
			},
		}
		Expect(k8s.Create(ctx, policy)).To(Succeed())
		createNode(ctx, "n1")
		createHelper(ctx, "n1")
		createPod(ctx, "web", "n1", ownedBy("ReplicaSet", "web"))
		Expect(seen.watched()).NotTo(ContainElement(BeElementOf(ofRoom)), "nobody waits")
		createReboot(ctx, "r1", "n1")

		By("waiting for room")
		Eventually(rebootNamed(ctx, "r1")).Should(SatisfyAll(
			HaveField("Status.Reason", v1alpha1.ReasonInsufficientCapacity),
			HaveField("Status.Message", HavePrefix("Pod "+testNamespace+"/web of node n1 would find no room: there is no other node.")),
		))
		Expect(seen.watched()).To(ContainElements(ofRoom))
		for _, request := range seen.since(0) {
			Expect(strings.HasPrefix(request, "GET /api/v1/pods?limit")).To(BeFalse(), "pods are streamed: "+request)
		}

		By("starting when there is some")
		createNode(ctx, "n2")
		patchNodeStatus(ctx, "n2", func(n *corev1.Node) {
			n.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10")}
		})
		Eventually(rebootNamed(ctx, "r1")).WithTimeout(gatesAskAgain).Should(
			HaveField("Status.Order", HaveField("Action", v1alpha1.ActionDrain)))
	})
})
