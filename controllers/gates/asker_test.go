package gates

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// source is what a gate looks at, of which a test decides what it answers, and when.
type source struct {
	asked, atOnce   atomic.Int32
	blocked, broken atomic.Bool
	// hold holds up answers while it is full.
	hold chan struct{}
}

// newSource has a gate of a bench look at it. It is for bubbles, where a pass that waits in vain takes patience, and any other no time.
func newSource(t *testing.T) (*source, *bench) {
	t.Helper()
	s := &source{hold: make(chan struct{}, 1)}
	base := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	b := newBenchWith(t, interceptor.NewClient(base, interceptor.Funcs{List: s.list}))
	b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Kind: "ConfigMap", Expression: "object.metadata.name == 'well'"})
	return s, b
}

func (s *source) list(ctx context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
	s.asked.Add(1)
	s.atOnce.Add(1)
	defer s.atOnce.Add(-1)
	select {
	case s.hold <- struct{}{}:
		<-s.hold
	case <-ctx.Done():
		return ctx.Err()
	}
	name := "well"
	switch {
	case s.broken.Load():
		return errors.New("broken")
	case s.blocked.Load():
		name = "ill"
	}
	objects, ok := list.(*unstructured.UnstructuredList)
	if !ok {
		return fmt.Errorf("a list of type %T", list)
	}
	objects.Items = []unstructured.Unstructured{{Object: map[string]any{"metadata": map[string]any{"name": name}}}}
	return nil
}

// hang makes the source hold up its answers until it is let go.
func (s *source) hang() (letGo func()) {
	s.hold <- struct{}{}
	return func() { <-s.hold }
}

func TestAnAnswerIsAskedForOnceInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSource(t)
		for range 5 {
			b.inOnePass(model.GateObjects, "g")
		}
		if asked := s.asked.Load(); asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
		b.clock.SetTime(testNow.Add(Interval - time.Nanosecond))
		b.inOnePass(model.GateObjects, "g")
		if asked := s.asked.Load(); asked != 1 {
			t.Errorf("asked %d times at the end of the interval, want once", asked)
		}
		b.clock.SetTime(testNow.Add(Interval))
		answer := b.inOnePass(model.GateObjects, "g")
		if asked := s.asked.Load(); asked != 2 || answer == nil || !answer.Until.Equal(testNow.Add(2*Interval)) {
			t.Errorf("asked %d times after the interval, answer %+v", asked, answer)
		}
		if len(b.changes) > 0 {
			t.Errorf("%d passes were asked for by answers that a pass has waited for", len(b.changes))
		}
	})
}

func TestNothingStartsOnAnOldAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSource(t)
		if answer := b.inOnePass(model.GateObjects, "g"); answer == nil || answer.Obstacle != "" || answer.Failure != "" {
			t.Fatalf("answer %+v", answer)
		}
		letGo := s.hang()
		b.clock.SetTime(testNow.Add(Interval))
		if answer := b.inOnePass(model.GateObjects, "g"); answer != nil {
			t.Errorf("an old answer was used: %+v", answer)
		}
		s.blocked.Store(true)
		letGo()
		b.awaitChange()
		if answer := b.inOnePass(model.GateObjects, "g"); answer == nil || answer.Obstacle == "" {
			t.Errorf("answer %+v, want the obstacle", answer)
		}
	})
}

// slow is longer than an answer is good for.
const slow = Interval + time.Second

func TestAnAnswerThatTookLongIsGoodForAsLongAsItTook(t *testing.T) {
	b := newBench(t)
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		b.clock.SetTime(b.clock.Now().Add(slow))
		answer(w, "[]")
	}))
	defer s.Close()
	b.alertmanager(s.URL)
	got := b.answer(model.GateAlertmanager, "g")
	if got == nil || !got.Until.Equal(testNow.Add(2*slow)) || asked.Load() != 1 {
		t.Fatalf("asked %d times, answer %+v; want one that is good for as long as it took", asked.Load(), got)
	}
	b.clock.SetTime(b.clock.Now().Add(slow - time.Nanosecond))
	if got := b.answer(model.GateAlertmanager, "g"); got == nil || asked.Load() != 1 {
		t.Errorf("asked %d times, answer %+v at the end of that time", asked.Load(), got)
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
	if got := b.answer(model.GateAlertmanager, "g"); got == nil || got.Failure == "" || !got.Since.Equal(testNow) {
		t.Errorf("answer %+v, want a failure since the question", got)
	}
}

