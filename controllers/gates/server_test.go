package gates

import (
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/alertmanager"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/program"
)

const alertRules = `
groups:
- name: test
  rules:
  - alert: DiskFull
    expr: vector(1)
    labels: {severity: critical, namespace: shop}
  - alert: Watchdog
    expr: vector(1)
    labels: {severity: none}
  - alert: Slow
    expr: vector(1)
    for: 10h
    labels: {severity: warning}
`

// startPrometheus starts a Prometheus with two alerts that fire and one that is pending.
func startPrometheus(t *testing.T, address string, args ...string) alertmanager.Server {
	t.Helper()
	path := program.Find(t, "prometheus")
	rules := program.File(t, "rules.yaml", alertRules)
	config := program.File(t, "prometheus.yaml", "global: {evaluation_interval: 1s}\nrule_files: ["+rules+"]\n")
	program.Run(t, path, append([]string{
		"--config.file=" + config, "--storage.tsdb.path=" + t.TempDir(), "--web.listen-address=" + address, "--log.level=warn",
	}, args...)...)
	return alertmanager.At(t, address)
}

func TestAlertsOfARealPrometheusBlock(t *testing.T) {
	s := startPrometheus(t, program.FreeAddress(t))
	s.AwaitReady()
	b := newBench(t)
	b.alerts(s.URL, v1alpha1.AlertFilter{State: v1alpha1.AlertFiringOrPending})
	await.True(t, "all alerts are active", func() bool {
		answer := b.later(model.GatePrometheus, "g")
		return answer != nil && strings.Contains(answer.Obstacle, "DiskFull") && strings.Contains(answer.Obstacle, "Slow")
	})
	for name, tc := range map[string]struct {
		filter v1alpha1.AlertFilter
		want   string
	}{
		"every alert that fires":   {v1alpha1.AlertFilter{}, `: DiskFull, Watchdog.`},
		"but those to ignore":      {v1alpha1.AlertFilter{Ignore: "Watch.*|InfoInhibitor"}, `: DiskFull.`},
		"only whole names":         {v1alpha1.AlertFilter{Only: "Disk"}, ""},
		"only these":               {v1alpha1.AlertFilter{Only: "Watchdog"}, `: Watchdog.`},
		"a part of the name":       {v1alpha1.AlertFilter{Only: "isk", Match: v1alpha1.AlertMatchAnywhere}, `: DiskFull.`},
		"but a part of the name":   {v1alpha1.AlertFilter{Ignore: "dog$|^Nothing", Match: v1alpha1.AlertMatchAnywhere}, `: DiskFull.`},
		"a part that is quoted":    {v1alpha1.AlertFilter{Only: `\Qisk`, Match: v1alpha1.AlertMatchAnywhere}, `: DiskFull.`},
		"those that are pending":   {v1alpha1.AlertFilter{Only: "Slow", State: v1alpha1.AlertFiringOrPending}, `: Slow.`},
		"not those if not wanted":  {v1alpha1.AlertFilter{Only: "Slow", State: v1alpha1.AlertFiring}, ""},
		"with a label":             {filterBy(matcher("severity", v1alpha1.MatchEqual, "none")), `: Watchdog.`},
		"without a label":          {filterBy(matcher("namespace", v1alpha1.MatchEqual, "")), `: Watchdog.`},
		"with another value":       {filterBy(matcher("severity", v1alpha1.MatchNotEqual, "none")), `: DiskFull.`},
		"by an expression":         {filterBy(matcher("severity", v1alpha1.MatchRegexp, "crit.*|page")), `: DiskFull.`},
		"by a negative expression": {filterBy(matcher("severity", v1alpha1.MatchNotRegexp, "crit.*")), `: Watchdog.`},
		"by two labels":            {filterBy(matcher("severity", v1alpha1.MatchEqual, "none"), matcher("namespace", v1alpha1.MatchEqual, "shop")), ""},
		"with a quote in a value":  {filterBy(matcher("severity", v1alpha1.MatchEqual, `a"} or vector(1) or x{b="`)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.alerts(s.URL, tc.filter)
			answer := b.answer(model.GatePrometheus, "g")
			if answer == nil || answer.Failure != "" {
				t.Fatalf("answer %+v", answer)
			}
			if got := answer.Obstacle; tc.want == "" && got != "" || !strings.HasSuffix(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func filterBy(matchers ...v1alpha1.LabelMatcher) v1alpha1.AlertFilter {
	return v1alpha1.AlertFilter{Matchers: matchers}
}

func TestQueriesOfARealPrometheus(t *testing.T) {
	s := startPrometheus(t, program.FreeAddress(t))
	s.AwaitReady()
	for name, tc := range map[string]struct {
		query         string
		want, failure string
	}{
		"rows":                  {query: `label_replace(vector(7), "disk", "sda", "", "")`, want: `Gate g: the query has rows at ` + s.URL + `.`},
		"a row of value zero":   {query: "vector(0)", want: "has rows at " + s.URL + "."},
		"no rows":               {query: "vector(1) > 2"},
		"a number":              {query: "1", failure: "the query gives a scalar: write one that has rows"},
		"what is no query":      {query: "up{", failure: s.URL + ": it rejects the query: try it on the server's own page."},
		"a function it has not": {query: "nosuch(up)", failure: "it rejects the query"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.queries(s.URL, tc.query)
			answer := b.answer(model.GatePrometheus, "g")
			if answer == nil || !strings.HasSuffix(answer.Obstacle, tc.want) || tc.want == "" && answer.Obstacle != "" ||
				!strings.Contains(answer.Failure, tc.failure) || tc.failure == "" && answer.Failure != "" {
				t.Errorf("got %+v, want %q or the failure %q", answer, tc.want, tc.failure)
			}
		})
	}
}

func TestAPrometheusThatIsAwayBlocksSaysSinceWhenAndRecoversByItself(t *testing.T) {
	program.Find(t, "prometheus")
	address := program.FreeAddress(t)
	b := newBench(t)
	b.queries("http://"+address, "vector(1) > 2")
	for range 3 {
		answer := b.later(model.GatePrometheus, "g")
		want := model.GateAnswer{
			Failure: "http://" + address + ": the connection is refused.", Since: testNow.Add(Interval), Until: b.clock.Now().Add(Interval),
		}
		if answer == nil || answer.Failure != want.Failure || !answer.Since.Equal(want.Since) || !answer.Until.Equal(want.Until) {
			t.Fatalf("got %+v, want %+v", answer, want)
		}
	}
	startPrometheus(t, address).AwaitReady()
	if answer := b.later(model.GatePrometheus, "g"); answer == nil || answer.Failure != "" || answer.Obstacle != "" {
		t.Errorf("got %+v from a Prometheus that is back", answer)
	}
}

func TestSilencesAndInhibitionsOfARealAlertmanagerAreHonored(t *testing.T) {
	s := alertmanager.Start(t)
	b := newBench(t)
	b.alertmanager(s.URL,
		matcher("severity", v1alpha1.MatchRegexp, "critical|warning"), matcher("alertname", v1alpha1.MatchNotEqual, "Watchdog"))
	obstacle := func() string {
		t.Helper()
		answer := b.later(model.GateAlertmanager, "g")
		if answer == nil || answer.Failure != "" {
			t.Fatalf("answer %+v", answer)
		}
		return answer.Obstacle
	}
	check := func(when, want string) {
		t.Helper()
		if got := obstacle(); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("without alerts", "")
	s.Alert(map[string]string{"alertname": "Watchdog", "severity": "critical"})
	s.Alert(map[string]string{"alertname": "Notice", "severity": "info"})
	check("with alerts that do not match", "")
	s.Alert(map[string]string{"alertname": "DiskFull", "severity": "warning", "disk": "sda"})
	blocked := `Gate g: alerts of ` + s.URL + `: DiskFull.`
	check("with an alert", blocked)

	now := time.Now().UTC()
	silence := s.Silence(&alertmanager.Silence{
		Matchers: []map[string]any{{"name": "alertname", "value": "DiskFull", "isRegex": false, "isEqual": true}},
		StartsAt: now.Add(-time.Minute), EndsAt: now.Add(time.Hour), CreatedBy: "test", Comment: "test",
	})
	check("silenced", "")
	s.Expire(silence)
	check("no longer silenced", blocked)

	s.Alert(map[string]string{"alertname": "ClusterDown", "severity": "info"})
	await.True(t, "the alert is inhibited", func() bool { return obstacle() == "" })
}

func TestAnAlertmanagerThatAnswersSomethingElseIsAnError(t *testing.T) {
	s := startPrometheus(t, program.FreeAddress(t))
	s.AwaitReady()
	b := newBench(t)
	b.alertmanager(s.URL)
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || !strings.Contains(answer.Failure, "it answers 404 Not Found") {
		t.Errorf("a Prometheus asked as an Alertmanager: %+v", answer)
	}
	am := alertmanager.Start(t)
	b = newBench(t)
	b.queries(am.URL, "up")
	if answer := b.answer(model.GatePrometheus, "g"); answer == nil || answer.Failure == "" {
		t.Errorf("an Alertmanager asked as a Prometheus: %+v", answer)
	}
	b = newBench(t)
	b.alertmanager(am.URL, matcher("severity", v1alpha1.MatchRegexp, "("))
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || !strings.Contains(answer.Failure, "it answers 400 Bad Request.") {
		t.Errorf("an expression that does not compile: %+v", answer)
	}
}
