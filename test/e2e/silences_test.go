package e2e

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/alertmanager"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var _ = Describe("Alerts of nodes that reboot", func() {
	It("are silenced until the proof, and page at once when a node does not come back; a gate is held up by neither", func() {
		am := alertmanager.Start(GinkgoTB())
		p := newPool("silences", "a", "a")
		good, lost := p.hosts[0], p.hosts[1]
		alert := func(host *testbed.Host) string { return "NodeDown" + strings.ReplaceAll(host.Name(), "-", "") }
		for _, host := range p.hosts {
			am.Alert(map[string]string{"alertname": alert(host), "node": host.Name()})
		}
		shown := func(host *testbed.Host) func() bool { return func() bool { return am.Shown(alert(host)) } }
		hook := newQuiescer()
		p.applyPolicy(maxUnavailable(2), rebootTimeout(4), func(s *v1alpha1.RebootPolicySpec) {
			s.Silences = []v1alpha1.AlertSilence{{
				Name: "nodes", URL: am.URL, Matchers: []v1alpha1.LabelMatcher{{Name: "node", Value: ptr.To("{{ .Node }}")}},
			}}
			s.Hooks = &v1alpha1.HooksSpec{AfterReboot: []v1alpha1.Hook{{ConditionType: databaseQuiesced}}}
		})

		By("silencing the alert of the node that reboots, and no other, until its reboot is proved")
		good.RequireReboot()
		eventuallyPhase(good, v1alpha1.PhaseRecovering, v1alpha1.ReasonHookPending)
		Eventually(shown(good)).Should(BeFalse())
		Expect(shown(lost)()).To(BeTrue())

		By("letting a gate on the same Alertmanager pass that looks for alerts of this node")
		changePolicy(p.name, func(s *v1alpha1.RebootPolicySpec) {
			s.Gates.Alertmanager = []v1alpha1.AlertmanagerGate{{
				Name: "alerts", URL: am.URL, Matchers: []v1alpha1.LabelMatcher{{Name: "node", Value: ptr.To(good.Name())}},
			}}
		})
		lost.SetFault(testbed.FaultNeverBack)
		lost.RequireReboot()
		Eventually(shown(lost)).Should(BeFalse())

		By("letting the page arrive when the other node does not come back, while the first one is still silenced")
		eventuallyPhase(lost, v1alpha1.PhaseFailed, v1alpha1.ReasonNodeNotBack)
		Eventually(shown(lost)).Should(BeTrue())
		Expect(shown(good)()).To(BeFalse())

		By("ending the silence with the proof")
		hook.done(good)
		eventuallyPhase(good, v1alpha1.PhaseSucceeded)
		Eventually(shown(good)).Should(BeTrue())
		Expect(am.Active()).To(BeEmpty())

		By("not silencing an attempt again that failed")
		lost.SetFault(testbed.FaultNone)
		lost.Return()
		eventuallyPhase(lost, v1alpha1.PhaseRecovering, v1alpha1.ReasonHookPending)
		Consistently(shown(lost), "2s").Should(BeTrue())
		hook.done(lost)
		eventuallyPhase(lost, v1alpha1.PhaseSucceeded)
		Expect(am.Silences()).To(HaveLen(2))
	})
})
