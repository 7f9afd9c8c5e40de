package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/repository"
)

// Slack of what is compared with the baseline, as a share of it.
const (
	// slackCounts: which writes fall together depends on chance.
	slackCounts = 0.15
	// slackAllocations: maps grow by chance.
	slackAllocations, fewAllocations = 0.05, 100
	// slackExponents is absolute.
	slackExponents = 0.05
	// slackRatio: the slice is short, so that fixed times weigh more than in the rows of the table.
	slackRatio = 0.25
)

// Baseline has the values that continuous integration compares with, by name.
type Baseline map[string]float64

// quietName is what only a quiet machine measures.
const quietName = "rollout: makespan / bound"

// guarded is a value of this version, and how much more than the baseline it may be.
type guarded struct {
	name  string
	value float64
	most  func(baseline float64) float64
}

func share(slack float64) func(float64) float64 {
	return func(baseline float64) float64 { return baseline * (1 + slack) }
}

// allocated allows for some more: what the runtime itself allocates in the meantime counts, too.
func allocated(baseline float64) float64 {
	return max(baseline*(1+slackAllocations), baseline+fewAllocations)
}

// counted allows for half of one more: of a small count a share is next to nothing.
func counted(baseline float64) float64 { return max(baseline*(1+slackCounts), baseline+0.5) }

func absolute(slack float64) func(float64) float64 {
	return func(baseline float64) float64 { return baseline + slack }
}

// sliceScenario is a rollout of a minute.
func sliceScenario() scenario {
	s := rollout(12, 2, 3*time.Second, v1alpha1.ZonesOneAtATime)
	s.managers, s.limit = 0, 5*time.Minute
	return s
}

// slice measures what continuous integration compares: nothing of it is a wall-clock time.
func slice(ctx context.Context, say Say) ([]guarded, error) {
	plans, err := slicePlans(ctx, say)
	if err != nil {
		return nil, err
	}
	meter, err := startMeter()
	if err != nil {
		return nil, err
	}
	o, err := sliceScenario().run(ctx, say)
	if err != nil {
		return nil, err
	}
	noise, err := meter.stop()
	if err != nil {
		return nil, err
	}
	figures := o.measured()
	var all []guarded
	for _, name := range []string{"requests per reboot", "writes per reboot, events included", "events per reboot"} {
		if f, found := figures.figure(name); found {
			all = append(all, guarded{"rollout: " + name, f.Value, counted})
		}
	}
	if f, found := figures.figure("makespan / bound"); found && !noise.tooMuch() {
		all = append(all, guarded{quietName, f.Value, share(slackRatio)})
	} else {
		say("the machine is too noisy for ratios: %s", noise.text())
	}
	return append(all, plans...), nil
}

// slicePlans are allocations of plans, and how they grow.
func slicePlans(ctx context.Context, say Say) ([]guarded, error) {
	say("running the planner's benchmarks once")
	var samples []sample
	for _, pattern := range plannerSlices {
		some, err := benchPlanner(ctx, pattern, "-benchtime=1x")
		if err != nil {
			return nil, err
		}
		samples = append(samples, some...)
	}
	if len(samples) == 0 {
		return nil, errors.New("the planner's benchmarks printed nothing")
	}
	var all []guarded
	for _, unit := range []string{"allocs/op", "B/op"} {
		for _, curve := range curvesOf(samples, unit) {
			last := len(curve.Sizes) - 1
			name := fmt.Sprintf("plan: %s of %s, %.0f nodes", unit, curve.Name, curve.Sizes[last])
			all = append(all, guarded{name, curve.Values[last], allocated})
			if exponent, known := curve.exponent(0); known {
				all = append(all, guarded{fmt.Sprintf("plan: exponent of %s of %s", unit, curve.Name), exponent, absolute(slackExponents)})
			}
		}
	}
	return all, nil
}

// compare lists what is worse than the baseline, and what the baseline lacks or has too much.
func compare(baseline Baseline, now []guarded) []string {
	var worse []string
	for _, g := range now {
		known, found := baseline[g.name]
		switch {
		case !found && g.name != quietName:
			worse = append(worse, fmt.Sprintf("%s is %s, and has no baseline", g.name, plain(g.value)))
		case found && g.value > g.most(known):
			worse = append(worse, fmt.Sprintf("%s is %s; the baseline is %s, and %s is the most that is not worse",
				g.name, plain(g.value), plain(known), plain(g.most(known))))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(baseline)) {
		measured := slices.ContainsFunc(now, func(g guarded) bool { return g.name == name })
		if !measured && name != quietName {
			worse = append(worse, name+" is in the baseline and was not measured")
		}
	}
	return worse
}

// better lists what is so much better that the baseline should follow, or it guards nothing.
func better(baseline Baseline, now []guarded) []string {
	var all []string
	for _, g := range now {
		if known, found := baseline[g.name]; found && g.most(g.value) < known {
			all = append(all, fmt.Sprintf("%s is %s; the baseline is %s", g.name, plain(g.value), plain(known)))
		}
	}
	return all
}

func plain(value float64) string {
	if math.Abs(value) >= 100 {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

// WriteBaseline measures the slice, and writes what it came to as the baseline. A value that noise kept from being measured stays.
func WriteBaseline(ctx context.Context, out io.Writer) error {
	root, err := repository.Root()
	if err != nil {
		return err
	}
	old := Baseline{}
	if err := readJSON(root, baselineFile, &old); err != nil {
		return err
	}
	now, err := slice(ctx, func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) })
	if err != nil {
		return err
	}
	fresh := Baseline{}
	for name, value := range old {
		if name == quietName {
			fresh[name] = value
		}
	}
	for _, g := range now {
		fresh[g.name] = math.Round(g.value*1000) / 1000
		_, _ = fmt.Fprintf(out, "%s: %s (was %s)\n", g.name, plain(g.value), plain(old[g.name]))
	}
	return writeJSON(root, baselineFile, fresh)
}
