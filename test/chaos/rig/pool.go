package rig

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// PoolLabel is by which policies select nodes.
const PoolLabel = "pool"

const (
	// rebootDuration of hosts, and readyAfter of pods: short, so that many rollouts fit into an hour.
	rebootDuration = 400 * time.Millisecond
	readyAfter     = 300 * time.Millisecond
)

// Node is the options of a node of a pool.
func Node(pool, name, zone string) testbed.NodeOptions {
	return testbed.NodeOptions{Name: name, Zone: zone, RebootDuration: rebootDuration, Labels: map[string]string{PoolLabel: pool}}
}

// AddNodes adds a node to a pool for each zone that is named, and waits until their helpers run.
func (r *Rig) AddNodes(ctx context.Context, pool string, zones ...string) ([]*testbed.Host, error) {
	hosts := make([]*testbed.Host, 0, len(zones))
	for i, zone := range zones {
		host, err := r.AddNode(ctx, Node(pool, fmt.Sprintf("%s-%s%d", pool, zone, i+1), zone))
		if err != nil {
			return hosts, err
		}
		hosts = append(hosts, host)
	}
	return hosts, r.waitForHelpers(ctx, hosts)
}

func (r *Rig) waitForHelpers(ctx context.Context, hosts []*testbed.Host) error {
	names := map[string]bool{}
	for _, host := range hosts {
		names[host.Name()] = true
	}
	return r.Poll(ctx, "helpers are ready", func() (bool, error) {
		var pods corev1.PodList
		if err := r.Client().List(ctx, &pods, client.InNamespace(r.Namespace())); err != nil {
			return false, nil //nolint:nilerr // the API server may be away for a moment
		}
		for i := range pods.Items {
			for _, condition := range pods.Items[i].Status.Conditions {
				if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
					delete(names, pods.Items[i].Spec.NodeName)
				}
			}
		}
		return len(names) == 0, nil
	})
}

const pollInterval = 50 * time.Millisecond

// Poll waits until something is so, for what has no watch.
func (r *Rig) Poll(ctx context.Context, what string, is func() (bool, error)) error {
	for {
		so, err := is()
		if so || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-r.Clock.After(pollInterval):
		}
	}
}

// PolicyOption changes a policy before it is written.
type PolicyOption func(*v1alpha1.RebootPolicySpec)

// MaxUnavailable nodes of the policy.
func MaxUnavailable(n int) PolicyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(n)) }
}

// Mode of the policy.
func Mode(mode v1alpha1.Mode) PolicyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Mode = mode }
}

// AnyOrder of zones.
func AnyOrder() PolicyOption {
	return func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.Strategy = v1alpha1.ZonesAnyOrder }
}

// Patient bounds what goes wrong permanently, so that nothing halts or is given up.
func Patient(nodes int) PolicyOption {
	return func(s *v1alpha1.RebootPolicySpec) {
		s.Failure.MaxFailures = ptr.To(intstr.FromInt(nodes + 1))
		s.Failure.MaxConsecutiveFailures = ptr.To(intstr.FromInt(0))
		s.Failure.MaxAttempts = ptr.To[int32](20)
	}
}

// Policy is one for a pool, with short times.
func Policy(name, pool string, options ...PolicyOption) *v1alpha1.RebootPolicy {
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	spec := &policy.Spec
	spec.NodeSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{PoolLabel: v1alpha1.LabelValue(pool)}}
	spec.Rollout.MinIntervalSeconds = ptr.To[int32](0)
	spec.Failure.BackoffSeconds = ptr.To[int32](1)
	spec.Drain.TimeoutSeconds = ptr.To[int32](30)
	spec.Reboot.TimeoutSeconds = ptr.To[int32](10)
	for _, option := range options {
		option(spec)
	}
	return policy
}

// ChangePolicy changes a policy's spec.
func (r *Rig) ChangePolicy(ctx context.Context, name string, options ...PolicyOption) error {
	var policy v1alpha1.RebootPolicy
	if err := r.Client().Get(ctx, client.ObjectKey{Name: name}, &policy); err != nil {
		return fmt.Errorf("read policy %s: %w", name, err)
	}
	before := policy.DeepCopy()
	for _, option := range options {
		option(&policy.Spec)
	}
	if err := r.Client().Patch(ctx, &policy, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("change policy %s: %w", name, err)
	}
	return nil
}

// App is an application with a pod on each of some nodes, all but one of which have to be available.
func App(namespace string, replicas int) testbed.App {
	return testbed.App{
		Name: "web", Namespace: namespace, Replicas: int32(replicas), AntiAffinity: true, ReadyAfter: readyAfter,
		MaxUnavailable: ptr.To(1),
	}
}

// Clean deletes everything of a trial: policies, nodes, NodeReboots and applications. A manager has to run.
func (r *Rig) Clean(ctx context.Context, hosts []*testbed.Host, namespaces ...string) error {
	if err := r.Client().DeleteAllOf(ctx, &v1alpha1.RebootPolicy{}); err != nil {
		return fmt.Errorf("delete policies: %w", err)
	}
	for _, host := range hosts {
		if err := host.Delete(ctx); err != nil {
			return err
		}
	}
	for _, namespace := range namespaces {
		err := r.Client().Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete namespace %s: %w", namespace, err)
		}
	}
	return r.ForgetReboots(ctx)
}

// ForgetReboots deletes all NodeReboots, and waits until they are gone.
func (r *Rig) ForgetReboots(ctx context.Context) error {
	if err := r.Client().DeleteAllOf(ctx, &v1alpha1.NodeReboot{}); err != nil {
		return fmt.Errorf("delete NodeReboots: %w", err)
	}
	return r.Poll(ctx, "NodeReboots are gone", func() (bool, error) {
		var list v1alpha1.NodeRebootList
		err := r.Client().List(ctx, &list)
		return err == nil && len(list.Items) == 0, nil
	})
}
