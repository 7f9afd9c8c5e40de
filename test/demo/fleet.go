package demo

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

//go:embed policy.yaml
var defaultPolicy []byte

// fleet is what the demo runs on.
type fleet struct {
	policy *v1alpha1.RebootPolicy
	hosts  []*testbed.Host
	apps   []testbed.App
}

// slowApp is the application of the second story: four replicas, never two on a node, each slow to be ready.
const slowApp = "checkout"

func applications() []testbed.App {
	return []testbed.App{
		{
			Name: slowApp, Namespace: "shop", Replicas: 4, AntiAffinity: true,
			ReadyAfter: 8 * time.Second, TerminateAfter: time.Second, MinAvailable: ptr.To(3),
		},
		{
			Name: "web", Namespace: "shop", Replicas: 6, SpreadZones: true,
			ReadyAfter: time.Second, TerminateAfter: time.Second, MaxUnavailable: ptr.To(2),
		},
		{Name: "api", Namespace: "shop", Replicas: 3, SpreadZones: true, ReadyAfter: 2 * time.Second, MaxUnavailable: ptr.To(1)},
		{
			Name: "database", Namespace: "shop", Kind: testbed.StatefulSet, Replicas: 3, AntiAffinity: true, SpreadZones: true,
			ReadyAfter: 3 * time.Second, TerminateAfter: time.Second, MaxUnavailable: ptr.To(1),
		},
	}
}

// readPolicy reads the policy to apply: the demo's own, or the one in a file.
func readPolicy(file string) (*v1alpha1.RebootPolicy, error) {
	content := defaultPolicy
	if file != "" {
		var err error
		if content, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read the policy: %w", err)
		}
	}
	// A RebootPolicy decodes whatever is in it.
	var written struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              v1alpha1.RebootPolicySpec `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(content, &written); err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	policy := &v1alpha1.RebootPolicy{TypeMeta: written.TypeMeta, ObjectMeta: written.ObjectMeta, Spec: written.Spec}
	if policy.Spec.Mode != "" && policy.Spec.Mode != v1alpha1.ModeEnforce {
		return nil, fmt.Errorf("policy %s has mode %s: the demo shows reboots, so write mode: Enforce", policy.Name, policy.Spec.Mode)
	}
	return policy, nil
}

// zoneNames are a, b, c and so on.
func zoneNames(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = string(rune('a' + i))
	}
	return names
}

func (o Options) nodes() []testbed.NodeOptions {
	var all []testbed.NodeOptions
	zones := zoneNames(o.Zones)
	reboot := time.Duration(o.RebootSeconds) * time.Second
	for i := range o.Nodes {
		zone := zones[i*o.Zones/o.Nodes]
		all = append(all, testbed.NodeOptions{Name: fmt.Sprintf("worker-%s%d", zone, i+1), Zone: zone, RebootDuration: reboot})
	}
	for i := range o.ControlPlane {
		zone := zones[i%o.Zones]
		all = append(all, testbed.NodeOptions{
			Name: fmt.Sprintf("control-%s%d", zone, i+1), Zone: zone, ControlPlane: true, RebootDuration: reboot,
		})
	}
	return all
}

// build starts nodes and applications, and applies the policy, paused.
func (d *demo) build(ctx context.Context) error {
	for _, options := range d.options.nodes() {
		host, err := d.cluster.AddNode(ctx, options)
		if err != nil {
			return err
		}
		d.fleet.hosts = append(d.fleet.hosts, host)
	}
	d.fleet.apps = applications()
	for _, app := range d.fleet.apps {
		if err := d.cluster.CreateApp(ctx, app); err != nil {
			return err
		}
	}
	for _, app := range d.fleet.apps {
		if err := d.cluster.WaitReady(ctx, app); err != nil {
			return err
		}
	}
	paused := d.fleet.policy.DeepCopy()
	paused.Spec.Mode = v1alpha1.ModePaused
	if err := d.cluster.Client().Create(ctx, paused); err != nil {
		return fmt.Errorf("apply the policy: %w", err)
	}
	return nil
}

// enforce sets the policy's mode to Enforce.
func (d *demo) enforce(ctx context.Context) error {
	var policy v1alpha1.RebootPolicy
	if err := d.cluster.Client().Get(ctx, client.ObjectKey{Name: d.fleet.policy.Name}, &policy); err != nil {
		return fmt.Errorf("get the policy: %w", err)
	}
	before := policy.DeepCopy()
	policy.Spec.Mode = v1alpha1.ModeEnforce
	if err := d.cluster.Client().Patch(ctx, &policy, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("set the policy's mode: %w", err)
	}
	return nil
}
