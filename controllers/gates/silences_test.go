package gates

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
	"github.com/reboot-operator/reboot-operator/test/alertmanager"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// silenced is an entry of a policy, and the silence that it asks for while a node is under way.
func silenced(url, node string, matchers ...v1alpha1.LabelMatcher) (*v1alpha1.AlertSilence, *silence.Silence) {
	policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "uid-p"}}
	policy.Spec.Silences = []v1alpha1.AlertSilence{{
		Name: "node-alerts", URL: url, Matchers: matchers, DurationSeconds: ptr.To[int32](600), TimeoutSeconds: ptr.To[int32](60),
	}}
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "r-" + node, UID: "uid-r"}}
	reboot.Spec.NodeName = node
	reboot.Status.Attempt = &v1alpha1.Attempt{Number: 1, PolicyName: "p", Zone: "z1"}
	wishes := silence.Wishes([]*v1alpha1.RebootPolicy{policy}, []silence.Attempt{{Reboot: reboot, Status: &reboot.Status}}, testNow)
	return &policy.Spec.Silences[0], &wishes[0].Silences[0]
}

func TestASilenceOfARealAlertmanagerIsMadeRenewedFoundAndEnded(t *testing.T) {
	s := alertmanager.Start(t)
	b := newBench(t)
	entry, want := silenced(s.URL+"/", "node-1",
		matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"), matcher("severity", v1alpha1.MatchNotEqual, "page"),
		matcher("job", v1alpha1.MatchRegexp, `kubelet|"node"|.*{{ .Node }}\d{2}`), matcher("team", v1alpha1.MatchNotRegexp, "a|b"))
	silences := b.Silences(entry)
	s.Alert(map[string]string{"alertname": "NodeDown", "node": "node-1", "job": "kubelet"})
	s.Alert(map[string]string{"alertname": "Other", "node": "node-2", "job": "kubelet"})
	s.Alert(map[string]string{"alertname": "Page", "node": "node-1", "job": "kubelet", "severity": "page"})
	s.Alert(map[string]string{"alertname": "Team", "node": "node-1", "job": "kubelet", "team": "a"})
	shown := func(when string, want bool) {
		t.Helper()
		await.True(t, fmt.Sprintf("%s: the alert is shown: %t", when, want), func() bool { return s.Shown("NodeDown") == want })
		for _, other := range []string{"Other", "Page", "Team"} {
			if !s.Shown(other) {
				t.Errorf("%s: alert %s is hidden", when, other)
			}
		}
	}
	keep := func(lasts time.Duration) alertmanager.Silence {
		t.Helper()
		if err := silences.Keep(t.Context(), want, lasts); err != nil {
			t.Fatal(err)
		}
		active := s.Active()
		if len(active) != 1 {
			t.Fatalf("%d silences are active, want one: %+v", len(active), active)
		}
		return active[0]
	}
	shown("before", true)
	first := keep(10 * time.Minute)
	shown("silenced", false)
	if lasts := time.Until(first.EndsAt); lasts > 10*time.Minute+2*time.Second || lasts < 8*time.Minute {
		t.Errorf("it lasts %s", lasts)
	}
	comment := "Node node-1 is rebooted by RebootPolicy p (NodeReboot r-node-1, attempt 1)."
	if first.CreatedBy != "reboot-operator" || !strings.HasPrefix(first.Comment, comment) {
		t.Errorf("by %q: %q", first.CreatedBy, first.Comment)
	}
	renewed := keep(30 * time.Minute)
	if renewed.ID != first.ID || !renewed.EndsAt.After(first.EndsAt) {
		t.Errorf("%+v was not renewed in place: %+v", first, renewed)
	}
	found, err := b.Silences(entry).List(t.Context())
	if err != nil || len(found) != 1 || found[0].Key != want.Key || found[0].For < 25*time.Minute || found[0].For > 31*time.Minute {
		t.Errorf("found %+v %v", found, err)
	}
	if shorter := keep(2 * time.Minute); shorter.ID != first.ID || !shorter.EndsAt.Before(first.EndsAt) {
		t.Errorf("it was not cut: %+v", shorter)
	}
	for range 2 { // that it has ended already is no error
		if err := silences.End(t.Context(), want, 0); err != nil {
			t.Fatal(err)
		}
		shown("ended", true)
	}
	keep(time.Minute)
	if all := s.Silences(); len(all) != 2 {
		t.Errorf("%d silences, want the one that ended and one more: %+v", len(all), all)
	}
}