func TestWhatIsInTheWayStaysInTheWayWhileItIsAskedAgainAndNoPassWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSource(t)
		s.blocked.Store(true)
		first := b.inOnePass(model.GateObjects, "g")
		letGo := s.hang()
		b.clock.SetTime(testNow.Add(Interval))
		began := time.Now()
		again := b.inOnePass(model.GateObjects, "g")
		if again == nil || again.Obstacle == "" || again.Obstacle != first.Obstacle || !again.Until.IsZero() {
			t.Errorf("answer %+v while it is asked again, want that of before without a time", again)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the pass waited for %s", took)
		}
		s.blocked.Store(false)
		letGo()
		b.awaitChange()
		if answer := b.inOnePass(model.GateObjects, "g"); answer == nil || answer.Obstacle != "" {
			t.Errorf("answer %+v, want that nothing is in the way", answer)
		}
	})
}

func TestASourceThatHangsIsWaitedForOnceAndIsAnErrorAtItsTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSource(t)
		b.policy.Spec.Gates.Objects[0].TimeoutSeconds = ptr.To[int32](2)
		defer s.hang()()
		began := time.Now()
		for pass, want := range []time.Duration{patience, 0} {
			passBegan := time.Now()
			if answer := b.inOnePass(model.GateObjects, "g"); answer != nil {
				t.Errorf("answer %+v of a source that hangs", answer)
			}
			if took := time.Since(passBegan); took != want {
				t.Errorf("pass %d waited for %s, want %s", pass, took, want)
			}
		}
		b.awaitChange()
		answer := b.inOnePass(model.GateObjects, "g")
		if took := time.Since(began); answer == nil || answer.Failure != "there was no answer within 2s." || took != 2*time.Second {
			t.Errorf("answer %+v after %s", answer, took)
		}
	})
}

func TestAFailureThatIsIgnoredDoesNotOutliveItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSource(t)
		b.policy.Spec.Gates.Objects[0].OnError = v1alpha1.Ignore
		s.broken.Store(true)
		if answer := b.inOnePass(model.GateObjects, "g"); answer == nil || answer.Failure == "" {
			t.Fatalf("answer %+v", answer)
		}
		defer s.hang()()
		b.clock.SetTime(testNow.Add(Interval))
		if answer := b.inOnePass(model.GateObjects, "g"); answer != nil {
			t.Errorf("an old failure was used, and would be ignored: %+v", answer)
		}
	})
}

func TestWhatIsNoLongerAskedIsForgottenAndStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSource(t)
		defer s.hang()()
		b.inOnePass(model.GateObjects, "g")
		b.pass()
		synctest.Wait()
		if asking := s.atOnce.Load(); asking > 0 || len(b.entries) > 0 || len(b.changes) > 0 {
			t.Errorf("%d questions are asked, %d are known, %d passes were asked for", asking, len(b.entries), len(b.changes))
		}
	})
}

func TestAllGatesOfSomePoliciesAreAskedAtOnceAndNoMoreThanThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newSource(t)
		policies, asks := manyPolicies(b.policy, 2*parallel, 3)
		letGo := s.hang()
		b.Answer(t.Context(), policies, asks)
		synctest.Wait()
		if asked := s.atOnce.Load(); asked != 3*parallel {
			t.Errorf("%d are asked at once, want the 3 of each of %d policies", asked, parallel)
		}
		letGo()
		synctest.Wait()
		if answers := b.Answer(t.Context(), policies, asks); len(answers) != len(asks) || int(s.asked.Load()) != len(asks) {
			t.Errorf("%d answers, asked %d times, want %d", len(answers), s.asked.Load(), len(asks))
		}
	})
}

