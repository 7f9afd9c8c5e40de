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
	// settleIdle is left to what follows the start of a thousand helpers.
	settleIdle = 15 * time.Second
)

// idle watches a cluster in which nothing has to be done.
func idle(nodes int, watched time.Duration) func(context.Context, Say) (Measured, error) {
	return func(ctx context.Context, say Say) (m Measured, err error) {
		f, err := scenario{nodes: testbed.Fleet(nodes, 3, 0), slots: 1}.start(ctx, say)
		defer func() { err = errors.Join(err, f.stop()) }()
		if err != nil {
			return Measured{}, err
		}
		say("watching %d idle nodes for %s", nodes, watched)
		if err := pause(ctx, settleIdle); err != nil {
			return Measured{}, err
		}
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
