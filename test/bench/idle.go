package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	idleNodes = 1000
	idleTime  = 60 * time.Second
	// quietTime is how long nothing is asked for when the start of a thousand helpers is over; it is waited for up to quietLimit.
	quietTime, quietLimit = 10 * time.Second, 2 * time.Minute
)

// idle watches a cluster in which nothing has to be done.
func idle(nodes int, watched time.Duration) func(context.Context, Say) (Measured, error) {
	return func(ctx context.Context, say Say) (m Measured, err error) {
		f, err := scenario{nodes: testbed.Fleet(nodes, 3, 0), slots: 1}.start(ctx, say)
		defer func() { err = errors.Join(err, f.stop()) }()
		if err != nil {
			return Measured{}, err
		}
		say("waiting until what follows the start of the helpers is over")
		if err := f.quiet(ctx); err != nil {
			return Measured{}, err
		}
		say("watching %d idle nodes for %s", nodes, watched)
		sampler, began := f.sample(), time.Now()
		defer sampler.stop()
		if err := pause(ctx, watched); err != nil {
			return Measured{}, err
		}
		used := sampler.stop()
		requests, err := f.cluster.Requests()
		if err != nil {
			return Measured{}, err
		}
		requests = slices.DeleteFunc(requests, func(r testbed.Request) bool { return r.At.Before(began) })
		return idleFigures(nodes, watched, requests, used), nil
	}
}

// quiet waits until nothing was asked for a while, or for long enough.
func (f *fleet) quiet(ctx context.Context) error {
	for limit := time.Now().Add(quietLimit); time.Now().Before(limit); {
		began := time.Now()
		if err := pause(ctx, quietTime); err != nil {
			return err
		}
		requests, err := f.cluster.Requests()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(requests, func(r testbed.Request) bool { return r.At.After(began) && r.Resource != "leases" }) {
			return nil
		}
	}
	return nil
}

func idleFigures(nodes int, watched time.Duration, requests []testbed.Request, used usageOfManagers) Measured {
	var all, writes float64
	for key, count := range tally(requests) {
		all += count
		if isWrite(key.verb) {
			writes += count
		}
	}
	title := fmt.Sprintf("Requests in %s of %d idle nodes, leases left out", watched, nodes)
	return Measured{Details: []Detail{requestTable(title, "requests", requests, 1)}, Figures: []Figure{
		count(fmt.Sprintf("idle writes in %s, %d nodes", watched, nodes), writes).goal(0),
		count(fmt.Sprintf("idle requests in %s, %d nodes", watched, nodes), all),
		count("passes", used.passes),
		processor("manager, of one processor", 100*used.cpu/watched.Seconds(), "%"),
		memory(fmt.Sprintf("manager, %d nodes, idle", nodes), used.memory).goal(150),
	}}
}