// manyPolicies have so many gates each, like the first one of a policy.
func manyPolicies(like *v1alpha1.RebootPolicy, count, gates int) (policies []*v1alpha1.RebootPolicy, asks []model.GateQuery) {
	for i := range count {
		policy := like.DeepCopy()
		policy.Name = fmt.Sprintf("p%d", i)
		gate := policy.Spec.Gates.Objects[0]
		policy.Spec.Gates.Objects = nil
		for j := range gates {
			gate.Name = fmt.Sprintf("g%d", j)
			policy.Spec.Gates.Objects = append(policy.Spec.Gates.Objects, gate)
			asks = append(asks, model.GateQuery{GateKey: model.GateKey{
				Policy: policy.Name, Generation: policy.Generation, Kind: model.GateObjects, Gate: gate.Name,
			}})
		}
		policies = append(policies, policy)
	}
	return policies, asks
}

func TestAQuestionAboutAGateThatIsGoneHasNoAnswer(t *testing.T) {
	b := newBench(t)
	for _, k := range kinds {
		if answer := b.answer(k.kind, "g"); answer != nil {
			t.Errorf("%s: %+v", k.kind, answer)
		}
	}
	b.alertmanager("http://a")
	older := b.question(model.GateAlertmanager, "g")
	b.policy.Generation++
	if answers := b.ask(model.GateQuery{GateKey: older}); len(answers) > 0 {
		t.Errorf("an older spec was answered: %v", answers)
	}
}

func TestWhatDoesNotCompileIsSaidOfThePolicy(t *testing.T) {
	selector := "gates.objects[g]."
	for name, tc := range map[string]struct {
		change func(*bench)
		want   string
	}{
		"what compiles":            {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "object.data.a == 'b'"}) }, ""},
		"a name that is not known": {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "self.data.a == 'b'"}) }, selector + "expression: line 1, column 1: undeclared reference to 'self'; the object is called object"},
		"half an expression":       {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "object.data.a =="}) }, "gates.objects[g].expression: line 1, column 17: Syntax error: mismatched input '<EOF>'; the expression ends too soon"},
		"what is no condition":     {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expression: "size(object.data)"}) }, "the expression gives a int: write one that is true or false"},
		"an API version":           {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "a/b/c", Expression: "true"}) }, "gates.objects[g].apiVersion: unexpected GroupVersion string: a/b/c"},
		"no expression":            {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1"}) }, "gates.objects[g].expression: write one that is true for every object, or 'expect: None'"},
		"no expression for none":   {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Expect: v1alpha1.ExpectNone}) }, ""},
		"a Secret":                 {func(b *bench) { b.objects(v1alpha1.ObjectGate{APIVersion: "v1", Kind: "Secret", Expression: "true"}) }, "gates.objects[g].kind: gates do not read Secrets"},
		"after a reboot": {func(b *bench) {
			b.policy.Spec.Recovery.Objects = []v1alpha1.ObjectGate{{Name: "g", APIVersion: "v1", Expression: "1 +"}}
		}, "recovery.objects[g].expression: line 1, column 4: Syntax error"},
		"names to ignore":      {func(b *bench) { b.alerts("http://p", v1alpha1.AlertFilter{Ignore: "("}) }, "gates.prometheus[g].alerts.ignore: error parsing regexp"},
		"names to look at":     {func(b *bench) { b.alerts("http://p", v1alpha1.AlertFilter{Only: "("}) }, "alerts.only: error parsing regexp"},
		"a value":              {func(b *bench) { b.alertmanager("http://a", matcher("x", v1alpha1.MatchRegexp, "*")) }, "gates.alertmanager[g].matchers: x: error parsing regexp"},
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
