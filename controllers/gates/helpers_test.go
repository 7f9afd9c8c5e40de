package gates

import (
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/copies"
	"github.com/reboot-operator/reboot-operator/test/fatpods"
)

const testNamespace = "operator"

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestMain: whatever needs no network is tried in a bubble of testing/synctest. Its time passes only when nothing else can happen, so that
// nothing depends on how busy the machine is.
func TestMain(m *testing.M) {
	// The default handlers slow errors down by a clock that is outside of every bubble.
	utilruntime.ErrorHandlers = nil
	os.Exit(m.Run())
}

// bench is an Asker with one policy, a clock that stands still, and a count of how often it had something new to say.
type bench struct {
	*Asker
	t       *testing.T
	clock   *clocktesting.FakePassiveClock
	policy  *v1alpha1.RebootPolicy
	pods    *kubernetesfake.Clientset
	changes chan struct{}
}

func newBench(t *testing.T, objects ...client.Object) *bench {
	t.Helper()
	live := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(copies.Of(objects)...).Build()
	b := newBenchWith(t, live)
	b.has(objects...)
	return b
}

// inRealTime has the bench use the clock of its bubble.
func (b *bench) inRealTime() { b.options.Clock, b.turns.clock = clock.RealClock{}, clock.RealClock{} }

// has gives the cluster further nodes, pods and volumes.
func (b *bench) has(objects ...client.Object) {
	b.t.Helper()
	for _, object := range copies.Of(objects) {
		if err := b.pods.Tracker().Add(object); err != nil {
			b.t.Fatal(err)
		}
	}
}

func newBenchWith(t *testing.T, live client.Reader) *bench {
	t.Helper()
	b := &bench{
		t: t, clock: clocktesting.NewFakePassiveClock(testNow), pods: kubernetesfake.NewClientset(),
		policy:  &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: types.UID("uid-p"), Generation: 1}},
		changes: make(chan struct{}, 1000),
	}
	b.Asker = New(Options{
		Live: live, Objects: live, Pods: fakePods{b.pods.CoreV1()}, ListPods: fatpods.Lister(b.pods.CoreV1()),
		Core: fakeCore{b.pods.CoreV1()}, Storage: b.pods.StorageV1(), Namespace: testNamespace, Clock: b.clock,
		AllowedCIDRs: prefixes("127.0.0.0/8", "::1/128"),
	})
	b.Start(t.Context(), func() { b.changes <- struct{}{} })
	return b
}

func (b *bench) question(kind model.GateKind, gate string) model.GateKey {
	return model.GateKey{Policy: b.policy.Name, Generation: b.policy.Generation, Kind: kind, Gate: gate}
}

// pass is what one pass does: it asks this and nothing else, and waits no longer than a pass does.
func (b *bench) pass(asks ...model.GateQuery) map[model.GateKey]model.GateAnswer {
	b.t.Helper()
	policies := []*v1alpha1.RebootPolicy{b.policy}
	answers := b.Answer(b.t.Context(), policies, asks)
	b.Keep(policies, asks)
	return answers
}

// ask asks this and nothing else, and waits for all answers, however long they take: on a busy machine a pass is over before.
func (b *bench) ask(asks ...model.GateQuery) map[model.GateKey]model.GateAnswer {
	b.t.Helper()
	b.pass(asks...)
	b.settle() // What was asked may have been answered after the pass looked, so a second pass looks in any case.
	return b.pass(asks...)
}

// inOnePass is the answer of one gate; nil if there is none that can be used within the time that a pass takes.
func (b *bench) inOnePass(kind model.GateKind, gate string) *model.GateAnswer {
	b.t.Helper()
	return theAnswer(b.question(kind, gate), b.pass)
}

// answer waits for the answer of one gate; nil if it has none that can be used.
func (b *bench) answer(kind model.GateKind, gate string) *model.GateAnswer {
	b.t.Helper()
	return theAnswer(b.question(kind, gate), b.ask)
}

func theAnswer(q model.GateKey, ask func(...model.GateQuery) map[model.GateKey]model.GateAnswer) *model.GateAnswer {
	answer, known := ask(model.GateQuery{GateKey: q})[q]
	if !known {
		return nil
	}
	return &answer
}

// later lets an answer grow old, and asks again.
func (b *bench) later(kind model.GateKind, gate string) *model.GateAnswer {
	b.t.Helper()
	b.clock.SetTime(b.clock.Now().Add(Interval))
	return b.answer(kind, gate)
}

// settle waits for everything that is being asked.
func (b *bench) settle() {
	b.t.Helper()
	b.mu.Lock()
	var running []chan struct{}
	for _, e := range b.entries {
		if e.done != nil {
			running = append(running, e.done)
		}
	}
	b.mu.Unlock()
	for _, done := range running {
		await.Receive(b.t, "the answer to a question", done)
	}
}

// awaitChange waits until a pass is asked for.
func (b *bench) awaitChange() {
	b.t.Helper()
	await.Receive(b.t, "a pass is asked for", b.changes)
}

func connection(onError v1alpha1.Requirement) v1alpha1.GateConnection {
	return v1alpha1.GateConnection{TimeoutSeconds: ptr.To[int32](60), OnError: onError}
}

func (b *bench) queries(url, query string) {
	b.policy.Spec.Gates.Prometheus = []v1alpha1.PrometheusGate{{
		Name: "g", URL: url, Query: query, GateConnection: connection(v1alpha1.Require),
	}}
}

func (b *bench) alerts(url string, filter v1alpha1.AlertFilter) {
	b.policy.Spec.Gates.Prometheus = []v1alpha1.PrometheusGate{{
		Name: "g", URL: url, Alerts: &filter, GateConnection: connection(v1alpha1.Require),
	}}
}

func (b *bench) alertmanager(url string, matchers ...v1alpha1.LabelMatcher) {
	b.policy.Spec.Gates.Alertmanager = []v1alpha1.AlertmanagerGate{{
		Name: "g", URL: url, Matchers: matchers, GateConnection: connection(v1alpha1.Require),
	}}
}

func matcher(name string, match v1alpha1.MatchType, value string) v1alpha1.LabelMatcher {
	return v1alpha1.LabelMatcher{Name: name, MatchType: match, Value: &value}
}

func (b *bench) objects(gate v1alpha1.ObjectGate) {
	gate.Name, gate.TimeoutSeconds = "g", ptr.To[int32](60)
	b.policy.Spec.Gates.Objects = []v1alpha1.ObjectGate{gate}
}

func secret(name string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: name}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

// allow lets the credentials of a Secret go to servers.
func allow(secret *corev1.Secret, hosts string) {
	secret.Annotations = map[string]string{v1alpha1.AllowedHostsAnnotation: hosts}
}

// fakePods lists first and then watches: the fake client cannot do both in one.
type fakePods struct{ typedcorev1.PodsGetter }

// fakeCore does the same.
type fakeCore struct{ typedcorev1.CoreV1Interface }

// IsWatchListSemanticsUnSupported is what client-go asks.
func (fakeCore) IsWatchListSemanticsUnSupported() bool { return true }

// IsWatchListSemanticsUnSupported is what client-go asks.
func (fakePods) IsWatchListSemanticsUnSupported() bool { return true }

// answer writes what a server answers; it does not matter that the client has gone away.
func answer(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

func prefixes(all ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, 0, len(all))
	for _, prefix := range all {
		parsed = append(parsed, netip.MustParsePrefix(prefix))
	}
	return parsed
}
