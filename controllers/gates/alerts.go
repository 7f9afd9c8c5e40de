package gates

import (
	"slices"
	"strings"
	"unicode"

	commonmodel "github.com/prometheus/common/model"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

// alertNames are the names of alerts, sorted. Their other labels and annotations are about objects, and are left out.
func alertNames(alerts []map[string]string) []string {
	names := make([]string, 0, len(alerts))
	for _, labels := range alerts {
		names = append(names, alertName(labels[commonmodel.AlertNameLabel]))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// alertName is a name in one line and bounded.
func alertName(name string) string {
	const most = 100
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	if name == "" {
		return "an alert without a name"
	}
	return shorten.Marked(name, most)
}

// note writes to the log what is in the way with all labels, for administrators.
func (a *Asker) note(gate string, rows []map[string]string) {
	const most = 20
	a.options.Log.V(1).Info("a gate is blocked", "gate", gate, "count", len(rows), "rows", rows[:min(len(rows), most)])
}
