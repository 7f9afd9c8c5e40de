package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/reboot-operator/reboot-operator/controllers/forecast"
	"github.com/reboot-operator/reboot-operator/internal/plugin/objects"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// expectation is a forecast that was made while the rollout was under way.
type expectation struct {
	// made is when, and proved how many nodes were proved by then.
	made   time.Time
	proved int
	finish forecast.Times
}

// expect makes a forecast of what the plugin sees now.
func (d *demo) expect(ctx context.Context, recording testbed.Recording) (*expectation, error) {
	e := &expectation{made: time.Now(), proved: proved(recording)}
	cluster, err := objects.Read(ctx, d.cluster.Client(), d.cluster.Namespace(), e.made)
	if err != nil {
		return nil, err
	}
	made := forecast.Compute(forecast.Input{Snapshot: cluster.Snapshot(e.made), Now: e.made})
	if policy := made.Policy(d.fleet.policy.Name); policy != nil {
		e.finish = policy.Finish
	}
	return e, nil
}

// proved counts the NodeReboots that succeeded.
func proved(recording testbed.Recording) int {
	done := map[string]bool{}
	for _, reboot := range recording.Reboots {
		done[reboot.Name] = reboot.Status.CompletionTime != nil
	}
	count := 0
	for _, is := range done {
		if is {
			count++
		}
	}
	return count
}

// someComplete says that a third of the nodes are done: enough to measure how long a node takes.
func (d *demo) someComplete(recording testbed.Recording) bool {
	return 3*proved(recording) >= len(d.fleet.hosts)
}

// compare says what came of the forecast. End is when the last node was proved.
func (e *expectation) compare(end time.Time, nodes int) string {
	if e == nil || !e.finish.Known() {
		return "none was made"
	}
	expected, took := e.finish.Median().Sub(e.made), end.Sub(e.made)
	off := 100 * (took.Seconds() - expected.Seconds()) / max(took.Seconds(), 1)
	return fmt.Sprintf("%s to go when %d of %d nodes were proved (P90 %s); it took %s (%+.0f %%)",
		round(expected), e.proved, nodes, round(e.finish.Late().Sub(e.made)), round(took), off)
}
