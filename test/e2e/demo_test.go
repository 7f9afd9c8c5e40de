package e2e

import (
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/reboot-operator/reboot-operator/test/demo"
)

var _ = Describe("The demo", func() {
	It("keeps every promise, on a cluster of its own", func() {
		broken, err := demo.Run(ctx, demo.Options{
			Nodes: 12, Zones: 3, ControlPlane: 2, RebootSeconds: 3, Timeout: 3*time.Minute + waitLimit, Out: GinkgoWriter, Log: logr.Discard(),
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(broken).To(BeEmpty())
	})
})
