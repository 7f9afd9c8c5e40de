package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/reboot-operator/reboot-operator/internal/plugin/cells"
)

// Severity of a finding.
type Severity string

const (
	// Error is what the API server or the manager refuses, or what can never work.
	Error Severity = "error"
	// Warning marks something that most likely does not have the intended effect.
	Warning Severity = "warning"
)

// Finding is something wrong in a file.
type Finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Severity Severity `json:"severity"`
	// Object is the kind and name of what it is about.
	Object string `json:"object,omitempty"`
	// Path of the field, such as spec.schedule.windows[0].cron.
	Path string `json:"path,omitempty"`
	// Message says what is wrong, and what to write instead.
	Message string `json:"message"`
}

// String is the finding in one line.
func (f Finding) String() string {
	about := ""
	if f.Object != "" {
		about = f.Object + ": "
	}
	if f.Path != "" {
		about += f.Path + ": "
	}
	return cells.Clean(fmt.Sprintf("%s:%d: %s: %s%s", f.File, f.Line, f.Severity, about, f.Message))
}

// Report is what was found in all files.
type Report struct {
	Findings []Finding `json:"findings"`
	// Policies and NodeReboots are how many were checked, Skipped how many objects are of other kinds.
	Policies    int `json:"policies"`
	NodeReboots int `json:"nodeReboots"`
	Skipped     int `json:"skipped"`
}

func (r *Report) count(severity Severity) int {
	count := 0
	for i := range r.Findings {
		if r.Findings[i].Severity == severity {
			count++
		}
	}
	return count
}

// sort findings by place, each once.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	r.Findings = slices.Compact(r.Findings)
}
