package silence

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// names are what placeholders stand for.
type names struct{ node, zone, policy string }

var placeholders = regexp.MustCompile(`\{\{ *\.(Node|Zone|Policy) *\}\}`)

// maxValue bounds a value with the names in it, in bytes.
const maxValue = 4096

// telling are values of the labels that alerts have most. An expression that matches all values of one line leaves hardly any alert out.
// The schema has the same lines.
var telling = [][]string{
	{"~~~~~~~~~"}, // that no alert has
	{"Watchdog", "KubeDown"},
	{"kubelet", "etcd"},
	{"critical", "warning", "info"},
	{"a-1:9100", "1.2.3.4:9"},
}

// misplaced are placeholders where an expression does not take a name for that text: escaped, between brackets, in quoted text.
var misplaced = regexp.MustCompile(`\\\{\{|(^|[^\\])\[[^\]]*\{\{|\\Q.*\{\{`)

// render puts names into the matchers of an entry. The problem says why no silence can be made of them; empty if there is none.
func render(entry *v1alpha1.AlertSilence, of names) (matchers []Matcher, problem string) {
	narrow := false
	for i := range entry.Matchers {
		from := &entry.Matchers[i]
		m := Matcher{Name: from.Name, Type: from.MatchType, Value: ptr.Deref(from.Value, "")}
		if m.Type == "" {
			m.Type = v1alpha1.MatchEqual
		}
		if problem := m.fill(of); problem != "" {
			return nil, fmt.Sprintf("matcher %s: %s", m.Name, problem)
		}
		template := *from
		template.MatchType = m.Type
		isNarrow, err := isNarrow(&template)
		if err != nil || m.isRegexp() && misplaced.MatchString(ptr.Deref(from.Value, "")) {
			return nil, fmt.Sprintf("matcher %s: its value is not a regular expression once the names are filled in: write a placeholder where any "+
				"text may stand, not behind a backslash, between brackets or behind \\Q", m.Name)
		}
		narrow = narrow || isNarrow
		matchers = append(matchers, m)
	}
	if !narrow {
		return nil, "its matchers would silence nearly every alert: write at least one with matchType = or =~ and a value that only some " +
			"alerts have"
	}
	return matchers, ""
}

// fill puts names into the value. In a regular expression each stands for exactly that text.
func (m *Matcher) fill(of names) (problem string) {
	m.Value = placeholders.ReplaceAllStringFunc(m.Value, func(placeholder string) string {
		name := ""
		switch placeholders.FindStringSubmatch(placeholder)[1] {
		case "Node":
			name = of.node
		case "Zone":
			if name = of.zone; name == "" {
				problem = fmt.Sprintf("%s is empty, because node %s is in no zone", placeholder, of.node)
			}
		case "Policy":
			name = of.policy
		}
		if m.isRegexp() {
			return "(?:" + regexp.QuoteMeta(name) + ")" // what follows, such as a question mark, is about all of it
		}
		return name
	})
	switch {
	case problem != "":
		return problem
	case strings.Contains(m.Value, "{{"):
		return "a placeholder is {{ .Node }}, {{ .Zone }} or {{ .Policy }}: write one of these"
	case len(m.Value) > maxValue:
		return "its value is too long once the names are filled in"
	}
	return ""
}

// isNarrow says that a matcher leaves most alerts out, whatever the names are. That is a guess, and guards against slips. Alertmanager
// refuses silences of which each matcher takes alerts without its label.
func isNarrow(from *v1alpha1.LabelMatcher) (bool, error) {
	m := Matcher{Name: from.Name, Type: from.MatchType, Value: ptr.Deref(from.Value, "")}
	if problem := m.fill(names{node: "<node>", zone: "<zone>", policy: "<policy>"}); problem != "" {
		return false, nil // it was said of the names that there are
	}
	if !m.isRegexp() {
		return m.positive() && m.Value != "", nil
	}
	// Whole values are compared. Compiled by itself first: brackets that close and open others would make sense only together.
	if _, err := regexp.Compile(m.Value); err != nil {
		return false, err
	}
	whole, err := regexp.Compile("^(?:" + m.Value + ")$")
	if err != nil {
		return false, err
	}
	matchesAll := func(values []string) bool {
		return !slices.ContainsFunc(values, func(value string) bool { return !whole.MatchString(value) })
	}
	return m.positive() && !whole.MatchString("") && !slices.ContainsFunc(telling, matchesAll), nil
}

// Check finds matchers from which no silence can be made for any node. The policy is in force nevertheless: no reboot waits for a silence.
func Check(policy *v1alpha1.RebootPolicy) []policies.Finding {
	var found []policies.Finding
	for i := range policy.Spec.Silences {
		entry := &policy.Spec.Silences[i]
		if _, problem := render(entry, names{node: "node", zone: "zone", policy: policy.Name}); problem != "" {
			found = append(found, policies.Finding{Path: fmt.Sprintf("silences[%s].matchers", entry.Name), Message: problem})
		}
	}
	return found
}