func TestSilencesOfOthersAreLeftAlone(t *testing.T) {
	s := alertmanager.Start(t)
	b := newBench(t)
	entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
	_, other := silenced(s.URL, "node-2", matcher("node", v1alpha1.MatchRegexp, "node-[12]"))
	if err := b.Silences(entry).Keep(t.Context(), want, time.Hour); err != nil {
		t.Fatal(err)
	}
	ours := s.Active()[0]
	for _, change := range []func(*alertmanager.Silence){
		func(s *alertmanager.Silence) { s.CreatedBy = "alice" },
		func(s *alertmanager.Silence) { s.Comment += " And longer, says alice." },
		func(s *alertmanager.Silence) { s.Comment = "Maintenance of node node-1." },
		func(s *alertmanager.Silence) {
			s.Matchers = append(s.Matchers, map[string]any{"name": "a", "value": "b", "isRegex": false, "isEqual": true})
		},
	} {
		theirs := ours
		theirs.ID = ""
		change(&theirs)
		s.Silence(&theirs)
	}
	if err := b.Silences(entry).Keep(t.Context(), other, time.Hour); err != nil {
		t.Fatal(err)
	}
	if found, err := b.Silences(entry).List(t.Context()); err != nil || len(found) != 2 {
		t.Errorf("found %+v %v", found, err)
	}
	if err := b.Silences(entry).End(t.Context(), want, 0); err != nil {
		t.Fatal(err)
	}
	left := s.Active()
	for _, silence := range left {
		if silence.ID == ours.ID {
			t.Error("the operator's own was left")
		}
	}
	if len(left) != 5 {
		t.Errorf("%d are left, want 5: %+v", len(left), left)
	}
}

func TestWhereTwoManagersMadeASilenceEachBothEnd(t *testing.T) {
	s := alertmanager.Start(t)
	b := newBench(t)
	entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
	if err := b.Silences(entry).Keep(t.Context(), want, time.Hour); err != nil {
		t.Fatal(err)
	}
	twin := s.Active()[0]
	twin.ID = ""
	s.Silence(&twin)
	for range 2 {
		if err := b.Silences(entry).Keep(t.Context(), want, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.Active()); n != 2 {
		t.Errorf("%d are active, want the two that there were", n)
	}
	if err := b.Silences(entry).End(t.Context(), want, 0); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Active()); n != 0 {
		t.Errorf("%d are still active", n)
	}
}

