package gates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// patient asks a program that may be slow, and not forever.
var patient = &http.Client{Timeout: await.Limit}

// server is a program that serves HTTP on loopback.
type server struct {
	t       *testing.T
	address string
	url     string
}

// freeAddress is one on loopback that nothing listens on, and that no other program is given: the IP address is that of this process alone.
func freeAddress(t *testing.T) string {
	t.Helper()
	pid := os.Getpid()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// program finds an installed program. Where one is missing, the test is skipped: Debian has them as prometheus and prometheus-alertmanager.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: apt-get install prometheus prometheus-alertmanager", strings.Join(names, " or "))
	return ""
}

// run starts a program and ends it with the test.
func run(t *testing.T, path string, args ...string) {
	t.Helper()
	var output bytes.Buffer
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(path), output.String())
		}
	})
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

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
func startPrometheus(t *testing.T, address string, args ...string) server {
	t.Helper()
	path := program(t, "prometheus")
	rules := file(t, "rules.yaml", alertRules)
	config := file(t, "prometheus.yaml", "global: {evaluation_interval: 1s}\nrule_files: ["+rules+"]\n")
	run(t, path, append([]string{
		"--config.file=" + config, "--storage.tsdb.path=" + t.TempDir(), "--web.listen-address=" + address, "--log.level=warn",
	}, args...)...)
	return server{t: t, address: address, url: "http://" + address}
}

func (s server) awaitReady() {
	s.t.Helper()
	await.True(s.t, s.url+" is ready", func() bool {
		response, err := patient.Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	})
}

func startAlertmanager(t *testing.T) server {
	t.Helper()
	path := program(t, "prometheus-alertmanager", "alertmanager")
	config := file(t, "alertmanager.yaml", `
route: {receiver: none, group_wait: 0s}
receivers: [{name: none}]
inhibit_rules:
- source_matchers: [alertname="ClusterDown"]
  target_matchers: [severity="warning"]
`)
	address := freeAddress(t)
	run(t, path, "--config.file="+config, "--storage.path="+t.TempDir(), "--web.listen-address="+address, "--cluster.listen-address=",
		"--log.level=warn")
	s := server{t: t, address: address, url: "http://" + address}
	s.awaitReady()
	return s
}

// post sends JSON, and returns the answer.
func (s server) send(method, path string, body any) []byte {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequest(method, s.url+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := patient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s %s %v", method, path, response.Status, answer, err)
	}
	return answer
}

func (s server) alert(labels map[string]string) {
	s.t.Helper()
	s.send(http.MethodPost, "/api/v2/alerts", []any{map[string]any{"labels": labels}})
}

func TestAlertsOfARealPrometheusBlock(t *testing.T) {
	s := startPrometheus(t, freeAddress(t))
	s.awaitReady()
	b := newBench(t)
	b.alerts(s.url, v1alpha1.AlertFilter{State: v1alpha1.AlertFiringOrPending})
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
			b.alerts(s.url, tc.filter)
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
	s := startPrometheus(t, freeAddress(t))
	s.awaitReady()
	for name, tc := range map[string]struct {
		query         string
		want, failure string
	}{
		"rows":                  {query: `label_replace(vector(7), "disk", "sda", "", "")`, want: `Gate g: the query has rows at ` + s.url + `.`},
		"a row of value zero":   {query: "vector(0)", want: "has rows at " + s.url + "."},
		"no rows":               {query: "vector(1) > 2"},
		"a number":              {query: "1", failure: "the query gives a scalar: write one that has rows"},
		"what is no query":      {query: "up{", failure: s.url + ": it does not take the query: try it on the server's own page."},
		"a function it has not": {query: "nosuch(up)", failure: "it does not take the query"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.queries(s.url, tc.query)
			answer := b.answer(model.GatePrometheus, "g")
			if answer == nil || !strings.HasSuffix(answer.Obstacle, tc.want) || tc.want == "" && answer.Obstacle != "" ||
				!strings.Contains(answer.Failure, tc.failure) || tc.failure == "" && answer.Failure != "" {
				t.Errorf("got %+v, want %q or the failure %q", answer, tc.want, tc.failure)
			}
		})
	}
}

func TestAPrometheusThatIsAwayBlocksSaysSinceWhenAndRecoversByItself(t *testing.T) {
	program(t, "prometheus")
	address := freeAddress(t)
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
	startPrometheus(t, address).awaitReady()
	if answer := b.later(model.GatePrometheus, "g"); answer == nil || answer.Failure != "" || answer.Obstacle != "" {
		t.Errorf("got %+v from a Prometheus that is back", answer)
	}
}

func TestSilencesAndInhibitionsOfARealAlertmanagerAreHonored(t *testing.T) {
	s := startAlertmanager(t)
	b := newBench(t)
	b.alertmanager(s.url,
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
	s.alert(map[string]string{"alertname": "Watchdog", "severity": "critical"})
	s.alert(map[string]string{"alertname": "Notice", "severity": "info"})
	check("with alerts that do not match", "")
	s.alert(map[string]string{"alertname": "DiskFull", "severity": "warning", "disk": "sda"})
	blocked := `Gate g: alerts of ` + s.url + `: DiskFull.`
	check("with an alert", blocked)

	now := time.Now().UTC()
	var silence struct{ SilenceID string }
	answer := s.send(http.MethodPost, "/api/v2/silences", map[string]any{
		"matchers": []any{map[string]any{"name": "alertname", "value": "DiskFull", "isRegex": false, "isEqual": true}},
		"startsAt": now.Add(-time.Minute), "endsAt": now.Add(time.Hour), "createdBy": "test", "comment": "test",
	})
	if err := json.Unmarshal(answer, &silence); err != nil || silence.SilenceID == "" {
		t.Fatalf("silence %s: %v", answer, err)
	}
	check("silenced", "")
	s.send(http.MethodDelete, "/api/v2/silence/"+silence.SilenceID, nil)
	check("no longer silenced", blocked)

	s.alert(map[string]string{"alertname": "ClusterDown", "severity": "info"})
	await.True(t, "the alert is inhibited", func() bool { return obstacle() == "" })
}

func TestAnAlertmanagerThatAnswersSomethingElseIsAnError(t *testing.T) {
	s := startPrometheus(t, freeAddress(t))
	s.awaitReady()
	b := newBench(t)
	b.alertmanager(s.url)
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || !strings.Contains(answer.Failure, "it answers 404 Not Found") {
		t.Errorf("a Prometheus asked as an Alertmanager: %+v", answer)
	}
	am := startAlertmanager(t)
	b = newBench(t)
	b.queries(am.url, "up")
	if answer := b.answer(model.GatePrometheus, "g"); answer == nil || answer.Failure == "" {
		t.Errorf("an Alertmanager asked as a Prometheus: %+v", answer)
	}
	b = newBench(t)
	b.alertmanager(am.url, matcher("severity", v1alpha1.MatchRegexp, "("))
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || !strings.Contains(answer.Failure, "it answers 400 Bad Request.") {
		t.Errorf("an expression that does not compile: %+v", answer)
	}
}
