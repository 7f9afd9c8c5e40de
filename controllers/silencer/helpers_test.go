package silencer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
)

// fakeServer is an Alertmanager in the time of the bubble.
type fakeServer struct {
	mu    sync.Mutex
	began time.Time
	// until is when silences lapse, and writes what was written, with the time since the beginning.
	until  map[silence.Key]time.Time
	all    map[silence.Key]silence.Silence
	writes []string
	lists  int
	// fails every request, and hangs says that it takes as long as it may. With secretly, what is to be kept is kept nevertheless.
	fails    error
	hangs    bool
	secretly bool
}

func newFakeServer() *fakeServer {
	return &fakeServer{began: time.Now(), until: map[silence.Key]time.Time{}, all: map[silence.Key]silence.Silence{}}
}

func (f *fakeServer) answer(ctx context.Context) error {
	f.mu.Lock()
	hangs, fails := f.hangs, f.fails
	f.mu.Unlock()
	if hangs {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
		return errors.New("it hangs")
	}
	return fails
}

func (f *fakeServer) List(ctx context.Context) ([]gates.Lasting, error) {
	err := f.answer(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if err != nil {
		return nil, err
	}
	var list []gates.Lasting
	for key, until := range f.until {
		if lasts := time.Until(until); lasts > 0 {
			list = append(list, gates.Lasting{Silence: f.all[key], For: lasts})
		}
	}
	return list, nil
}

func (f *fakeServer) Keep(ctx context.Context, s *silence.Silence, lasts time.Duration) error {
	err := f.answer(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(err, "keep", s, lasts.String())
	if err == nil || f.secretly {
		f.until[s.Key], f.all[s.Key] = time.Now().Add(lasts), *s
	}
	return err
}

func (f *fakeServer) End(ctx context.Context, s *silence.Silence) error {
	err := f.answer(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(err, "end", s, "")
	if _, known := f.until[s.Key]; err == nil && !known {
		return gates.ErrNotListed
	}
	if err == nil {
		delete(f.until, s.Key)
	}
	return err
}

func (f *fakeServer) note(err error, verb string, s *silence.Silence, more string) {
	if err != nil {
		verb = "failed to " + verb
	}
	f.writes = append(f.writes, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", time.Since(f.began), verb, s.Node, more)))
}

// take returns what was written, and forgets it.
func (f *fakeServer) take() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	writes := f.writes
	f.writes = nil
	return writes
}

func (f *fakeServer) active() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, until := range f.until {
		if time.Now().Before(until) {
			n++
		}
	}
	return n
}

func (f *fakeServer) set(fails error, hangs bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails, f.hangs = fails, hangs
}

// bench is a Silencer in a bubble, and a server by URL.
type bench struct {
	*Silencer
	servers map[string]*fakeServer
	policy  *v1alpha1.RebootPolicy
	reboots map[string]*v1alpha1.NodeReboot
	stop    context.CancelFunc
	changes int
}

func newBench(t *testing.T, servers map[string]*fakeServer) *bench {
	t.Helper()
	b := &bench{servers: servers, reboots: map[string]*v1alpha1.NodeReboot{}}
	b.policy = &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "uid-p"}}
	b.policy.Spec.Silences = []v1alpha1.AlertSilence{entry("http://am", "{{ .Node }}")}
	b.Silencer = New(Options{
		Servers: func(entry *v1alpha1.AlertSilence) Server { return servers[entry.URL] }, Clock: clock.RealClock{}, Log: logr.Discard(),
	})
	b.start(t)
	return b
}

func (b *bench) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b.stop = stop
	var mu sync.Mutex
	b.Start(ctx, func() { mu.Lock(); b.changes++; mu.Unlock() })
}

func entry(url, value string) v1alpha1.AlertSilence {
	return v1alpha1.AlertSilence{
		Name: "node-alerts", URL: url, DurationSeconds: ptr.To[int32](600), LingerSeconds: ptr.To[int32](0),
		Matchers: []v1alpha1.LabelMatcher{{Name: "node", MatchType: v1alpha1.MatchEqual, Value: &value}},
	}
}

// underWay has an attempt begin on nodes.
func (b *bench) underWay(nodes ...string) {
	for _, node := range nodes {
		r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "r" + node, UID: "uid"}, Spec: v1alpha1.NodeRebootSpec{NodeName: node}}
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, PolicyName: "p"}
		b.reboots[node] = r
	}
}

// pass is what a pass does.
func (b *bench) pass() {
	var attempts []silence.Attempt
	for _, r := range b.reboots {
		attempts = append(attempts, silence.Attempt{Reboot: r, Status: &r.Status})
	}
	slices.SortFunc(attempts, func(x, y silence.Attempt) int { return strings.Compare(x.Reboot.Name, y.Reboot.Name) })
	var policies []*v1alpha1.RebootPolicy
	if b.policy != nil {
		policies = append(policies, b.policy)
	}
	b.Want(silence.Wishes(policies, attempts, time.Now()))
}

func want(t *testing.T, when string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: want (-), got (+):\n%s", when, diff)
	}
}
