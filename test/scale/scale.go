package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

const (
	// slots is how many nodes are under way at once.
	slots = 10
	// lookInterval is how often a number of the manager is read while it is waited for.
	lookInterval = 100 * time.Millisecond
)

// Options say how large the cluster is, and what is measured.
type Options struct {
	Log logr.Logger
	// Nodes and Pods are how many there are. Each node has so many NodeReboots that Succeeded, and so many that Failed.
	Nodes, Pods, Succeeded, Failed int
	// Needs is how many nodes ask for a reboot at once.
	Needs int
	// Watches is how many helpers' watches are opened.
	Watches int
	// Idle is for how long the manager is watched while nothing happens.
	Idle time.Duration
	// Capacity is the policy's gates.capacity.
	Capacity v1alpha1.Requirement
	// Env is the manager's environment, such as GOGC=25.
	Env []string
}

// Usage is what the manager had used at the end of a part of the run.
type Usage struct {
	// RSS is resident memory, Peak the most of it during the part, Heap what Go has allocated, all in bytes.
	RSS, Peak, Heap int64
	// CPU time and passes of the part.
	CPU    time.Duration
	Passes int
}

// Result of a run.
type Result struct {
	Options
	// FirstPass is the time from the start of the manager's process to the end of its first pass.
	FirstPass            time.Duration
	Start, Idle, Rollout Usage
	// IdleWrites and IdleRequests are the manager's in the idle part, without its lease.
	IdleWrites, IdleRequests int
	// Taint are the times from the answer to a need's creation until its node is tainted, NextOrder those from the end of a reboot until the
	// order that takes its slot; both sorted.
	Taint, NextOrder []time.Duration
	// Reboots that were made, and Writes of the manager in the meantime.
	Reboots, Writes int
	// OpenWatch is the API server's CPU time for opening the watch of one helper, Event that for one change of a NodeReboot for each watch.
	OpenWatch, Event time.Duration
}

// run is a run under way.
type run struct {
	options Options
	cluster *testbed.Cluster
	client  client.WithWatch
	manager *testbed.Manager
	result  Result
	// uids of the Nodes.
	uids []string
}

// Run fills a cluster and measures a manager in it.
func Run(ctx context.Context, options Options) (result *Result, err error) {
	cluster, err := testbed.Start(ctx, testbed.Options{Log: options.Log, BareAPI: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	r := &run{
		options: options, cluster: cluster, client: cluster.Client(), result: Result{Options: options}, uids: make([]string, options.Nodes),
	}
	if err := r.install(ctx); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"fill", r.fill}, {"start", r.start}, {"idle", r.idle}, {"rollout", r.rollout}, {"watches", r.watches}} {
		begin := time.Now()
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", step.name, err, r.managerLog())
		}
		options.Log.Info(step.name, "took", time.Since(begin).Round(time.Second).String())
	}
	return &r.result, nil
}

// managerLog is the end of what the manager wrote.
func (r *run) managerLog() string {
	if r.manager == nil {
		return ""
	}
	const size = 4 << 10
	content, err := os.ReadFile(r.manager.LogPath())
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-size):])
}

// install installs the operator without its webhooks, which are not what is measured.
func (r *run) install(ctx context.Context) error {
	if err := r.cluster.Install(ctx); err != nil {
		return err
	}
	return r.client.DeleteAllOf(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{})
}

// start starts the manager and waits for its first pass.
func (r *run) start(ctx context.Context) error {
	if err := r.cluster.BuildManager(ctx); err != nil {
		return err
	}
	begin := time.Now()
	manager, err := r.cluster.StartManager(ctx, testbed.ManagerOptions{Args: []string{"--webhook-bind-address="}, Env: r.options.Env})
	if err != nil {
		return err
	}
	r.manager = manager
	err = wait.PollUntilContextCancel(ctx, lookInterval, true, func(ctx context.Context) (bool, error) {
		passes, err := r.passes(ctx)
		return passes > 0, err
	})
	r.result.FirstPass = time.Since(begin)
	if err != nil {
		return err
	}
	r.result.Start, err = r.usage(ctx, Usage{})
	return err
}

func (r *run) passes(ctx context.Context) (int, error) {
	passes, err := metric(ctx, r.manager.MetricsURL(), "reboot_operator_pass_seconds_count")
	return int(passes), err
}

