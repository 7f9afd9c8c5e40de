package bench

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// scenario is a fleet and what is asked of it.
type scenario struct {
	nodes []testbed.NodeOptions
	apps  []testbed.App
	// slots is maxUnavailable of the policy.
	slots int
	// zones is the strategy, ZonesOneAtATime by default.
	zones v1alpha1.ZoneStrategy
	// taint is the effect, PreferNoSchedule by default.
	taint v1alpha1.TaintEffect
	// kubelet makes the first probes of pods as late as those of a kubelet.
	kubelet bool
	// blocking pods are made while the rollout lasts; nil makes none.
	blocking *blocking
	// managers is how many run, as pods on the nodes; 0 runs one as a process that no reboot ends.
	managers int
	// limit is how long the rollout may take.
	limit time.Duration
}

// readiness of applications, and how long their pods take to end.
const (
	appReady = 3 * time.Second
	appEnds  = time.Second
	// podsPerNode is how many pods of applications there are for each node.
	podsPerNode = 3
	appReplicas = 6
)

// rollout has nodes that are spread evenly over three zones, with three pods on each, of applications with six replicas. Of six
// applications one may have one replica unavailable and never has two on a node, two may have two unavailable, and three have no budget.
func rollout(nodes, slots int, reboot time.Duration, zones v1alpha1.ZoneStrategy) scenario {
	s := scenario{slots: slots, zones: zones, managers: 2, limit: 20 * time.Minute}
	s.nodes = testbed.Fleet(nodes, 3, 0)
	for i := range s.nodes {
		s.nodes[i].RebootDuration = reboot
	}
	for i := range nodes * podsPerNode / appReplicas {
		app := testbed.App{
			Name: fmt.Sprintf("app-%03d", i), Namespace: "apps", Replicas: appReplicas, SpreadZones: true,
			ReadyAfter: appReady, TerminateAfter: appEnds,
		}
		switch i % 6 {
		case 0:
			app.AntiAffinity, app.MaxUnavailable = true, ptr.To(1)
		case 2, 4:
			app.MaxUnavailable = ptr.To(2)
		}
		s.apps = append(s.apps, app)
	}
	return s
}

// aks is the story of four nodes in three zones, and of an application with a replica on each that takes minutes to be ready: a replica
// that is evicted has nowhere to go but back.
func aks() scenario {
	const ready = 24 * time.Second
	s := scenario{slots: 1, managers: 2, limit: 10 * time.Minute}
	for i, zone := range []string{"a", "a", "b", "c"} {
		s.nodes = append(s.nodes, testbed.NodeOptions{Name: fmt.Sprintf("aks-%s%d", zone, i+1), Zone: zone, RebootDuration: 2 * time.Second})
	}
	s.apps = []testbed.App{{
		Name: "checkout", Namespace: "apps", Replicas: 4, AntiAffinity: true, ReadyAfter: ready, TerminateAfter: 2 * time.Second,
	}}
	return s
}

const policyName = "bench"

func (s scenario) policy() *v1alpha1.RebootPolicy {
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: policyName}}
	policy.Spec.Nodes = v1alpha1.NodesAll
	policy.Spec.Taint.Effect = s.taint
	policy.Spec.Rollout.MaxUnavailable = ptr.To(intstr.FromInt(s.slots))
	policy.Spec.Rollout.MinIntervalSeconds = ptr.To[int32](0)
	policy.Spec.Rollout.Zones.Strategy = s.zones
	return policy
}

// fleet is a scenario on a running control plane.
type fleet struct {
	scenario
	cluster *testbed.Cluster
	hosts   []*testbed.Host
	// manager is the manager that no reboot ends; nil if managers are pods.
	manager *testbed.Manager
}

// startLimit is how long the start of a fleet may take.
const startLimit = 10 * time.Minute

// start starts nodes, operator and applications, and creates the policy. Call stop in every case.
func (s scenario) start(ctx context.Context, say Say) (*fleet, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	say("starting a control plane and %d nodes", len(s.nodes))
	cluster, err := testbed.Start(ctx, s.options())
	if err != nil {
		return nil, err
	}
	f := &fleet{scenario: s, cluster: cluster}
	if err := f.build(ctx); err != nil {
		return f, err
	}
	return f, nil
}

func (f *fleet) stop() error {
	if f == nil {
		return nil
	}
	return f.cluster.Stop()
}

func (f *fleet) build(ctx context.Context) error {
	for _, options := range f.nodes {
		host, err := f.cluster.AddNode(ctx, options)
		if err != nil {
			return err
		}
		f.hosts = append(f.hosts, host)
	}
	if err := f.install(ctx); err != nil {
		return err
	}
	if err := f.helpersReady(ctx); err != nil {
		return err
	}
	for _, app := range f.apps {
		if err := f.cluster.CreateApp(ctx, app); err != nil {
			return err
		}
	}
	for _, app := range f.apps {
		if err := f.cluster.WaitReady(ctx, app); err != nil {
			return err
		}
	}
	if err := f.cluster.Client().Create(ctx, f.policy()); err != nil {
		return fmt.Errorf("create the policy: %w", err)
	}
	return f.policyReady(ctx)
}

func (f *fleet) install(ctx context.Context) error {
	if f.managers == 0 {
		if err := f.cluster.Install(ctx); err != nil {
			return err
		}
		var err error
		f.manager, err = f.cluster.StartManager(ctx, testbed.ManagerOptions{})
		return err
	}
	if err := f.cluster.InstallWithManagers(ctx); err != nil {
		return err
	}
	return f.cluster.WaitReady(ctx, testbed.App{
		Name: "reboot-operator-manager", Namespace: f.cluster.Namespace(), Replicas: int32(f.managers),
	})
}

// helpersReady waits until there is a helper on every node.
func (f *fleet) helpersReady(ctx context.Context) error {
	return untilHolds(ctx, f.cluster, &appsv1.DaemonSetList{}, "the helpers of all nodes", func(set *appsv1.DaemonSet) bool {
		return set.Namespace == f.cluster.Namespace() && int(set.Status.NumberReady) == len(f.nodes)
	})
}

// policyReady waits until the manager has seen the policy with all of its nodes.
func (f *fleet) policyReady(ctx context.Context) error {
	return untilHolds(ctx, f.cluster, &v1alpha1.RebootPolicyList{}, "the policy of all nodes", func(policy *v1alpha1.RebootPolicy) bool {
		return int(policy.Status.Nodes) == len(f.nodes)
	})
}
