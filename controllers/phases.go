package controllers

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// parallel runs writes, some at once. Functions that are added must not add others.
type parallel struct{ group errgroup.Group }

func newParallel() *parallel {
	p := &parallel{}
	p.group.SetLimit(parallelWrites)
	return p
}

func (p *parallel) run(write func()) {
	p.group.Go(func() error {
		write()
		return nil
	})
}

// wait returns when all have run. The results of the writes are in their outcome.
func (p *parallel) wait() { _ = p.group.Wait() }

// taints sets and removes taints where nothing else of the Node changes, and returns the work that is left. Nodes whose taint could not be
// written are left to the next plan.
func (w *writing) taints(ctx context.Context) []*plan.NodeWork {
	left := make([]*plan.NodeWork, len(w.plan.Work))
	writes := newParallel()
	for i := range w.plan.Work {
		work := &w.plan.Work[i]
		left[i] = work
		if work.Granted || work.Patch == nil || !work.Patch.TaintsOnly() {
			continue
		}
		writes.run(func() {
			rest := *work
			rest.Patch = nil
			left[i] = &rest
			if w.patch(ctx, w.snapshot.node(work.Node), work, work.Patch) == plan.WriteFailed {
				left[i] = nil
			}
		})
	}
	writes.wait()
	return slices.DeleteFunc(left, func(work *plan.NodeWork) bool { return work == nil })
}

// nodes does the work for nodes, and what belongs to none. What attempts need goes first; what may wait is begun as long as there is time.
func (w *writing) nodes(ctx context.Context, work []*plan.NodeWork, granted bool) {
	began := w.clock.Now()
	writes := newParallel()
	var waiting []*plan.NodeWork
	for _, work := range work {
		switch {
		case work.Granted && granted, !work.Granted && work.Urgent():
			writes.run(func() { w.node(ctx, work) })
		case !work.Granted:
			waiting = append(waiting, work)
		default:
			if need := work.NeedOnly(); need != nil {
				writes.run(func() { w.node(ctx, need) })
			}
		}
	}
	for _, reboot := range w.plan.Creates {
		writes.run(func() { w.create(ctx, reboot) })
	}
	for i := range w.plan.Policies {
		writes.run(func() { w.policy(ctx, &w.plan.Policies[i]) })
	}
	w.begin(ctx, writes, waiting, began)
	for _, name := range w.plan.Prune {
		if reboot := w.snapshot.reboot(name); reboot != nil {
			writes.run(func() { w.prune(ctx, reboot) })
		}
	}
	writes.wait()
}

// begin begins the work that may wait, as long as there is time, from where the last pass left off.
func (w *writing) begin(ctx context.Context, writes *parallel, waiting []*plan.NodeWork, began time.Time) {
	first := slices.IndexFunc(waiting, func(work *plan.NodeWork) bool { return work.Node >= w.left })
	w.left = ""
	for i := range waiting {
		work := waiting[(max(first, 0)+i)%len(waiting)]
		if w.clock.Since(began) > writingTime {
			w.left, w.result.more = work.Node, true
			break
		}
		writes.run(func() { w.node(ctx, work) })
	}
}
