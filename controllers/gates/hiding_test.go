package gates

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/alertmanager"
)

func TestAnAnswerThatExcusesAlertsIsGoodForWhatItHasInTheWayUntilThereIsANewOne(t *testing.T) {
	s := alertmanager.Start(t)
	b := newBench(t)
	entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
	if err := b.Silences(entry).Keep(t.Context(), want, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.Alert(map[string]string{"alertname": "NodeDown", "node": "node-1"})
	b.alertmanager(s.URL)
	var answer *model.GateAnswer
	for answer == nil || len(answer.Excused) == 0 {
		answer = b.later(model.GateAlertmanager, "g")
	}
	if answer.Stale || answer.Until.IsZero() {
		t.Errorf("answer %+v", answer)
	}
	q := b.question(model.GateAlertmanager, "g")
	b.clock.SetTime(b.clock.Now().Add(Interval))
	old, known := b.known(q, b.clock.Now())
	if !known || !old.Stale || len(old.Excused) != 1 || !old.Until.IsZero() {
		t.Errorf("an old answer: %+v %t", old, known)
	}
}

func TestFewSilencesAreAskedForOneByOne(t *testing.T) {
	for name, tc := range map[string]struct {
		silences int
		want     string
	}{"few": {10, "/api/v2/silence/0"}, "many": {11, "/api/v2/silences"}} {
		t.Run(name, func(t *testing.T) {
			var ids, all []string
			one := func(id string) string {
				return fmt.Sprintf(`{"id": %q, "createdBy": "alice", "comment": "known", "status": {"state": "active"}, "matchers": []}`, id)
			}
			for i := range tc.silences {
				ids, all = append(ids, fmt.Sprintf("%q", fmt.Sprint(i))), append(all, one(fmt.Sprint(i)))
			}
			s := newFakeAlertmanager(t, func(w http.ResponseWriter, r *http.Request) {
				switch _, id, _ := strings.Cut(r.URL.Path, "/silence/"); {
				case id != "":
					_, _ = w.Write([]byte(one(id)))
				case strings.HasSuffix(r.URL.Path, "/alerts"):
					_, _ = w.Write([]byte(`[{"labels": {"alertname": "A"}, "status": {"silencedBy": [` + strings.Join(ids, ",") + `]}}]`))
				default:
					_, _ = w.Write([]byte("[" + strings.Join(all, ",") + "]"))
				}
			})
			b := newBench(t)
			b.alertmanager(s.URL)
			if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || answer.Failure != "" || answer.Obstacle != "" {
				t.Errorf("answer %+v", answer)
			}
			if !strings.HasSuffix(s.requests[1], tc.want) {
				t.Errorf("requests %v, want %s", s.requests, tc.want)
			}
		})
	}
}

func TestASilenceThatCannotBeReadBackIsEnded(t *testing.T) {
	s := newFakeAlertmanager(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			_, _ = w.Write([]byte(`{"silenceID": "a"}`))
		case r.Method == http.MethodGet && r.URL.Path == "/api/v2/silence/a":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write([]byte("[]"))
		}
	})
	entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"), matcher("a", v1alpha1.MatchNotEqual, "b"))
	err := newBench(t).Silences(entry).Keep(t.Context(), want, time.Hour)
	if err == nil || !strings.Contains(Readable(err), "it answers 503 Service Unavailable") || !Answered(err) {
		t.Errorf("got %v", err)
	}
	if last := s.requests[len(s.requests)-1]; last != "DELETE /api/v2/silence/a" {
		t.Errorf("requests %v", s.requests)
	}
}

func TestAnEndOfAnotherSilenceIsNotTheEndOfThisOne(t *testing.T) {
	s := alertmanager.Start(t)
	b := newBench(t)
	b.inRealTime()
	entry, want := silenced(s.URL, "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
	silences := b.Silences(entry)
	if err := silences.Keep(t.Context(), want, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.Expire(s.Active()[0].ID)
	if err := silences.End(t.Context(), want, time.Minute); err != nil {
		t.Errorf("got %v of one that a person ended", err)
	}
	// Made again at another member of the cluster, which this one has not heard of.
	ended := s.Silences()[0].EndsAt
	for time.Since(ended) < 3*time.Second {
		time.Sleep(time.Until(ended.Add(3 * time.Second)))
	}
	if err := silences.End(t.Context(), want, time.Millisecond); !errors.Is(err, ErrNotListed) {
		t.Errorf("got %v of one that ended before", err)
	}
}

func TestWhatAnswersIsToldFromWhatDoesNot(t *testing.T) {
	entry, want := silenced("http://127.0.0.1:1", "node-1", matcher("node", v1alpha1.MatchEqual, "{{ .Node }}"))
	if err := newBench(t).Silences(entry).End(t.Context(), want, 0); err == nil || Answered(err) {
		t.Errorf("got %v of nobody", err)
	}
	s := newFakeAlertmanager(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	entry.URL = s.URL
	if err := newBench(t).Silences(entry).End(t.Context(), want, 0); err == nil || !Answered(err) {
		t.Errorf("got %v of one that forbids it", err)
	}
}
