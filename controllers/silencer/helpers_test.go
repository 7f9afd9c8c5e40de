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
	// silences are all that were ever made, and writes what was written, with the time since the beginning.
	silences []*fakeSilence
	writes   []string
	lists    int
	// fails every request, and hangs says that it takes as long as it may. With secretly, what is to be kept is kept nevertheless. Refuses is
	// the answer about single nodes, lostList the answer to every list, and blind hides from each request what was made before.
	fails    error
	hangs    bool
	secretly bool
	refuses  map[string]error
	lostList error
	blind    bool
}

// fakeSilence is one silence at a fakeServer.
type fakeSilence struct {
	silence.Silence
	until time.Time
}

func (s *fakeSilence) active() bool { return time.Now().Before(s.until) }

func newFakeServer() *fakeServer { return &fakeServer{began: time.Now()} }

// errNoAnswer is that of a server which says nothing.
var errNoAnswer = gates.Unanswered(errors.New("no answer"))

func (f *fakeServer) answer(ctx context.Context, node string) error {
	f.mu.Lock()
	hangs, fails := f.hangs, f.fails
	if err := f.refuses[node]; err != nil {
		fails = err
	}
	f.mu.Unlock()
	if hangs {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
		return errNoAnswer
	}
	return fails
}

func (f *fakeServer) List(ctx context.Context) ([]gates.Lasting, error) {
	err := f.answer(ctx, "")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if err != nil {
		return nil, err
	}
	var list []gates.Lasting
	for _, s := range f.silences {
		if s.active() && !f.blind {
			list = append(list, gates.Lasting{Silence: s.Silence, For: time.Until(s.until)})
		}
	}
	return list, f.lostList // with what was read before the connection broke
}

// listed is how often silences were listed.
func (f *fakeServer) listed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lists
}

// Keep changes the first silence that is the same, or makes one.
func (f *fakeServer) Keep(ctx context.Context, s *silence.Silence, lasts time.Duration) error {
	err := f.answer(ctx, s.Node)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(err, "keep", s, lasts.String())
	if err != nil && !f.secretly {
		return err
	}
	until := time.Now().Add(lasts)
	same := slices.IndexFunc(f.silences, func(known *fakeSilence) bool { return known.Key == s.Key && known.active() })
	if same < 0 || f.blind {
		f.silences = append(f.silences, &fakeSilence{*s, until})
		return err
	}
	f.silences[same].until = until
	return err
}

func (f *fakeServer) End(ctx context.Context, s *silence.Silence, _ time.Duration) error {
	err := f.answer(ctx, s.Node)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(err, "end", s, "")
	if err != nil {
		return err
	}
	known := false
	for _, one := range f.silences {
		if one.Key != s.Key {
			continue
		}
		if known = true; one.active() {
			one.until = time.Now()
		}
	}
	if !known {
		return gates.ErrNotListed
	}
	return nil
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

// active counts the silences that hide alerts now.
func (f *fakeServer) active() int {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.silences {
		if s.active() {
			n++
		}
	}
	return n
}

// set has every request fail, or hang.
func (f *fakeServer) set(fails error, hangs bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails, f.hangs = fails, hangs
}

// refuse has all requests about a node fail.
func (f *fakeServer) refuse(node string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses == nil {
		f.refuses = map[string]error{}
	}
	f.refuses[node] = err
}

// bench is a Silencer in a bubble, and a server by URL.
type bench struct {
	*Silencer
	servers map[string]*fakeServer
	policy  *v1alpha1.RebootPolicy
	reboots map[string]*v1alpha1.NodeReboot
	stop    context.CancelFunc
	// mu is held by passes, and by what changes what they see.
	mu sync.Mutex

	counting sync.Mutex
	// changes is how often a pass was asked for. With deaf, there is none then: passes fail.
	changes int
	deaf    bool
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

// start has passes made that are asked for, one after the other, as the controller does.
func (b *bench) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b.stop = stop
	asked := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
				if !b.isDeaf() {
					b.pass()
				}
			}
		}
	}()
	b.Start(ctx, func() {
		b.counting.Lock()
		b.changes++
		b.counting.Unlock()
		select {
		case asked <- struct{}{}:
		default:
		}
	})
}

// change changes what passes see.
func (b *bench) change(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// passes is how many were asked for.
func (b *bench) passes() int {
	synctest.Wait()
	b.counting.Lock()
	defer b.counting.Unlock()
	return b.changes
}

func (b *bench) isDeaf() bool {
	b.counting.Lock()
	defer b.counting.Unlock()
	return b.deaf
}

// goDeaf has all passes fail from now on.
func (b *bench) goDeaf() {
	b.counting.Lock()
	defer b.counting.Unlock()
	b.deaf = true
}

func entry(url, value string) v1alpha1.AlertSilence {
	return v1alpha1.AlertSilence{
		Name: "node-alerts", URL: url, DurationSeconds: ptr.To[int32](600), LingerSeconds: ptr.To[int32](0),
		Matchers: []v1alpha1.LabelMatcher{{Name: "node", MatchType: v1alpha1.MatchEqual, Value: &value}},
	}
}

// underWay has an attempt begin on nodes.
func (b *bench) underWay(nodes ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, node := range nodes {
		r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "r" + node, UID: "uid"}, Spec: v1alpha1.NodeRebootSpec{NodeName: node}}
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, PolicyName: "p"}
		b.reboots[node] = r
	}
}

// pass is what a pass does.
func (b *bench) pass() {
	b.mu.Lock()
	defer b.mu.Unlock()
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
