// Package chaos breaks things around whole rollouts, and has an outsider judge what comes of it.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
	"github.com/reboot-operator/reboot-operator/test/chaos/rig"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// fault is something that goes wrong around rollouts.
type fault struct {
	name string
	// slice is how many seeds `go test` tries, and seeds how many `make chaos` does.
	slice, seeds int
	run          func(*run)
}

// faults are all that is tried, in the order in which it is.
var faults = []fault{
	{name: "manager-killed-at-each-write", slice: 1, seeds: 1, run: managerKilledAtEachWrite},
	{name: "managers-without-election", slice: 1, seeds: 5, run: managersWithoutElection},
	{name: "grant-overtaken", slice: 1, seeds: 1, run: grantOvertaken},
	{name: "leader-stopped", slice: 0, seeds: 2, run: leaderStopped},
	{name: "api-server-stopped", slice: 0, seeds: 2, run: apiServerPaused},
	{name: "api-server-killed", slice: 1, seeds: 2, run: apiServerKilled},
	{name: "api-server-errors", slice: 0, seeds: 4, run: apiServerErrors},
	{name: "watches-closed", slice: 0, seeds: 2, run: watchesClosed},
	{name: "stale-lists", slice: 1, seeds: 4, run: staleLists},
	{name: "helper-killed-at-each-step", slice: 0, seeds: 1, run: helperKilledAtEachStep},
	{name: "rebooter-killed-at-each-step", slice: 0, seeds: 1, run: rebooterKilledAtEachStep},
	{name: "clocks-off", slice: 1, seeds: 2, run: clocksOff},
	{name: "hosts-not-back", slice: 0, seeds: 2, run: hostsNotBack},
	{name: "nodes-come-and-go", slice: 1, seeds: 4, run: nodesComeAndGo},
	{name: "writes-refused", slice: 1, seeds: 1, run: writesRefused},
	{name: "policies-edited", slice: 0, seeds: 3, run: policiesEdited},
	{name: "hostile-content", slice: 1, seeds: 4, run: hostileContent},
}

// result is a line of the table.
type result struct {
	fault      string
	seeds      int
	runs       int
	violations int
	took       time.Duration
	note       string
}

// settleLimit is how long a rollout may take, with everything that goes wrong.
const settleLimit = 4 * time.Minute

func TestEveryPromiseHoldsWhateverGoesWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	log.SetLogger(logr.Discard())
	full := os.Getenv("CHAOS") == "full"
	only, seed := os.Getenv("FAULT"), uint64(1)
	oneSeed := os.Getenv("SEED") != ""
	if oneSeed {
		var err error
		if seed, err = strconv.ParseUint(os.Getenv("SEED"), 10, 64); err != nil {
			t.Fatalf("SEED is a number, such as 1: %v", err)
		}
	}
	chosen := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return only != "" && f.name != only })
	if len(chosen) == 0 {
		t.Fatalf("FAULT=%s is none of: %s", only, names())
	}
	bench := &bench{full: full}
	defer bench.stop(t)
	var results []result
	for _, fault := range chosen {
		seeds := fault.slice
		if full {
			seeds = fault.seeds
		}
		if oneSeed || only != "" {
			seeds = max(seeds, 1)
		}
		if oneSeed {
			seeds = 1
		}
		if seeds == 0 {
			continue
		}
		t.Run(fault.name, func(t *testing.T) { results = append(results, bench.try(t, fault, seed, seeds)) })
	}
	t.Log("\n" + table(results))
}

func names() string {
	var all []string
	for _, fault := range faults {
		all = append(all, fault.name)
	}
	return strings.Join(all, ", ")
}

// table has a line for each fault.
func table(results []result) string {
	var text strings.Builder
	writer := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	total := result{fault: "all"}
	_, _ = fmt.Fprintln(writer, "fault\tseeds\truns\tviolations\ttook\t")
	for _, r := range results {
		_, _ = fmt.Fprintf(writer, "%s\t%d\t%d\t%d\t%s\t%s\n", r.fault, r.seeds, r.runs, r.violations, r.took.Round(time.Second), r.note)
		total.seeds, total.runs = total.seeds+r.seeds, total.runs+r.runs
		total.violations, total.took = total.violations+r.violations, total.took+r.took
	}
	_, _ = fmt.Fprintf(writer, "%s\t%d\t%d\t%d\t%s\t\n", total.fault, total.seeds, total.runs, total.violations,
		total.took.Round(time.Second))
	_ = writer.Flush() // into memory
	return text.String()
}

// bench has the cluster that all runs share. One that a run has left in disorder is thrown away.
type bench struct {
	full bool
	rig  *rig.Rig
	made int
}

func (b *bench) stop(t *testing.T) {
	if b.rig == nil {
		return
	}
	if err := b.rig.Stop(); err != nil {
		t.Error(err)
	}
	b.rig = nil
}

func (b *bench) try(t *testing.T, fault fault, first uint64, seeds int) result {
	began := time.Now()
	total := result{fault: fault.name, seeds: seeds}
	for seed := first; seed < first+uint64(seeds); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := b.newRun(t, fault.name, seed)
			defer func() {
				total.runs += r.runs
				total.violations += r.violations
				total.note = r.note
			}()
			fault.run(r)
		})
	}
	total.took = time.Since(began)
	return total
}

