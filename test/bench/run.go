package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/bench/ideal"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// settleTime is left, after a rollout, to writes that finish what was under way.
const settleTime = 3 * time.Second

// outcome is what was seen of a rollout.
type outcome struct {
	scenario scenario
	// began is when all nodes asked for a reboot, and ended when the last was done.
	began, ended time.Time
	recording    testbed.Recording
	summary      testbed.Summary
	// initial pods of applications, by node, at the begin.
	initial map[string][]testbed.PodRecord
	// requests of the operator from began until ended and settled.
	requests []testbed.Request
	programs usageOfManagers
	landed   landed
}

// run starts the fleet, lets every node ask for a reboot at once, and records everything until the last one is done.
func (s scenario) run(ctx context.Context, say Say) (result *outcome, err error) {
	f, err := s.start(ctx, say)
	defer func() { err = errors.Join(err, f.stop()) }()
	if err != nil {
		return nil, err
	}
	return f.roll(ctx, say)
}

func (f *fleet) roll(ctx context.Context, say Say) (*outcome, error) {
	observer, err := f.cluster.Observe(ctx)
	if err != nil {
		return nil, err
	}
	defer observer.Stop()
	sampler := f.sample()
	defer sampler.stop()
	blocking, err := f.block(ctx)
	if err != nil {
		return nil, err
	}
	defer blocking.stop()
	o := &outcome{scenario: f.scenario, initial: ideal.Initial(observer.Recording().Pods), began: time.Now()}
	say("every node asks for a reboot")
	for _, host := range f.hosts {
		host.RequireReboot()
	}
	limited, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	if err := f.allComplete(limited, say); err != nil {
		return nil, err
	}
	o.ended = time.Now()
	blocking.stop()
	if err := pause(ctx, settleTime); err != nil {
		return nil, err
	}
	o.landed = blocking.result()
	o.programs = sampler.stop()
	o.recording = observer.Recording()
	o.summary = testbed.Summarize(o.recording)
	requests, err := f.cluster.Requests()
	o.requests = slices.DeleteFunc(requests, func(r testbed.Request) bool { return r.At.Before(o.began) })
	return o, errors.Join(err, o.proved())
}

// allComplete waits until every node was rebooted.
func (f *fleet) allComplete(ctx context.Context, say Say) error {
	complete := map[string]bool{}
	shown := time.Now()
	return follow(ctx, f.cluster, &v1alpha1.NodeRebootList{}, "the reboots of all nodes", func(reboot *v1alpha1.NodeReboot, _ bool) bool {
		if reboot.Status.CompletionTime != nil {
			complete[reboot.Spec.NodeName] = true
		}
		if time.Since(shown) > 15*time.Second {
			shown = time.Now()
			say("%d of %d nodes are done", len(complete), len(f.hosts))
		}
		return len(complete) == len(f.hosts)
	})
}

// proved is an error if a node was not rebooted as it should be: then nothing is worth measuring.
func (o *outcome) proved() error {
	for _, reboot := range o.summary.Reboots {
		if reboot.Reason != v1alpha1.ReasonProved {
			return fmt.Errorf("the reboot of %s ended as %s %s: %s", reboot.Node, reboot.Phase, reboot.Reason, reboot.Message)
		}
	}
	if peak := o.summary.DownByPolicy[policyName]; peak.Count > o.scenario.slots {
		return fmt.Errorf("%d nodes were down at once, and %d may be", peak.Count, o.scenario.slots)
	}
	return nil
}

// pause lets time pass in which nothing should happen.
func pause(ctx context.Context, idle time.Duration) error {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
