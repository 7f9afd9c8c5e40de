package objects

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// pageSize is how many objects are asked for at once. What is kept of a page takes a small part of its memory.
const pageSize = 500

// DefaultNamespace is where the operator is installed if nobody chose another one.
const DefaultNamespace = "reboot-operator-system"

// Read reads a cluster. A namespace says where the operator runs; without one it is looked for. An error is about what no plan can do
// without. What else could not be read is in Unknown.
func Read(ctx context.Context, c client.Reader, namespace string, now time.Time) (*Cluster, error) {
	cluster := &Cluster{Namespace: namespace, Taken: now.Truncate(time.Second), unreadable: map[types.UID]*unstructured.Unstructured{}}
	r := &reading{client: c, cluster: cluster}
	for _, step := range []func(context.Context) error{r.policies, r.reboots, r.nodes} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(context.Context) error{
		r.deployments, r.statefulSets, r.budgets, r.helperSets, r.pods, r.slots, r.leases, r.volumes, r.maintenances,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return cluster, nil
}

type reading struct {
	client  client.Reader
	cluster *Cluster
}

// unknown notes that something may not be read, or returns the error if it is about something else.
func (r *reading) unknown(what, instead string, err error) error {
	if err == nil {
		return nil
	}
	if !apierrors.IsForbidden(err) {
		return app.ReadError(what, err)
	}
	r.cluster.Unknown = append(r.cluster.Unknown, fmt.Sprintf("You may not read %s: %s.", what, instead))
	return nil
}

// What is assumed where objects could not be read.
const (
	withoutDeployments  = "none is waited for, and the manager's options are assumed to be the defaults"
	withoutStatefulSets = "none is waited for"
	withoutBudgets      = "every pod is assumed to have none"
	withoutHelperSets   = "each node without a helper pod is assumed to lack one"
	withoutPods         = "every node is assumed to have a helper and no other pods"
)

// maxRestarts is how often a list begins again because it took longer than the API server keeps its state.
const maxRestarts = 3

// pages lists objects page by page, each into a list of its own. If the rest of a list has expired it begins again: reset forgets what
// take was given.
func pages(
	ctx context.Context, c client.Reader, empty client.ObjectList, take func(client.ObjectList), reset func(), options ...client.ListOption,
) error {
	restarts, next := 0, ""
	for {
		list, is := empty.DeepCopyObject().(client.ObjectList)
		if !is {
			return fmt.Errorf("%T is not a list", empty)
		}
		err := c.List(ctx, list, append(slices.Clone(options), client.Limit(pageSize), client.Continue(next))...)
		if next != "" && apierrors.IsResourceExpired(err) && restarts < maxRestarts {
			restarts, next = restarts+1, ""
			reset()
			continue
		}
		if err != nil {
			return err //nolint:wrapcheck // the caller says what was listed
		}
		take(list)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// collect lists objects, and keeps of each what keep returns; nil is nothing.
func collect[T any, L client.ObjectList](
	ctx context.Context, c client.Reader, list L, items func(L) []T, keep func(*T) *T, options ...client.ListOption,
) ([]*T, error) {
	var kept []*T
	err := pages(ctx, c, list, func(listed client.ObjectList) {
		typed, is := listed.(L)
		if !is {
			return
		}
		page := items(typed)
		for i := range page {
			if object := keep(&page[i]); object != nil {
				kept = append(kept, object)
			}
		}
	}, func() { kept = nil }, options...)
	return kept, err
}

func (r *reading) policies(ctx context.Context) error {
	found, err := collect(ctx, r.client, &v1alpha1.RebootPolicyList{},
		func(l *v1alpha1.RebootPolicyList) []v1alpha1.RebootPolicy { return l.Items }, stripPolicy)
	r.cluster.Policies = found
	if err != nil {
		return app.ReadError("RebootPolicies", err)
	}
	for _, policy := range found {
		if len(policy.Unreadable) > 0 {
			if err := r.keepWhole(ctx, policy, "RebootPolicy"); err != nil {
				return err
			}
		}
	}
	r.cluster.Policies = slices.DeleteFunc(found, func(policy *v1alpha1.RebootPolicy) bool {
		return len(policy.Unreadable) > 0 && r.cluster.unreadable[policy.UID] == nil // it is gone by now
	})
	return nil
}

func (r *reading) reboots(ctx context.Context) error {
	found, err := collect(ctx, r.client, &v1alpha1.NodeRebootList{},
		func(l *v1alpha1.NodeRebootList) []v1alpha1.NodeReboot { return l.Items }, stripReboot)
	r.cluster.Reboots = found
	if err != nil {
		return app.ReadError("NodeReboots", err)
	}
	for _, reboot := range found {
		if len(reboot.Unreadable) > 0 {
			if err := r.keepWhole(ctx, reboot, "NodeReboot"); err != nil {
				return err
			}
		}
	}
	r.cluster.Reboots = slices.DeleteFunc(found, func(reboot *v1alpha1.NodeReboot) bool {
		return len(reboot.Unreadable) > 0 && r.cluster.unreadable[reboot.UID] == nil // it is gone by now
	})
	return nil
}

// keepWhole keeps an object as it is stored, because what was decoded of it is a part.
func (r *reading) keepWhole(ctx context.Context, object client.Object, kind string) error {
	whole := &unstructured.Unstructured{}
	whole.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	switch err := r.client.Get(ctx, client.ObjectKeyFromObject(object), whole); {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return app.ReadError(kind+" "+object.GetName(), err)
	}
	stripUser(whole)
	if kind == "RebootPolicy" {
		unstructured.RemoveNestedField(whole.Object, "spec", "notifications")
	}
	r.cluster.unreadable[object.GetUID()] = whole
	return nil
}

func (r *reading) nodes(ctx context.Context) error {
	found, err := collect(ctx, r.client, &corev1.NodeList{}, func(l *corev1.NodeList) []corev1.Node { return l.Items }, projection.StripNode)
	r.cluster.Nodes = found
	if err != nil {
		return app.ReadError("Nodes", err)
	}
	return nil
}

func (r *reading) deployments(ctx context.Context) error {
	strip := func(d *appsv1.Deployment) *appsv1.Deployment {
		if projection.IsManagerDeployment(d) && (r.cluster.Namespace == "" || r.cluster.Namespace == d.Namespace) {
			r.cluster.Manager, r.cluster.Namespace = projection.StripManagerDeployment(d), d.Namespace
			return r.cluster.Manager
		}
		return projection.StripDeployment(d)
	}
	found, err := collect(ctx, r.client, &appsv1.DeploymentList{},
		func(l *appsv1.DeploymentList) []appsv1.Deployment { return l.Items }, strip)
	r.cluster.Deployments = found
	return r.unknown("Deployments", withoutDeployments, err)
}

func (r *reading) statefulSets(ctx context.Context) error {
	found, err := collect(ctx, r.client, &appsv1.StatefulSetList{},
		func(l *appsv1.StatefulSetList) []appsv1.StatefulSet { return l.Items }, projection.StripStatefulSet)
	r.cluster.StatefulSets = found
	return r.unknown("StatefulSets", withoutStatefulSets, err)
}

func (r *reading) budgets(ctx context.Context) error {
	found, err := collect(ctx, r.client, &policyv1.PodDisruptionBudgetList{},
		func(l *policyv1.PodDisruptionBudgetList) []policyv1.PodDisruptionBudget { return l.Items }, projection.StripBudget)
	r.cluster.Budgets = found
	return r.unknown("PodDisruptionBudgets", withoutBudgets, err)
}

// helperSets reads the DaemonSets of helpers, wherever they are if the namespace of the operator is not known yet.
func (r *reading) helperSets(ctx context.Context) error {
	options := []client.ListOption{client.MatchingLabels{v1alpha1.ComponentLabel: projection.HelperComponent}}
	if r.cluster.Namespace != "" {
		options = append(options, client.InNamespace(r.cluster.Namespace))
	}
	found, err := collect(ctx, r.client, &appsv1.DaemonSetList{},
		func(l *appsv1.DaemonSetList) []appsv1.DaemonSet { return l.Items }, projection.StripHelperSet, options...)
	if r.cluster.Namespace == "" {
		r.cluster.Namespace = DefaultNamespace
		if len(found) > 0 && !slices.ContainsFunc(found, func(set *appsv1.DaemonSet) bool { return set.Namespace == DefaultNamespace }) {
			r.cluster.Namespace = found[0].Namespace
		}
	}
	r.cluster.HelperSets = slices.DeleteFunc(found, func(set *appsv1.DaemonSet) bool { return set.Namespace != r.cluster.Namespace })
	return r.unknown("DaemonSets", withoutHelperSets, err)
}

func (r *reading) pods(ctx context.Context) error {
	found, err := collect(ctx, r.client, &corev1.PodList{}, func(l *corev1.PodList) []corev1.Pod { return l.Items }, podStripper(r.cluster))
	r.cluster.Pods, r.cluster.PodsUnknown = found, err != nil
	return r.unknown("Pods", withoutPods, err)
}

func (r *reading) slots(ctx context.Context) error {
	slots := &corev1.ConfigMap{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.cluster.Namespace, Name: v1alpha1.SlotsName}, slots)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		r.cluster.Slots = stripSlots(slots)
	}
	return r.unknown("ConfigMaps in namespace "+r.cluster.Namespace, "no node is assumed to have been granted a slot that it has not "+
		"used", err)
}

// leases reads the Lease of the leader, and those of maintenances where the manager honors them.
func (r *reading) leases(ctx context.Context) error {
	lease := &coordinationv1.Lease{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.cluster.Namespace, Name: leaderLease}, lease)
	if err == nil {
		r.cluster.Leases = append(r.cluster.Leases, projection.StripLease(lease))
	}
	if !apierrors.IsNotFound(err) {
		const instead = "the manager's node goes in its normal turn, not last"
		if err := r.unknown("Leases in namespace "+r.cluster.Namespace, instead, err); err != nil {
			return err
		}
	}
	for _, namespace := range r.cluster.Settings().LeaseNamespaces {
		found, err := collect(ctx, r.client, &coordinationv1.LeaseList{},
			func(l *coordinationv1.LeaseList) []coordinationv1.Lease { return l.Items }, stripForeignLease, client.InNamespace(namespace))
		r.cluster.Leases = append(r.cluster.Leases, found...)
		if err := r.unknown("Leases in namespace "+namespace, "no other tool is assumed to maintain a node", err); err != nil {
			return err
		}
	}
	return nil
}

