package bench

import (
	"context"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// taintScale is how much faster everything is in this comparison than what it stands for.
const taintScale = 0.3

func scaled(d time.Duration) time.Duration { return time.Duration(taintScale * float64(d)) }

// taintScenario is nine nodes in three zones, of which one at a time is rebooted, and pods that block drains for half a minute.
func taintScenario(every time.Duration, effect v1alpha1.TaintEffect) scenario {
	s := scenario{slots: 1, managers: 0, taint: effect, limit: 15 * time.Minute}
	s.nodes = testbed.Fleet(9, 3, 0)
	for i := range s.nodes {
		s.nodes[i].RebootDuration = scaled(20 * time.Second)
	}
	s.blocking = &blocking{every: scaled(every), lasts: scaled(30 * time.Second)}
	return s
}

// taint compares a rollout with the early taint to one without.
func taint(every time.Duration) func(context.Context, Say) (Measured, error) {
	return func(ctx context.Context, say Say) (Measured, error) {
		var runs []*outcome
		for _, effect := range []v1alpha1.TaintEffect{v1alpha1.TaintPreferNoSchedule, v1alpha1.TaintNone} {
			say("taint %s, a blocking pod every %s", effect, scaled(every))
			o, err := taintScenario(every, effect).run(ctx, say)
			if err != nil {
				return Measured{}, err
			}
			runs = append(runs, o)
		}
		return taintFigures(runs[0], runs[1]), nil
	}
}

func taintFigures(with, without *outcome) Measured {
	change := func(name string, a, b float64) Figure {
		return Figure{Name: name + ", with the taint against none", Kind: Ratio, Value: 100 * (a - b) / max(b, 1e-9), Unit: "%"}
	}
	return Measured{Figures: []Figure{
		change("blocking pods on waiting nodes", with.landed.share(), without.landed.share()).goal(-65),
		change("preparation", with.preparation().Seconds(), without.preparation().Seconds()).goal(-40),
		change("total", with.summary.Makespan.Seconds(), without.summary.Makespan.Seconds()).goal(-30),
		count("blocking pods on waiting nodes, taint", float64(with.landed.waiting)),
		count("blocking pods on waiting nodes, none", float64(without.landed.waiting)),
		seconds("preparation, taint", with.preparation()),
		seconds("preparation, none", without.preparation()),
		seconds("total, taint", with.summary.Makespan),
		seconds("total, none", without.summary.Makespan),
	}}
}

// share of the pods that landed on waiting nodes, of those that were made while the rollout lasted: the slower one has more of them.
func (l landed) share() float64 { return float64(l.waiting) / float64(max(l.made, 1)) }

// preparation is how long all drains took together.
func (o *outcome) preparation() time.Duration {
	var sum time.Duration
	for _, reboot := range o.summary.Reboots {
		if reboot.Drain != nil {
			sum += *reboot.Drain
		}
	}
	return sum
}