// run is one fault with one seed: one rollout, or many.
type run struct {
	*rig.Rig
	*testing.T
	bench *bench
	ctx   context.Context
	rand  *rand.Rand
	full  bool
	pool  string
	again string // the command that repeats it

	hosts            []*testbed.Host
	managers         []*rig.Manager
	runs, violations int
	note             string
}

func (b *bench) newRun(t *testing.T, name string, seed uint64) *run {
	t.Helper()
	ctx := t.Context()
	if b.rig == nil {
		started, err := rig.Start(ctx, logr.FromSlogHandler(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		b.rig = started
	}
	hash := fnv.New64()
	_, _ = hash.Write([]byte(name)) // never fails
	b.made++
	r := &run{
		Rig: b.rig, T: t, bench: b, ctx: ctx, rand: rand.New(rand.NewPCG(seed, hash.Sum64())), full: b.full,
		pool: fmt.Sprintf("p%d", b.made), again: fmt.Sprintf("make chaos FAULT=%s SEED=%d", name, seed),
	}
	t.Cleanup(r.clean)
	return r
}

// clean leaves the cluster as it was, or throws it away.
func (r *run) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r.SetHelperHook(nil)
	for _, manager := range r.managers {
		manager.Wire().SetHook(nil)
	}
	var err error
	if len(r.managers) == 0 {
		err = errors.New("no manager was started")
	} else {
		err = r.Clean(ctx, r.hosts, r.pool)
	}
	for _, manager := range r.managers {
		err = errors.Join(err, manager.Stop())
	}
	if err != nil {
		r.Logf("the cluster is thrown away: %v", err)
		r.bench.stop(r.T)
	}
}

func (r *run) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// nodes adds nodes, one for each zone that is named.
func (r *run) nodes(zones ...string) {
	r.Helper()
	hosts, err := r.AddNodes(r.ctx, r.pool, zones...)
	r.hosts = append(r.hosts, hosts...)
	r.must(err)
}

// app has a pod on each node.
func (r *run) app(replicas int) {
	r.Helper()
	app := rig.App(r.pool, replicas)
	r.must(r.CreateApp(r.ctx, app))
	r.must(r.WaitReady(r.ctx, app))
}

// policy makes one for the pool.
func (r *run) policy(options ...rig.PolicyOption) {
	r.Helper()
	options = append([]rig.PolicyOption{rig.Patient(20)}, options...)
	r.must(r.Client().Create(r.ctx, rig.Policy(r.pool, r.pool, options...)))
}

// alone is a manager that waits for no lease.
func (r *run) alone() *rig.Manager { return r.manager("--leader-elect=false") }

func (r *run) manager(args ...string) *rig.Manager {
	r.Helper()
	manager, err := r.StartManager(r.ctx, args...)
	r.must(err)
	r.managers = append(r.managers, manager)
	return manager
}

// rollout has every host ask for a reboot, and judges what comes of it. What goes wrong in the meantime is up to during, which ends when it
// has done its worst; nil is nothing more.
func (r *run) rollout(what string, rules judge.Rules, during func(*rig.Trial)) {
	r.Helper()
	r.judged(what, rules, func(trial *rig.Trial) {
		for _, host := range r.hosts {
			host.RequireReboot()
		}
		if during != nil {
			during(trial)
		}
	})
}

// judged judges what comes of what is done.
func (r *run) judged(what string, rules judge.Rules, do func(*rig.Trial)) {
	r.Helper()
	trial, err := r.Begin(r.ctx, rules, r.hosts...)
	r.must(err)
	do(trial)
	ctx, cancel := context.WithTimeout(r.ctx, settleLimit)
	err = trial.Settle(ctx)
	cancel()
	err = errors.Join(err, trial.Stop())
	violations := trial.Verdict()
	if err != nil {
		r.violations++
	}
	r.runs++
	r.violations += len(violations)
	if err == nil && len(violations) == 0 {
		return
	}
	r.Errorf("%s; %s\n%s\n%v", what, r.again, rig.Lines(violations), err)
	for _, manager := range r.managers {
		if current := manager.Current(); current != nil {
			r.Logf("manager: %s", tail(current.LogPath()))
		}
	}
	r.FailNow() // what is left over disturbs whatever comes next
}

func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-4000):])
}

// grace is how long ago something must have changed for a manager to know it, on a busy machine.
const grace = 5 * time.Second

var enforced = rig.Mode(v1alpha1.ModeEnforce)

// pause lets things happen.
func (r *run) pause(d time.Duration) {
	select {
	case <-r.after(d):
	case <-r.ctx.Done():
	}
}

func (r *run) after(d time.Duration) <-chan time.Time { return r.Clock.After(d) }

// check is must for what does not run in the test's own goroutine.
func (r *run) check(err error) {
	r.Helper()
	if err != nil {
		r.Error(err)
	}
}

// scaled is less of something in the slice that `go test` runs.
func (r *run) scaled(slice, full int) int {
	if r.full {
		return full
	}
	return slice
}
