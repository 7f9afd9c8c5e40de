package bench

import (
	"strings"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// derive makes the rows that are made of others.
func (r Results) derive() {
	for _, row := range Rows() {
		if row.From == nil {
			continue
		}
		delete(r, row.Name)
		if result, known := row.From(r); known {
			result.Title = row.Title
			r[row.Name] = result
		}
	}
}

// passes is how the processor time of a pass grows with the cluster, over the rollouts of all sizes. It is as noisy as the noisiest of
// them, and as old as the oldest.
func passes(results Results) (Result, bool) {
	var result Result
	for _, zones := range []v1alpha1.ZoneStrategy{v1alpha1.ZonesOneAtATime, v1alpha1.ZonesAnyOrder} {
		curve, sources := Curve{Name: strings.ToLower(string(zones))}, 0
		for _, size := range sizes {
			source, found := results[size.name(zones)]
			f, measured := source.figure(perPassFigure)
			if !found || !measured {
				continue
			}
			sources++
			curve.add(float64(size.nodes), f.Value)
			result.take(source, sources == 1 && len(result.Figures) == 0)
		}
		if exponent, known := curve.exponent(0); known {
			result.Figures = append(result.Figures, Figure{
				Name: "exponent of processor time of a pass, " + string(zones), Kind: Growth, Value: exponent,
			}.goal(goalGrowth))
		}
	}
	return result, len(result.Figures) > 0
}

// take has the result be as noisy and as old as a source of it.
func (r *Result) take(source Result, first bool) {
	if first || source.Date < r.Date {
		r.Date, r.Commit, r.Machine = source.Date, source.Commit, source.Machine
	}
	if first || source.Noise.worse(r.Noise) {
		r.Noise = source.Noise
	}
}

// worse compares noise.
func (n Noise) worse(other Noise) bool {
	return max(n.Before, n.After)+n.Foreign > max(other.Before, other.After)+other.Foreign
}