func TestAGateIsNeitherFooledNorBlockedBySilencesOfTheOperator(t *testing.T) {
	s := alertmanager.Start(t)
	b := newBench(t)
	narrowEntry, narrow := silenced(s.URL, "node-1", matcher("instance", v1alpha1.MatchRegexp, `{{ .Node }}\.example\.com:\d+`))
	wideEntry, wide := silenced(s.URL, "node-1", matcher("alertname", v1alpha1.MatchRegexp, "Ceph.*|NodeDown"))
	b.alertmanager(s.URL)
	check := func(when, want string) {
		t.Helper()
		await.True(t, when+": "+want, func() bool {
			answer := b.later(model.GateAlertmanager, "g")
			if answer == nil || answer.Failure != "" {
				t.Fatalf("%s: answer %+v", when, answer)
			}
			got := answer.Obstacle
			for _, e := range answer.Excused {
				got += fmt.Sprintf("excused by %v: %s", e.By, e.Obstacle)
			}
			return got == want
		})
	}
	keep := func(entry *v1alpha1.AlertSilence, s *silence.Silence) {
		t.Helper()
		if err := b.Silences(entry).Keep(t.Context(), s, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	hidden := "Gate g: alerts of " + s.URL + ", which only silences of the operator hide: "
	check("without alerts", "")
	s.Alert(map[string]string{"alertname": "KubeletDown", "instance": "node-1.example.com:10250"})
	check("an alert of the node", "Gate g: alerts of "+s.URL+": KubeletDown.")
	keep(narrowEntry, narrow)
	excused := "excused by [{node-1 uid-r 1}]: " + hidden
	check("an alert of the node that is rebooted", excused+"KubeletDown.")
	keep(wideEntry, wide)
	s.Alert(map[string]string{"alertname": "NodeDown", "node": "node-1"})
	check("another of its alerts", excused+"KubeletDown, NodeDown.")
	s.Alert(map[string]string{"alertname": "NodeDown", "node": "node-2"})
	check("an alert of another node that the silence hides, too", hidden+"NodeDown.")
	s.Alert(map[string]string{"alertname": "CephOSDDown"})
	check("an alert of no node", hidden+"CephOSDDown, NodeDown.")

	now := time.Now()
	by := func(who, name string) string {
		return s.Silence(&alertmanager.Silence{
			Matchers: []map[string]any{{"name": "alertname", "value": name, "isRegex": false, "isEqual": true}},
			StartsAt: now, EndsAt: now.Add(time.Hour), CreatedBy: who, Comment: "It is known.",
		})
	}
	by(silence.Creator, "CephOSDDown")
	check("what an operator of another version silenced, too", hidden+"CephOSDDown, NodeDown.")
	by("alice", "NodeDown")
	ceph := by("alice", "CephOSDDown")
	check("what a person silenced, too", excused+"KubeletDown.")
	s.Expire(ceph)
	check("what a person silences no longer", hidden+"CephOSDDown.")
	s.Alert(map[string]string{"alertname": "Disk"})
	check("an alert that nothing hides", "Gate g: alerts of "+s.URL+": Disk.")
}

// fakeAlertmanager answers as the test says.
type fakeAlertmanager struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
	bodies   []map[string]any
}

func newFakeAlertmanager(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *fakeAlertmanager {
	t.Helper()
	f := &fakeAlertmanager{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.mu.Lock()
		f.requests, f.bodies = append(f.requests, r.Method+" "+r.URL.Path), append(f.bodies, body)
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// Nothing would end a silence whose ID is not known.
func TestASilenceWithoutAnIDIsNotTakenForMade(t *testing.T) {
	for _, text := range []string{"{}", `{"silenceID": ""}`, `{"silenceID": 1}`} {
		s := newFakeAlertmanager(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = w.Write([]byte("[]"))
				return
			}
			_, _ = w.Write([]byte(text))
		})
		entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
		err := newBench(t).Silences(entry).Keep(t.Context(), want, time.Hour)
		if err == nil || !strings.Contains(Readable(err), "it does not answer as Alertmanager does.") {
			t.Errorf("after the answer %s: %v", text, err)
		}
	}
}

func TestAnAlertmanagerThatCannotKeepSilencesSaysWhy(t *testing.T) {
	says := func(status int, text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = w.Write([]byte(text)) }
	}
	reads := func(text string, write func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				says(http.StatusOK, text)(w, r)
				return
			}
			write(w, r)
		}
	}
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"that has API v1 only":      {says(http.StatusNotFound, "secret"), "it answers 404 Not Found: silences need the API v2 of an Alertmanager, 0.22 or later, below the url."},
		"that forbids it":           {says(http.StatusForbidden, "secret"), "it answers 403 Forbidden."},
		"that is broken":            {says(http.StatusInternalServerError, "secret"), "it answers 500 Internal Server Error."},
		"that is none":              {says(http.StatusOK, "<html>secret"), "it does not answer as Alertmanager does."},
		"that says nothing":         {says(http.StatusOK, ""), "it does not answer as Alertmanager does."},
		"that has no list":          {says(http.StatusOK, "null"), "it does not answer as Alertmanager does."},
		"that lists something else": {says(http.StatusOK, `["secret"]`), "it does not answer as Alertmanager does."},
		"with times that are none":  {says(http.StatusOK, `[{"startsAt": "secret"}]`), "it does not answer as Alertmanager does."},
		"that breaks off":           {says(http.StatusOK, `[{"id": "secret"}`), "it does not answer as Alertmanager does."},
		"that redirects":            {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/secret", http.StatusFound) }, "it redirects"},
		"that takes no silence":     {reads("[]", says(http.StatusBadRequest, "secret")), "it answers 400 Bad Request: it rejects the silence; the manager's log has its answer"},
		"that may only be read":     {reads("[]", says(http.StatusMethodNotAllowed, "secret")), "it answers 405 Method Not Allowed."},
		"that says nothing of it":   {reads("[]", says(http.StatusOK, "{}")), "it does not answer as Alertmanager does."},
		"that talks about it":       {reads("[]", says(http.StatusOK, "secret")), "it does not answer as Alertmanager does."},
		"whose answer has no end":   {endlessSilences, "the answer is too long: ask for less."},
		"with a silence of no end":  {says(http.StatusOK, `[{"id": "`+strings.Repeat("a", 2<<20)), "the answer is too long: ask for less."},
		"whose answer never begins": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "there was no answer within 1s."},
		"whose answer never ends": {func(w http.ResponseWriter, r *http.Request) {
			says(http.StatusOK, "[")(w, r)
			flush(w)
			<-r.Context().Done()
		}, "there was no answer within 1s."},
		"that overlooks what is not": {reads("[]", says(http.StatusOK, `{"silenceID": "a/b"}`)), "it does not answer as Alertmanager does."},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeAlertmanager(t, tc.answer)
			entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"), matcher("a", v1alpha1.MatchNotEqual, "b"))
			if strings.Contains(tc.want, "within 1s") {
				entry.TimeoutSeconds = ptr.To[int32](1)
			}
			err := newBench(t).Silences(entry).Keep(t.Context(), want, time.Hour)
			if err == nil || !strings.Contains(Readable(err), tc.want) || strings.Contains(Readable(err), "secret") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSilencesFollowTheRulesOfGates(t *testing.T) {
	entry, want := silenced("http://127.0.0.1:1", "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
	b := newBench(t)
	if err := b.Silences(entry).End(t.Context(), want, 0); err == nil || Readable(err) != "http://127.0.0.1:1: the connection is refused." {
		t.Errorf("got %v of nobody", err)
	}
	b.options.AllowedCIDRs = nil
	if _, err := b.Silences(entry).List(t.Context()); err == nil || !strings.Contains(Readable(err), localProblem) {
		t.Errorf("got %v of an address that is not asked", err)
	}
	entry.Auth = &v1alpha1.GateAuth{BearerToken: key("token")}
	if _, err := b.Silences(entry).List(t.Context()); err == nil || Readable(err) != "there is no Secret operator/reboot-operator-gates." {
		t.Errorf("got %v without credentials", err)
	}
}

func flush(w http.ResponseWriter) {
	if f, is := w.(http.Flusher); is {
		f.Flush()
	}
}

// endlessSilences lists the same silence for as long as it is read.
func endlessSilences(w http.ResponseWriter, _ *http.Request) {
	one := []byte(`{"id": "a", "comment": "` + strings.Repeat("x", 1<<19) + `", "matchers": []},`)
	_, err := w.Write([]byte("["))
	for err == nil {
		_, err = w.Write(one)
	}
}

func TestASilenceThatIsTakenForAnotherIsEnded(t *testing.T) {
	s := newFakeAlertmanager(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			_, _ = w.Write([]byte(`{"silenceID": "a"}`))
		case r.URL.Path == "/api/v2/silence/a": // as versions before 0.22 do
			_, _ = w.Write([]byte(`{"id": "a", "matchers": [{"name": "node", "value": "node-1", "isRegex": false}]}`))
		default:
			_, _ = w.Write([]byte("[]"))
		}
	})
	entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"), matcher("a", v1alpha1.MatchNotEqual, "b"))
	err := newBench(t).Silences(entry).Keep(t.Context(), want, time.Hour)
	if err == nil || !strings.Contains(Readable(err), "it does not support matchers with != and !~: use Alertmanager 0.22 or later") {
		t.Errorf("got %v", err)
	}
	if last := s.requests[len(s.requests)-1]; last != "DELETE /api/v2/silence/a" {
		t.Errorf("requests %v", s.requests)
	}
}

