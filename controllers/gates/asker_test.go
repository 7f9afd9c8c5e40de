package gates

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// alertServer is an Alertmanager of which a test decides what it answers, and when.
type alertServer struct {
	*httptest.Server
	asked  atomic.Int32
	alert  atomic.Bool
	broken atomic.Bool
	// gate holds up answers while it is locked.
	hold chan struct{}
}

func newAlertServer(t *testing.T) *alertServer {
	t.Helper()
	s := &alertServer{hold: make(chan struct{}, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		select {
		case s.hold <- struct{}{}:
			<-s.hold
		case <-r.Context().Done():
			return
		}
		switch {
		case s.broken.Load():
			w.WriteHeader(http.StatusBadGateway)
		case s.alert.Load():
			answer(w, `[{"labels":{"alertname":"A"}}]`)
		default:
			answer(w, `[]`)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// hang makes the server hold up its answers until it is let go.
func (s *alertServer) hang() (letGo func()) {
	s.hold <- struct{}{}
	return func() { <-s.hold }
}

func TestAnAnswerIsAskedForOnceInAnInterval(t *testing.T) {
	s := newAlertServer(t)
	b := newBench(t)
	b.alertmanager(s.URL)
	for range 5 {
		b.answer(model.GateAlertmanager, "g")
	}
	if asked := s.asked.Load(); asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	b.clock.SetTime(testNow.Add(Interval - time.Nanosecond))
	b.answer(model.GateAlertmanager, "g")
	if asked := s.asked.Load(); asked != 1 {
		t.Errorf("asked %d times at the end of the interval, want once", asked)
	}
	b.clock.SetTime(testNow.Add(Interval))
	answer := b.answer(model.GateAlertmanager, "g")
	if asked := s.asked.Load(); asked != 2 || !answer.Until.Equal(testNow.Add(2*Interval)) {
		t.Errorf("asked %d times after the interval, answer %+v", asked, answer)
	}
	if len(b.changes) > 0 {
		t.Errorf("%d passes were asked for by answers that a pass has waited for", len(b.changes))
	}
}

func TestNothingStartsOnAnOldAnswer(t *testing.T) {
	s := newAlertServer(t)
	b := newBench(t)
	b.alertmanager(s.URL)
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || answer.Obstacle != "" {
		t.Fatalf("answer %+v", answer)
	}
	letGo := s.hang()
	b.clock.SetTime(testNow.Add(Interval))
	if answer := b.answer(model.GateAlertmanager, "g"); answer != nil {
		t.Errorf("an old answer was used: %+v", answer)
	}
	s.alert.Store(true)
	letGo()
	<-b.changes
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || answer.Obstacle == "" {
		t.Errorf("answer %+v, want the alert", answer)
	}
}

// slow is longer than an answer is good for.
const slow = Interval + time.Second

func TestAnAnswerThatTookLongIsGoodForAsLongAsAnyOther(t *testing.T) {
	b := newBench(t)
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		b.clock.SetTime(b.clock.Now().Add(slow))
		answer(w, "[]")
	}))
	defer s.Close()
	b.alertmanager(s.URL)
	got := b.answerAtLast(model.GateAlertmanager, "g")
	if got == nil || !got.Until.Equal(testNow.Add(slow+Interval)) || asked.Load() != 1 {
		t.Fatalf("asked %d times, answer %+v; want one that is good until an interval after its end", asked.Load(), got)
	}
	b.clock.SetTime(b.clock.Now().Add(Interval - time.Nanosecond))
	if got := b.answer(model.GateAlertmanager, "g"); got == nil || asked.Load() != 1 {
		t.Errorf("asked %d times, answer %+v at the end of the interval", asked.Load(), got)
	}
}

func TestAGateThatFailsAfterALongTimeSaysSinceWhenItWasAsked(t *testing.T) {
	b := newBench(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b.clock.SetTime(b.clock.Now().Add(slow))
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer s.Close()
	b.alertmanager(s.URL)
	if got := b.answerAtLast(model.GateAlertmanager, "g"); got == nil || got.Failure == "" || !got.Since.Equal(testNow) {
		t.Errorf("answer %+v, want a failure since the question", got)
	}
}

func TestWhatIsInTheWayStaysInTheWayWhileItIsAskedAgainAndNoPassWaits(t *testing.T) {
	s := newAlertServer(t)
	b := newBench(t)
	b.alertmanager(s.URL)
	s.alert.Store(true)
	first := b.answer(model.GateAlertmanager, "g")
	letGo := s.hang()
	b.clock.SetTime(testNow.Add(Interval))
	began := time.Now()
	again := b.answer(model.GateAlertmanager, "g")
	if again == nil || again.Obstacle != first.Obstacle || !again.Until.IsZero() {
		t.Errorf("answer %+v while it is asked again, want that of before without a time", again)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the pass took %s", took)
	}
	s.alert.Store(false)
	letGo()
	<-b.changes
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || answer.Obstacle != "" {
		t.Errorf("answer %+v, want that the alert is over", answer)
	}
}

func TestAServerThatHangsIsWaitedForOnceAndIsAnErrorAtItsTimeLimit(t *testing.T) {
	s := newAlertServer(t)
	b := newBench(t)
	b.alertmanager(s.URL)
	b.policy.Spec.Gates.Alertmanager[0].TimeoutSeconds = ptr.To[int32](2)
	letGo := s.hang()
	defer letGo()
	began := time.Now()
	if answer := b.answer(model.GateAlertmanager, "g"); answer != nil {
		t.Errorf("answer %+v of a server that hangs", answer)
	}
	first := time.Since(began)
	if answer := b.answer(model.GateAlertmanager, "g"); answer != nil {
		t.Errorf("answer %+v of a server that hangs", answer)
	}
	if second := time.Since(began) - first; first < patience || second > patience/2 {
		t.Errorf("the first pass took %s, the second %s", first, second)
	}
	<-b.changes
	answer := b.answer(model.GateAlertmanager, "g")
	if answer == nil || answer.Failure != "there was no answer within 2s." {
		t.Errorf("answer %+v after the time limit", answer)
	}
}

func TestAFailureThatIsIgnoredDoesNotOutliveItsInterval(t *testing.T) {
	s := newAlertServer(t)
	b := newBench(t)
	b.alertmanager(s.URL)
	b.policy.Spec.Gates.Alertmanager[0].OnError = v1alpha1.OnErrorIgnore
	s.broken.Store(true)
	if answer := b.answer(model.GateAlertmanager, "g"); answer == nil || answer.Failure == "" {
		t.Fatalf("answer %+v", answer)
	}
	letGo := s.hang()
	defer letGo()
	b.clock.SetTime(testNow.Add(Interval))
	if answer := b.answer(model.GateAlertmanager, "g"); answer != nil {
		t.Errorf("an old failure was used, and would be ignored: %+v", answer)
	}
}

func TestWhatIsNotAskedAnyMoreIsForgottenAndStopped(t *testing.T) {
	s := newAlertServer(t)
	b := newBench(t)
	b.alertmanager(s.URL)
	letGo := s.hang()
	defer letGo()
	b.answer(model.GateAlertmanager, "g")
	b.mu.Lock()
	running := b.entries[b.question(model.GateAlertmanager, "g")].done
	b.mu.Unlock()
	b.ask()
	<-running
	if len(b.entries) > 0 || len(b.changes) > 0 {
		t.Errorf("%d questions are known, %d passes were asked for", len(b.entries), len(b.changes))
	}
}

func TestManyGatesAreAskedAtOnceAndNoMoreThanThat(t *testing.T) {
	// Nobody is answered before as many ask as may.
	var now, most atomic.Int32
	full := make(chan struct{})
	release := sync.OnceFunc(func() { close(full) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == parallel {
			release()
		}
		<-full
		now.Add(-1)
		answer(w, "[]")
	}))
	defer s.Close()
	b := newBench(t)
	var asks []model.GateQuery
	for i := range 2 * parallel {
		name := fmt.Sprintf("g%d", i)
		b.policy.Spec.Gates.Alertmanager = append(b.policy.Spec.Gates.Alertmanager, v1alpha1.AlertmanagerGate{
			Name: name, URL: s.URL, GateConnection: connection(v1alpha1.OnErrorBlock),
		})
		asks = append(asks, model.GateQuery{GateKey: b.question(model.GateAlertmanager, name)})
	}
	answers := b.ask(asks...)
	for len(answers) < len(asks) {
		<-b.changes
		answers = b.ask(asks...)
	}
	if most.Load() != parallel {
		t.Errorf("%d were asked at once", most.Load())
	}
}

func TestAQuestionAboutAGateThatIsGoneHasNoAnswer(t *testing.T) {
	b := newBench(t)
	for _, kind := range []model.GateKind{model.GatePods, model.GatePrometheus, model.GateAlertmanager, model.GateObjects, model.GateRecovery} {
		if answer := b.answer(kind, "g"); answer != nil {
			t.Errorf("%s: %+v", kind, answer)
		}
	}
	b.alertmanager(newAlertServer(t).URL)
	older := b.question(model.GateAlertmanager, "g")
	b.policy.Generation++
	if answers := b.ask(model.GateQuery{GateKey: older}); len(answers) > 0 {
		t.Errorf("an older spec was answered: %v", answers)
	}
}

func TestWhatDoesNotCompileIsSaidOfThePolicy(t *testing.T) {
	selector := "gate g of "
	for name, tc := range map[string]struct {
		change func(*bench)
		want   string
	}{
		"what compiles":            {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "object.data.a == 'b'"}) }, ""},
		"a name that is not known": {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "self.data.a == 'b'"}) }, selector + "gates.objects: expression: ERROR: <input>:1:1: undeclared reference to 'self' (in container '')"},
		"half an expression":       {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "object.data.a =="}) }, "gates.objects: expression: ERROR: <input>:1:17: Syntax error"},
		"what is no condition":     {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "size(object.data)"}) }, "the expression gives a int: write one that is true or false"},
		"an API version":           {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "a/b/c", Expression: "true"}) }, "gates.objects: apiVersion: unexpected GroupVersion string: a/b/c"},
		"after a reboot": {func(b *bench) {
			b.policy.Spec.Recovery.Objects = []v1alpha1.ObjectGate{{Name: "g", APIVersion: "v1", Expression: "1 +"}}
		}, "gate g of recovery.objects: expression: ERROR"},
		"names to ignore":      {func(b *bench) { b.alerts("http://p", v1alpha1.AlertFilter{Ignore: "("}) }, "gates.prometheus: alerts.ignore: error parsing regexp"},
		"names to look at":     {func(b *bench) { b.alerts("http://p", v1alpha1.AlertFilter{Only: "("}) }, "alerts.only: error parsing regexp"},
		"a value":              {func(b *bench) { b.alertmanager("http://a", matcher("x", v1alpha1.MatchRegexp, "*")) }, "gates.alertmanager: matchers: x: error parsing regexp"},
		"a value that is none": {func(b *bench) { b.alertmanager("http://a", matcher("x", v1alpha1.MatchEqual, "*")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tc.change(b)
			got := b.Invalid([]*v1alpha1.RebootPolicy{b.policy})["p"]
			if !strings.Contains(got, tc.want) || tc.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestAPolicyIsCompiledAgainWhenItIsChanged(t *testing.T) {
	b := newBench(t)
	policies := []*v1alpha1.RebootPolicy{b.policy}
	b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "1 +"})
	if b.Invalid(policies)["p"] == "" {
		t.Error("the first is valid")
	}
	b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "true"})
	b.policy.Generation++
	if invalid := b.Invalid(policies); len(invalid) > 0 {
		t.Errorf("the second is %v", invalid)
	}
	if b.Invalid(nil); len(b.checked) > 0 {
		t.Errorf("policies that are gone are known: %v", b.checked)
	}
}
