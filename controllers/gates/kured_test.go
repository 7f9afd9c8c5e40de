package gates

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

// activeAlert is an alert that Prometheus has a row for.
type activeAlert struct{ name, state string }

// kuredBlocks is kured's rule, written down again: an alert blocks if it is firing, or that does not matter, and if its name has a part
// that the expression matches, or has none, according to what the expression is for.
func kuredBlocks(a activeAlert, filter *regexp.Regexp, matchOnly, firingOnly bool) bool {
	if firingOnly && a.state != "firing" {
		return false
	}
	return filter == nil || filter.MatchString(a.name) == matchOnly
}

// matched evaluates a query for alerts as Prometheus does: an expression has to match the whole value.
func matched(t *testing.T, query string, a activeAlert) bool {
	t.Helper()
	labels := map[string]string{"alertname": a.name, "alertstate": a.state}
	inside, is := strings.CutPrefix(query, "ALERTS{")
	rest, closed := strings.CutSuffix(inside, "}")
	if !is || !closed {
		t.Fatalf("%s is not a query for alerts", query)
	}
	for rest != "" {
		at := strings.Index(rest, `"`)
		quoted, err := strconv.QuotedPrefix(rest[at:])
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		left := rest[:at]
		rest = strings.TrimPrefix(rest[at+len(quoted):], ",")
		operator := strings.TrimLeft(left, "abcdefghijklmnopqrstuvwxyz_")
		got := labels[strings.TrimSuffix(left, operator)]
		ok := got == value
		if strings.HasSuffix(operator, "~") {
			ok = regexp.MustCompile(`^(?s:` + value + `)$`).MatchString(got)
		}
		if ok == strings.HasPrefix(operator, "!") {
			return false
		}
	}
	return true
}

var alertExpressions = []string{
	"", "Longhorn", "^Longhorn", "Watchdog|^Kube", "^(Watchdog|RebootRequired)$", "(?i)kube", "Kube.*Failed$", ".", "^$", "a|b|",
	`\QKube.`, `\QKube\E|Dog`,
	"(?m)^Kube$", "[A-Z]og", `\bDisk\b`, "Disk|", "(Disk)(Full)?$", "(?U)K.*e", "^", "$",
}

var alertWords = []string{"Kube", "Longhorn", "Watchdog", "Dog", "Disk", "Full", "Job", "Failed", "RebootRequired", ".", "ü", "kube", "a"}

// TestAlertsBlockWhereTheyBlockedInKured compares the whole way, from kured's flags to the query that Prometheus is asked.
func TestAlertsBlockWhereTheyBlockedInKured(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for i, expression := range alertExpressions {
		for _, matchOnly := range []bool{false, true} {
			for _, firingOnly := range []bool{false, true} {
				values := fmt.Sprintf("image: {tag: 1.23.0}\nconfiguration: {prometheusUrl: 'http://p', alertFilterMatchOnly: %t, alertFiringOnly: "+
					"%t}\n", matchOnly, firingOnly)
				var filter *regexp.Regexp
				if i > 0 { // the first is a flag that is not there
					values += fmt.Sprintf("extraEnvVars: [{name: KURED_ALERT_FILTER_REGEXP, value: %q}]\n", expression)
					filter = regexp.MustCompile(expression)
				}
				compareAlerts(t, random, values, func(a activeAlert) bool { return kuredBlocks(a, filter, matchOnly, firingOnly) })
			}
		}
	}
	values := "image: {tag: 1.23.0}\nconfiguration: {prometheusUrl: 'http://p'}\nextraEnvVars: [{name: KURED_ALERT_FILTER_REGEXP, value: " +
		"''}]\n"
	compareAlerts(t, random, values, func(a activeAlert) bool { return kuredBlocks(a, regexp.MustCompile(""), false, false) })
}

func compareAlerts(t *testing.T, random *rand.Rand, values string, want func(activeAlert) bool) {
	t.Helper()
	result, err := kured.Convert([]byte(values), kured.Options{File: "v"})
	if err != nil || result.Policy == nil {
		t.Fatalf("%s becomes %+v: %v", values, result, err)
	}
	query := alertQuery(result.Policy.Spec.Gates.Prometheus[0].Alerts)
	for range 200 {
		a := activeAlert{state: []string{"firing", "pending"}[random.IntN(2)]}
		for range 1 + random.IntN(3) {
			a.name += alertWords[random.IntN(len(alertWords))]
		}
		if got := matched(t, query, a); got != want(a) {
			t.Errorf("%sThe alert %+v blocks %t here, by %s, and %t in kured.", values, a, got, query, want(a))
		}
	}
}
