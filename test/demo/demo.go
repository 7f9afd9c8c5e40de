// Package demo takes a fleet of simulated nodes through a rollout on a real control plane, shows it, and judges it by the promises that
// the operator makes.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	// settleTime is left, after the rollout, to writes that finish what was under way, such as the counts of a policy; settleSteps of them
	// may follow each other.
	settleTime  = plan.LastDelay + 3*time.Second
	settleSteps = 10
	// idleTime is how long the cluster is watched after that, to see that nothing more is written.
	idleTime = 5 * time.Second
)

// Options of a run.
type Options struct {
	// Nodes, Zones and ControlPlane say how large the fleet is. ControlPlane nodes come on top.
	Nodes, Zones, ControlPlane int
	// RebootSeconds is how long a host is down.
	RebootSeconds int
	// PolicyFile holds the policy to apply; empty is the demo's own.
	PolicyFile string
	// Timeout bounds the rollout.
	Timeout time.Duration
	// Out takes what is shown. Live shows the plugin's live view there, which has to be a terminal; otherwise every change is a line.
	Out  io.Writer
	Live bool
	// Log takes what the testbed does.
	Log logr.Logger
}

func (o Options) validate() error {
	switch {
	case o.Zones < 1 || o.Zones > 26:
		return fmt.Errorf("%d zones: there may be 1 to 26", o.Zones)
	case o.Nodes < max(o.Zones, 5):
		return fmt.Errorf("%d nodes: there must be one in each zone, and at least 5", o.Nodes)
	case o.ControlPlane < 0:
		return fmt.Errorf("%d control-plane nodes", o.ControlPlane)
	case o.RebootSeconds < 1:
		return fmt.Errorf("a reboot of %d seconds: it takes at least 1", o.RebootSeconds)
	}
	return nil
}

type demo struct {
	options Options
	view    *view
	cluster *testbed.Cluster
	fleet   fleet
	// enforced is when the policy was let go.
	enforced time.Time
	// ended is when all nodes were seen to be done.
	ended time.Time
	// expected is what the forecast said on the way.
	expected *expectation
	// lag is how slow the cluster is.
	lag *testbed.Lag
}

// Run builds the fleet, carries out the rollout and prints the summary. It returns the promises that were broken.
func Run(ctx context.Context, options Options) (broken []string, err error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	policy, err := readPolicy(options.PolicyFile)
	if err != nil {
		return nil, err
	}
	d := &demo{options: options, view: newView(options), fleet: fleet{policy: policy}}
	if err := buildControlPlane(ctx, options.Out); err != nil {
		return nil, err
	}
	d.view.say("Starting a control plane, %d nodes in %d zones and %d control-plane nodes ...",
		options.Nodes, options.Zones, options.ControlPlane)
	d.cluster, err = testbed.Start(ctx, testbed.Options{Log: options.Log})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.cluster.Stop()) }()
	if err := d.cluster.Install(ctx); err != nil {
		return nil, err
	}
	if _, err := d.cluster.StartManager(ctx, testbed.ManagerOptions{}); err != nil {
		return nil, err
	}
	if err := d.build(ctx); err != nil {
		return nil, err
	}
	return d.rollOut(ctx)
}

// rollOut lets every node ask for a reboot while the policy is paused, then lets the policy go.
func (d *demo) rollOut(ctx context.Context) ([]string, error) {
	observer, err := d.cluster.Observe(ctx)
	if err != nil {
		return nil, err
	}
	defer observer.Stop()
	if d.lag, err = d.cluster.MeasureLag(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	if d.options.Live {
		d.offerDashboard()
		d.view.screen = showScreen(ctx, cancel, d.options, d.cluster.Client())
		defer func() { _ = d.view.screen.stop() }()
	}

	if err := d.begin(ctx, observer); err != nil {
		return nil, err
	}
	followErr := d.carryOn(ctx, observer)
	end := time.Now()
	d.ended = end
	settled := end.Add(d.lag.On(settleTime, settleSteps))
	if followErr == nil {
		idle := settled.Add(idleTime).Sub(end).Round(time.Second)
		d.view.say("All nodes are done. The cluster is watched for %s, to see that nothing more is written ...", idle)
		wait(ctx, idle)
	}
	if err := errors.Join(d.view.screen.stop(), d.lag.Stop()); err != nil {
		return nil, errors.Join(followErr, err)
	}
	result, err := d.result(context.WithoutCancel(ctx), observer.Recording(), settled)
	if err != nil {
		return nil, errors.Join(followErr, err)
	}
	result.print(d.options.Out)
	return result.broken(), followErr
}

// begin lets every node ask for a reboot, waits until all are tainted, and lets the policy go.
func (d *demo) begin(ctx context.Context, observer *testbed.Observer) error {
	d.view.start = time.Now()
	d.view.say("The policy is paused. Every node now says that it needs a reboot; each is tainted at once nevertheless.")
	for _, host := range d.fleet.hosts {
		host.RequireReboot()
	}
	if err := d.follow(ctx, observer, d.allTainted); err != nil {
		return err
	}
	d.view.say("The policy's mode is set to Enforce.")
	d.enforced = time.Now()
	return d.enforce(ctx)
}

// carryOn follows the rollout to its end, and makes a forecast on the way.
func (d *demo) carryOn(ctx context.Context, observer *testbed.Observer) error {
	if err := d.follow(ctx, observer, d.someComplete); err != nil {
		return err
	}
	var err error
	if d.expected, err = d.expect(ctx, observer.Recording()); err != nil {
		return err
	}
	return d.follow(ctx, observer, d.allComplete)
}

// wait lets time pass in which nothing should happen.
func wait(ctx context.Context, idle time.Duration) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow shows what happens until done.
func (d *demo) follow(ctx context.Context, observer *testbed.Observer, done func(testbed.Recording) bool) error {
	for {
		recording := observer.Recording()
		d.view.show(recording)
		if done(recording) {
			return nil
		}
		select {
		case <-observer.Changes():
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return errors.New("the rollout was interrupted")
			}
			return fmt.Errorf("the rollout was not finished in %s", d.options.Timeout)
		}
	}
}

func (d *demo) allTainted(recording testbed.Recording) bool {
	tainted := map[string]bool{}
	for _, node := range recording.Nodes {
		tainted[node.Name] = node.Tainted
	}
	waiting := map[string]bool{}
	for _, reboot := range recording.Reboots {
		waiting[reboot.Node] = reboot.Status.Phase == v1alpha1.PhasePending
	}
	for _, host := range d.fleet.hosts {
		if !tainted[host.Name()] || !waiting[host.Name()] {
			return false
		}
	}
	return true
}

func (d *demo) allComplete(recording testbed.Recording) bool {
	complete := map[string]bool{}
	for _, reboot := range recording.Reboots {
		complete[reboot.Node] = reboot.Status.CompletionTime != nil
	}
	for _, host := range d.fleet.hosts {
		if !complete[host.Name()] {
			return false
		}
	}
	return true
}
