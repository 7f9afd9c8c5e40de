package testbed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Moment is when something was seen and where it belongs in the order of all changes. Watches of different kinds are not in step with each
// other; the resource versions of a cluster with one etcd are, so order is judged by Version and durations by At.
type Moment struct {
	At      time.Time
	Version uint64
}

// NodeRecord is one version of a Node.
type NodeRecord struct {
	Moment
	Name          string
	Zone          string
	ControlPlane  bool
	Ready         bool
	Cordoned      bool
	Tainted       bool
	Gone          bool
	BootID        string
	KernelVersion string
}

// RebootRecord is one version of a NodeReboot.
type RebootRecord struct {
	Moment
	Name   string
	Node   string
	Gone   bool
	Status v1alpha1.NodeRebootStatus
}

// AppKey names an application.
type AppKey struct {
	Kind      AppKind
	Namespace string
	Name      string
}

func (k AppKey) String() string { return fmt.Sprintf("%s %s/%s", k.Kind, k.Namespace, k.Name) }

// AppRecord is one version of a Deployment or StatefulSet.
type AppRecord struct {
	Moment
	App      AppKey
	Replicas int32
	Gone     bool
}

// PodRecord is one version of a pod of an application.
type PodRecord struct {
	Moment
	App         AppKey
	Name        string
	UID         types.UID
	Node        string
	Ready       bool
	Terminating bool
	Evicted     bool
	Gone        bool
}

// Recording is everything that was seen, each list in the order of its changes.
type Recording struct {
	Nodes   []NodeRecord
	Reboots []RebootRecord
	Apps    []AppRecord
	Pods    []PodRecord
	// Hosts is what happened to the simulated hosts, by their own knowledge.
	Hosts map[string][]HostEvent
}

func newNodeRecord(moment Moment, node *corev1.Node, gone bool) NodeRecord {
	_, controlPlane := node.Labels[v1alpha1.ControlPlaneLabel]
	return NodeRecord{
		Moment: moment, Name: node.Name, Zone: node.Labels[corev1.LabelTopologyZone], ControlPlane: controlPlane, Gone: gone,
		Ready: slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}),
		Cordoned: node.Spec.Unschedulable,
		Tainted: slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool {
			return t.Key == v1alpha1.TaintKey
		}),
		BootID: node.Status.NodeInfo.BootID, KernelVersion: node.Status.NodeInfo.KernelVersion,
	}
}

func newRebootRecord(moment Moment, reboot *v1alpha1.NodeReboot, gone bool) RebootRecord {
	return RebootRecord{Moment: moment, Name: reboot.Name, Node: reboot.Spec.NodeName, Gone: gone, Status: *reboot.Status.DeepCopy()}
}

// newPodRecord returns false for a pod that belongs to no application.
func newPodRecord(moment Moment, pod *corev1.Pod, gone bool) (PodRecord, bool) {
	app, ok := appOf(pod)
	if !ok {
		return PodRecord{}, false
	}
	return PodRecord{
		Moment: moment, App: app, Name: pod.Name, UID: pod.UID, Node: pod.Spec.NodeName, Gone: gone,
		Ready:       isReady(pod.Status),
		Terminating: pod.DeletionTimestamp != nil,
		Evicted: slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == "EvictionByEvictionAPI"
		}),
	}, true
}

// appOf finds the application of a pod by its owner. The name of a ReplicaSet is its Deployment's with the hash of the template.
func appOf(pod *corev1.Pod) (AppKey, bool) {
	owner := metav1.GetControllerOf(pod)
	switch {
	case owner == nil:
		return AppKey{}, false
	case owner.Kind == string(StatefulSet):
		return AppKey{Kind: StatefulSet, Namespace: pod.Namespace, Name: owner.Name}, true
	case owner.Kind == "ReplicaSet":
		name, found := strings.CutSuffix(owner.Name, "-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
		return AppKey{Kind: Deployment, Namespace: pod.Namespace, Name: name}, found
	default:
		return AppKey{}, false
	}
}

// parseVersion reads a resource version, which is a number.
func parseVersion(version string) (uint64, error) {
	number, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read resource version: %w", err)
	}
	return number, nil
}

// sortByVersion puts records into the order of the changes they show.
func sortByVersion[R interface{ version() uint64 }](records []R) {
	slices.SortStableFunc(records, func(a, b R) int {
		switch {
		case a.version() < b.version():
			return -1
		case a.version() > b.version():
			return 1
		default:
			return 0
		}
	})
}

func (m Moment) version() uint64 { return m.Version }
