package clusters

import (
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

func (s *story) nodesAreRebooted() {
	_, err := s.cluster.StartManager(s.ctx, testbed.ManagerOptions{})
	s.check(err)
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "linux"}}
	policy.Spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{corev1.LabelOSStable: "linux"}}
	s.check(s.cluster.Client().Create(s.ctx, policy))
	s.check(s.cluster.CreateApp(s.ctx, testbed.App{Name: "web", Replicas: 2}))
	hosts := s.cluster.Hosts()
	for _, host := range hosts {
		host.RequireReboot()
	}
	await.True(s, "every node was rebooted", func() bool {
		succeeded := map[string]bool{}
		var reboots v1alpha1.NodeRebootList
		s.check(s.cluster.Client().List(s.ctx, &reboots))
		for i := range reboots.Items {
			reboot := &reboots.Items[i]
			if reboot.Status.Phase == v1alpha1.PhaseFailed {
				s.Fatalf("%s: %s", reboot.Name, reboot.Status.Message)
			}
			succeeded[reboot.Spec.NodeName] = reboot.Status.Phase == v1alpha1.PhaseSucceeded
		}
		for _, host := range hosts {
			if !succeeded[host.Name()] || host.RebootsAccepted() != 1 {
				return false
			}
		}
		return true
	})
	var slots corev1.ConfigMap
	s.check(s.cluster.Client().Get(s.ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.SlotsName}, &slots))
	err = s.cluster.Client().Get(s.ctx, client.ObjectKey{Name: testbed.Namespace}, &corev1.Namespace{})
	if !apierrors.IsNotFound(err) {
		s.Errorf("there is a namespace %s as well: %v", testbed.Namespace, err)
	}
}