func TestTheEndOfASilenceIsByTheClockOfTheAlertmanager(t *testing.T) {
	date := testNow.Add(3 * time.Hour)
	s := newFakeAlertmanager(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		if r.Method == http.MethodPost {
			_, _ = w.Write([]byte(`{"silenceID": "a"}`))
			return
		}
		_, _ = w.Write([]byte("[]"))
	})
	entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
	silences := newBench(t).Silences(entry)
	if err := silences.Keep(t.Context(), want, 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	body := s.bodies[len(s.bodies)-1]
	if body["startsAt"] != "2026-03-01T15:00:00Z" || body["endsAt"] != "2026-03-01T15:10:00Z" {
		t.Errorf("it lasts from %v to %v", body["startsAt"], body["endsAt"])
	}
	err := silences.End(t.Context(), want, 0)
	const problem = "it accepted a silence that is now to be ended, and does not list it."
	if !errors.Is(err, ErrNotListed) || !strings.Contains(Readable(err), problem) {
		t.Errorf("got %v of one that has not heard of the silence", err)
	}
}

func TestAGateDoesNotGoByAnAlertmanagerThatDoesNotSayWhoseASilenceIs(t *testing.T) {
	s := newFakeAlertmanager(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/alerts") {
			_, _ = w.Write([]byte(`[{"labels": {"alertname": "A"}, "status": {"silencedBy": ["x"]}},
				{"labels": {"alertname": "B"}, "status": {"inhibitedBy": ["y"]}}]`))
			return
		}
		http.NotFound(w, r)
	})
	b := newBench(t)
	b.alertmanager(s.URL)
	answer := b.answer(model.GateAlertmanager, "g")
	if answer == nil || answer.Failure != s.URL+": it does not list a silence that hides an alert: a gate also needs GET "+
		"/api/v2/silence/..., also where there is a proxy." {
		t.Errorf("answer %+v", answer)
	}
}
