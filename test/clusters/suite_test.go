// Package clusters installs the operator on a control plane that is as restrictive as those that people run: it admits pods with critical
// priority only where a quota allows them, the namespace has another name, and LimitRanges and quotas hold in it.
package clusters

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	// namespace has no part of the default one's name.
	namespace = "node-maintenance"

	quotaName  = "reboot-operator-critical-pods"
	helperName = "reboot-operator-helper"
)

// criticalPodsNeedAQuota is how GKE and others configure the API server: a pod with one of these priorities needs a quota that covers it.
// See "Limit Priority Class consumption by default" in the Kubernetes documentation.
const criticalPodsNeedAQuota = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ResourceQuota
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: ResourceQuotaConfiguration
    limitedResources:
    - resource: pods
      matchScopes:
      - scopeName: PriorityClass
        operator: In
        values: [system-node-critical, system-cluster-critical]
`

// TestARestrictedCluster runs one story after another on one cluster, as a start takes seconds.
func TestARestrictedCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cluster, err := testbed.Start(ctx, testbed.Options{
		Log:       logr.FromSlogHandler(slog.NewTextHandler(t.Output(), nil)),
		Namespace: namespace, AdmissionConfiguration: criticalPodsNeedAQuota,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &story{T: t, ctx: ctx, cluster: cluster}
	s.addNode("worker-a1")
	s.addNode("worker-a2")
	s.check(cluster.Install(ctx))
	s.run("critical pods are created thanks to the quota, and not without it", (*story).criticalPodsNeedTheQuota)
	s.run("what restricts a namespace restricts the pods as the docs say", (*story).theNamespaceRestricts)
	s.run("another namespace refuses the helper", (*story).podSecurityRefusesTheHelper)
	s.run("nodes are rebooted from a namespace of another name", (*story).nodesAreRebooted)
}

// story is a test on the cluster.
type story struct {
	*testing.T
	ctx     context.Context
	cluster *testbed.Cluster
}

func (s *story) run(name string, tell func(*story)) {
	s.Helper()
	s.Run(name, func(t *testing.T) { tell(&story{T: t, ctx: s.ctx, cluster: s.cluster}) })
}

func (s *story) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *story) addNode(name string) *testbed.Host {
	s.Helper()
	host, err := s.cluster.AddNode(s.ctx, testbed.NodeOptions{Name: name})
	s.check(err)
	return host
}

// helperOn waits until the helper's pod runs on a node.
func (s *story) helperOn(node string) {
	s.Helper()
	await.True(s, "the helper's pod runs on "+node, func() bool {
		var pods corev1.PodList
		s.check(s.cluster.Client().List(s.ctx, &pods, client.InNamespace(namespace)))
		for i := range pods.Items {
			if pod := &pods.Items[i]; pod.Spec.NodeName == node && pod.Status.Phase == corev1.PodRunning {
				return true
			}
		}
		return false
	})
}

// eventOf waits for an event whose message contains something.
func (s *story) eventOf(name, message string) {
	s.Helper()
	await.True(s, "an event of "+name+" says: "+message, func() bool {
		var events corev1.EventList
		s.check(s.cluster.Client().List(s.ctx, &events, client.InNamespace(namespace)))
		for i := range events.Items {
			if event := &events.Items[i]; event.InvolvedObject.Name == name && strings.Contains(event.Message, message) {
				return true
			}
		}
		return false
	})
}

func (s *story) criticalPodsNeedTheQuota() {
	s.helperOn("worker-a1")
	s.helperOn("worker-a2")
	quota := &corev1.ResourceQuota{}
	quota.Namespace, quota.Name = namespace, quotaName
	s.check(s.cluster.Client().Delete(s.ctx, quota))
	s.addNode("worker-a3")
	s.eventOf(helperName, "insufficient quota to match these scopes")
	s.check(s.cluster.Install(s.ctx))
	s.helperOn("worker-a3")
}

// try asks the API server whether it would create an object. What it answers is empty if it would.
func (s *story) try(object client.Object) string {
	s.Helper()
	err := s.cluster.Client().Create(s.ctx, object, client.DryRunAll)
	if err != nil && !apierrors.IsForbidden(err) {
		s.Fatal(err)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
