package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/window"
)

// maxShades bounds how many windows of one policy are in a chart.
const maxShades = 2000

// shades are the windows and freezes of the policies whose nodes are in the chart, as the policies are written now.
func (b *builder) shades(rows []drawnRow) []Shade {
	shown := map[string]bool{}
	for i := range rows {
		shown[rows[i].Policy] = true
	}
	for _, name := range b.OnlyPolicies {
		shown[name] = true
	}
	var all []Shade
	for name, policy := range b.policies {
		if shown[name] {
			all = append(all, b.ofPolicy(policy)...)
		}
	}
	slices.SortFunc(all, func(x, y Shade) int {
		return cmp.Or(Natural(x.Policy, y.Policy), x.From.Compare(y.From), x.To.Compare(y.To),
			cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name))
	})
	slices.Sort(b.notes)
	return all
}

func (b *builder) ofPolicy(policy *v1alpha1.RebootPolicy) []Shade {
	if policy.SetAside() {
		b.note("RebootPolicy %s cannot be read, so its windows are not shown: %s.", policy.Name, policy.Unreadable[0].String())
		return nil
	}
	spec := policy.Spec.Schedule
	all := make([]Shade, 0, len(spec.Freezes))
	for _, freeze := range spec.Freezes {
		all = b.shade(all, Shade{Policy: policy.Name, Kind: Freeze, Name: freeze.Name, From: freeze.From.Time, To: freeze.To.Time})
	}
	if len(spec.Windows) == 0 {
		return all
	}
	spec.Freezes = nil
	schedule, problems := window.New(&spec)
	if len(problems) > 0 {
		b.note("The windows of RebootPolicy %s are not shown: schedule.%s: %s.", policy.Name, problems[0].Path, problems[0].Message)
		return all
	}
	return b.windows(all, policy.Name, schedule)
}

// windows adds the times in which a schedule is open.
func (b *builder) windows(all []Shade, policy string, schedule *window.Schedule) []Shade {
	for at, count := b.From, 0; at.Before(b.To); count++ {
		if count == maxShades {
			b.note("RebootPolicy %s has more windows in this time than are shown: choose a shorter time.", policy)
			break
		}
		state := schedule.At(at)
		next := state.Opens
		if state.Open {
			next = state.Closes
			end := next
			if end.IsZero() {
				end = b.To
			}
			all = b.shade(all, Shade{Policy: policy, Kind: Window, From: at, To: end})
		}
		if !next.After(at) { // zero is never
			break
		}
		at = next
	}
	return all
}

// shade adds a shade, cut to the time of the chart.
func (b *builder) shade(all []Shade, s Shade) []Shade {
	s.From, s.To = latest(s.From, b.From), earliest(s.To, b.To)
	if !s.From.Before(s.To) {
		return all
	}
	return append(all, s)
}

func earliest(x, y time.Time) time.Time {
	if x.Before(y) {
		return x
	}
	return y
}
