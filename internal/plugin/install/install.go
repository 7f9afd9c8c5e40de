// Package install reads what of reboot-operator runs in a cluster: its manager, its helpers, and the lease of the leader.
package install

import (
	"context"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

const (
	// DefaultNamespace is where the operator is installed if nobody chose.
	DefaultNamespace = "reboot-operator-system"
	// LeaseName names the lease of the leader.
	LeaseName       = "reboot-operator"
	helperComponent = "helper"
	nameLabel       = "app.kubernetes.io/name"
	appName         = "reboot-operator"
)

// Part of an installation that may not be readable.
type Part string

// The parts.
const (
	Manager Part = "the manager's Deployment"
	Helpers Part = "the helpers' DaemonSet"
	Pods    Part = "pods"
	Lease   Part = "the leader's lease"
)

// Installation is what runs in a cluster.
type Installation struct {
	Namespace  string
	Managers   []appsv1.Deployment
	HelperSets []appsv1.DaemonSet
	// HelperPods and ManagerPods by component.
	HelperPods, ManagerPods []corev1.Pod
	// Lease of the leader; nil if there is none.
	Lease *coordinationv1.Lease
	// Unknown are the parts that could not be read, and why.
	Unknown map[Part]error
}

// Read an installation. A namespace says where; without one it is looked for.
func Read(ctx context.Context, c client.Reader, namespace string) *Installation {
	i := &Installation{Namespace: namespace, Unknown: map[Part]error{}}
	if namespace == "" {
		i.Namespace = find(ctx, c)
	}
	in := client.InNamespace(i.Namespace)
	var (
		managers appsv1.DeploymentList
		sets     appsv1.DaemonSetList
		pods     corev1.PodList
	)
	if err := c.List(ctx, &managers, in, client.MatchingLabels{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}); err != nil {
		i.Unknown[Manager] = err
	}
	if err := c.List(ctx, &sets, in, client.MatchingLabels{v1alpha1.ComponentLabel: helperComponent}); err != nil {
		i.Unknown[Helpers] = err
	}
	if err := c.List(ctx, &pods, in, client.HasLabels{v1alpha1.ComponentLabel}); err != nil {
		i.Unknown[Pods] = err
	}
	i.Managers, i.HelperSets = managers.Items, sets.Items
	for p := range pods.Items {
		switch pod := &pods.Items[p]; pod.Labels[v1alpha1.ComponentLabel] {
		case helperComponent:
			i.HelperPods = append(i.HelperPods, *pod)
		case v1alpha1.ManagerComponent:
			i.ManagerPods = append(i.ManagerPods, *pod)
		}
	}
	lease := &coordinationv1.Lease{}
	switch err := c.Get(ctx, client.ObjectKey{Namespace: i.Namespace, Name: LeaseName}, lease); {
	case err == nil:
		i.Lease = lease
	case !apierrors.IsNotFound(err):
		i.Unknown[Lease] = err
	}
	return i
}

// find the namespace that the DaemonSet of helpers is in, or the manager's Deployment.
func find(ctx context.Context, c client.Reader) string {
	labels := client.MatchingLabels{nameLabel: appName}
	var (
		sets     appsv1.DaemonSetList
		managers appsv1.DeploymentList
		found    []string
	)
	if c.List(ctx, &sets, labels) == nil {
		for i := range sets.Items {
			found = append(found, sets.Items[i].Namespace)
		}
	}
	if len(found) == 0 && c.List(ctx, &managers, labels) == nil {
		for i := range managers.Items {
			found = append(found, managers.Items[i].Namespace)
		}
	}
	if len(found) == 0 || slices.Contains(found, DefaultNamespace) {
		return DefaultNamespace
	}
	return slices.Min(found)
}

// Sets are the DaemonSets of helpers, and on which nodes they run.
func (i *Installation) Sets() *projection.HelperSets {
	stripped := make([]appsv1.DaemonSet, len(i.HelperSets))
	for s := range i.HelperSets {
		stripped[s] = *projection.StripHelperSet(&i.HelperSets[s])
	}
	return projection.NewHelperSets(i.Namespace, stripped)
}

// Helper is the pod of a node's helper; nil if there is none. One that is Ready goes before others, then the first by name.
func (i *Installation) Helper(node string) *corev1.Pod {
	var first *corev1.Pod
	for p := range i.HelperPods {
		pod := &i.HelperPods[p]
		if pod.Spec.NodeName != node || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		if first == nil || Ready(pod) && !Ready(first) || Ready(pod) == Ready(first) && pod.Name < first.Name {
			first = pod
		}
	}
	return first
}

// Ready says that a pod is Ready.
func Ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// staleLease is how long a lease may not be renewed before nobody leads. Clocks differ, and leaders change.
const staleLease = 2 * time.Minute

// Silence is since when no manager leads, and whether that is so. A manager that elects no leader has no lease, and says nothing.
func (i *Installation) Silence(now time.Time) (since time.Time, silent bool) {
	if i.Lease == nil {
		_, unknown := i.Unknown[Lease]
		return time.Time{}, !unknown && !slices.ContainsFunc(i.ManagerPods, func(pod corev1.Pod) bool { return Ready(&pod) })
	}
	renewed := i.Lease.Spec.RenewTime
	if renewed == nil {
		return i.Lease.CreationTimestamp.Time, true
	}
	return renewed.Time, now.Sub(renewed.Time) > staleLease
}

// Watches says what the helper of a node looks at on its host, as part of a sentence; empty if that is not known.
func (i *Installation) Watches() string {
	for s := range i.HelperSets {
		for c := range i.HelperSets[s].Spec.Template.Spec.Containers {
			container := &i.HelperSets[s].Spec.Template.Spec.Containers[c]
			if container.Name == projection.RebooterContainer {
				return watched(slices.Concat(container.Command, container.Args))
			}
		}
	}
	return ""
}

// looksAt is what flags of a rebooter have it look at.
var looksAt = map[string]string{
	"sentinel": "the file", "sentinel-preset": "the preset", "sentinel-command": "the command", "sentinel-kernel": "a newer kernel",
	"no-sentinel": "nothing of the host, because it runs with --no-sentinel",
}

// watched says what a rebooter with these arguments looks at.
func watched(args []string) string {
	var what []string
	for i, arg := range args {
		name, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !joined && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			value = args[i+1]
		}
		prefix, known := looksAt[name]
		switch {
		case !known || !strings.HasPrefix(arg, "-") || value == "false":
		case name == "no-sentinel":
			return prefix
		case name == "sentinel-kernel":
			what = append(what, prefix)
		default:
			what = append(what, prefix+" "+value)
		}
	}
	return strings.Join(what, ", ")
}