// used is what the manager has used so far, in all.
func (r *run) used(ctx context.Context) (u Usage, err error) {
	var errs [5]error
	u.RSS, errs[0] = memory(r.manager.PID(), "VmRSS")
	u.Peak, errs[1] = memory(r.manager.PID(), "VmHWM")
	u.CPU, errs[2] = cpu(r.manager.PID())
	u.Passes, errs[3] = r.passes(ctx)
	heap, err := metric(ctx, r.manager.MetricsURL(), "go_memstats_heap_alloc_bytes")
	u.Heap, errs[4] = int64(heap), err
	return u, errors.Join(errs[:]...)
}

// usage is what the manager used since it had used so much, and begins a new part.
func (r *run) usage(ctx context.Context, before Usage) (Usage, error) {
	u, err := r.used(ctx)
	u.CPU, u.Passes = u.CPU-before.CPU, u.Passes-before.Passes
	return u, errors.Join(err, forgetPeak(r.manager.PID()))
}

// idle waits until nothing is left to do, and watches the manager while nothing happens.
func (r *run) idle(ctx context.Context) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	before, err := r.used(ctx)
	if err != nil {
		return err
	}
	requests, writes, err := r.requests()
	if err != nil {
		return err
	}
	if err := sleep(ctx, r.options.Idle); err != nil {
		return err
	}
	if r.result.Idle, err = r.usage(ctx, before); err != nil {
		return err
	}
	r.result.IdleRequests, r.result.IdleWrites, err = r.requests()
	r.result.IdleRequests, r.result.IdleWrites = r.result.IdleRequests-requests, r.result.IdleWrites-writes
	return err
}

// settle waits until the manager has made no pass for three seconds.
func (r *run) settle(ctx context.Context) error {
	last, since := -1, time.Now()
	return wait.PollUntilContextCancel(ctx, lookInterval, true, func(ctx context.Context) (bool, error) {
		passes, err := r.passes(ctx)
		if passes != last {
			last, since = passes, time.Now()
		}
		return time.Since(since) > 3*time.Second, err
	})
}

// requests counts those of the manager, without its lease, and those of them that write.
func (r *run) requests() (all, writes int, err error) {
	requests, err := r.cluster.Requests()
	for _, request := range requests {
		if request.Actor != "reboot-operator-manager" || request.Resource == "leases" || request.Verb == "watch" {
			continue
		}
		all++
		if request.Verb != "get" && request.Verb != "list" {
			writes++
		}
	}
	return all, writes, err
}

func sleep(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}

// Table says what was measured.
func (r *Result) Table() string {
	var b strings.Builder
	row := func(name, format string, values ...any) {
		fmt.Fprintf(&b, "| %-44s | %-44s |\n", name, fmt.Sprintf(format, values...))
	}
	row(fmt.Sprintf("%d nodes, %d pods", r.Nodes, r.Pods), "%d + %d finished NodeReboots", r.Nodes*r.Succeeded, r.Nodes*r.Failed)
	row("first pass after", "%.1f s", r.FirstPass.Seconds())
	for _, part := range []struct {
		name string
		Usage
	}{{"start", r.Start}, {"idle", r.Idle}, {"rollout", r.Rollout}} {
		row(part.name+": RSS (peak), Go heap", "%d (%d) MiB, %d MiB", part.RSS>>20, part.Peak>>20, part.Heap>>20)
		row(part.name+": CPU, passes, CPU per pass", "%.1f s, %d, %d ms", part.CPU.Seconds(), part.Passes,
			part.CPU.Milliseconds()/int64(max(part.Passes, 1)))
	}
	row("idle: writes, requests", "%d, %d in %s", r.IdleWrites, r.IdleRequests, r.Options.Idle)
	row(fmt.Sprintf("need to taint, %d at once: p50, p90, p99", r.Needs), "%s", quantiles(r.Taint))
	row("slot free to next order: p50, p90, p99", "%s", quantiles(r.NextOrder))
	row("reboots, the manager's writes for each", "%d, %.1f", r.Reboots, float64(r.Writes)/float64(max(r.Reboots, 1)))
	row(fmt.Sprintf("API server: open one of %d watches", r.Watches), "%.1f ms of CPU", milliseconds(r.OpenWatch))
	row("API server: one event for each watch", "%.2f µs of CPU", float64(r.Event.Nanoseconds())/1000)
	return b.String()
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantiles(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "not measured"
	}
	at := func(q float64) float64 { return sorted[int(q*float64(len(sorted)-1))].Seconds() }
	return fmt.Sprintf("%.2f, %.2f, %.2f s (n=%d)", at(0.5), at(0.9), at(0.99), len(sorted))
}

// switchOn lets the policy start reboots.
func (r *run) switchOn(ctx context.Context) error {
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
	return r.client.Patch(ctx, policy, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"mode":"Enforce"}}`)))
}
