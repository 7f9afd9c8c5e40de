// Package objects reads all objects that a plan depends on, from a cluster or from a file, and writes that file.
package objects

import (
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// Cluster is a cluster at a moment.
type Cluster struct {
	projection.Objects
	// Namespace that the operator runs in; empty if it was not found.
	Namespace string
	// Manager is the Deployment of the manager; nil if it was not found.
	Manager *appsv1.Deployment
	// Taken is when the objects were read; zero if that is not known.
	Taken time.Time
	// Unknown says in sentences what could not be read, and what is assumed instead.
	Unknown []string
	// PodsUnknown says that the pods could not be read.
	PodsUnknown bool
	// unreadable are policies and NodeReboots that can only be written as they were read.
	unreadable map[types.UID]*unstructured.Unstructured
}

// Settings are what a plan has to know of the installation.
func (c *Cluster) Settings() *projection.Settings {
	settings := &projection.Settings{
		Namespace: c.Namespace, LeaderNode: c.leaderNode(), PodsUnknown: c.PodsUnknown, Invalid: invalid(c.Policies),
	}
	if c.Manager != nil {
		settings.SetArguments(projection.ManagerArguments(c.Manager))
	}
	return settings
}

// Snapshot is what a plan sees of the cluster at a time.
func (c *Cluster) Snapshot(now time.Time) *plan.Snapshot {
	return projection.Snapshot(&c.Objects, c.Settings(), now)
}

// invalid says about policies what in their gates does not compile, as the manager finds it.
func invalid(policies []*v1alpha1.RebootPolicy) map[string]string {
	found := map[string]string{}
	for _, policy := range policies {
		if findings := gates.Check(policy); len(findings) > 0 {
			found[policy.Name] = findings[0].String()
		}
	}
	return found
}

// leaderLease is the name of the Lease of the manager that leads.
const leaderLease = "reboot-operator"

// leaderNode is the node of the pod that holds the Lease; empty if that is not known.
func (c *Cluster) leaderNode() string {
	for _, lease := range c.Leases {
		if lease.Namespace != c.Namespace || lease.Name != leaderLease {
			continue
		}
		name, _, _ := strings.Cut(ptr.Deref(lease.Spec.HolderIdentity, ""), "_")
		for _, pod := range c.Pods {
			if pod.Namespace == c.Namespace && pod.Name == name {
				return pod.Spec.NodeName
			}
		}
	}
	return ""
}