func stripForeignLease(lease *coordinationv1.Lease) *coordinationv1.Lease {
	if !projection.IsMaintenance(lease) {
		return nil
	}
	return projection.StripLease(lease)
}

// volumes reads VolumeAttachments, if they matter.
func (r *reading) volumes(ctx context.Context) error {
	nodes := projection.DetachingNodes(r.cluster.Policies, r.cluster.Reboots)
	if nodes.Len() == 0 {
		return nil
	}
	found, err := collect(ctx, r.client, &storagev1.VolumeAttachmentList{},
		func(l *storagev1.VolumeAttachmentList) []storagev1.VolumeAttachment { return l.Items },
		func(a *storagev1.VolumeAttachment) *storagev1.VolumeAttachment {
			if !nodes.Has(a.Spec.NodeName) {
				return nil
			}
			return projection.StripVolumeAttachment(a)
		})
	r.cluster.Volumes = found
	return r.unknown("VolumeAttachments", "no volume is waited for", err)
}

// maintenances reads the objects of other tools. Most clusters do not know the kinds.
func (r *reading) maintenances(ctx context.Context) error {
	for _, kind := range projection.MaintenanceKinds() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		found, err := collect(ctx, r.client, list, func(l *unstructured.UnstructuredList) []unstructured.Unstructured { return l.Items },
			projection.StripMaintenance)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) || runtime.IsNotRegisteredError(err) {
			continue
		}
		r.cluster.Maintenances = append(r.cluster.Maintenances, found...)
		if err := r.unknown(fmt.Sprintf("objects of kind %s (%s)", kind.Kind, kind.GroupVersion()),
			"no such tool is assumed to maintain a node", err); err != nil {
			return err
		}
	}
	return nil
}
