package gates

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	typedstoragev1 "k8s.io/client-go/kubernetes/typed/storage/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/podstream"
)

const (
	// Interval is for how long an answer is good that did not take longer, and how often a gate is asked that has something in the way.
	Interval = 15 * time.Second
	// patience is how long a pass waits for answers that it needs and does not have.
	patience = time.Second
)

// Options of an Asker.
type Options struct {
	// Live reads from the API server.
	Live client.Reader
	// Objects reads from the API server what gates of objects may look at.
	Objects client.Reader
	// Pods watches pods, and ListPods lists them.
	Pods     typedcorev1.PodsGetter
	ListPods podstream.Lister
	// Core and Storage watch what room there is.
	Core    typedcorev1.CoreV1Interface
	Storage typedstoragev1.StorageV1Interface
	// Namespace of the Secrets with credentials.
	Namespace string
	// AllowedCIDRs are addresses that gates may ask although they are loopback, link-local or those of metadata services.
	AllowedCIDRs []netip.Prefix
	Clock        clock.PassiveClock
	// Log gets what is not to be read by everyone who can read a NodeReboot.
	Log logr.Logger
}

// Asker asks gates. Its methods belong to one worker.
type Asker struct {
	options Options
	// ctx ends everything that goes on in the background.
	ctx context.Context
	// changed says that there is something new to know.
	changed func()
	turns   *turns
	pods    map[podSource]*podWatch
	checked map[types.UID]checkedPolicy
	stock   stock

	mu      sync.Mutex
	entries map[model.GateKey]*entry
	// slowest is how long the slowest gate of each policy took to answer last.
	slowest map[string]time.Duration
}

// entry is a question that is being asked, and its last answer.
type entry struct {
	// ignores: that there is no answer is not in the way.
	ignores bool
	stop    context.CancelFunc
	// done is closed at the end of what runs; nil while nothing does.
	done chan struct{}
	// awaited: a pass waits for the answer, so it need not be notified that there is one.
	awaited bool
	answer  *model.GateAnswer
	// at is when what the answer says was so, and took is how long it took to find out.
	at   time.Time
	took time.Duration
}

// New makes an Asker that can answer once it was started.
func New(options Options) *Asker {
	return &Asker{
		options: options, turns: newTurns(options.Clock), pods: map[podSource]*podWatch{},
		checked: map[types.UID]checkedPolicy{}, entries: map[model.GateKey]*entry{},
	}
}

// Start lets the Asker work until the context ends. It says when there is something new to know.
func (a *Asker) Start(ctx context.Context, changed func()) {
	a.ctx, a.changed = ctx, changed
}

// Answer returns the answers that are known, and has the others found out.
func (a *Asker) Answer(ctx context.Context, policies []*v1alpha1.RebootPolicy, asks []model.GateQuery) map[model.GateKey]model.GateAnswer {
	now := a.options.Clock.Now()
	a.stock.note(policies)
	var awaited []<-chan struct{}
	for _, ask := range asks {
		switch gate := find(policies, ask.GateKey).(type) {
		case watched:
			awaited = append(awaited, a.watch(gate.sources())...)
		case asked:
			awaited = append(awaited, a.begin(gate, ask, now)...)
		}
	}
	wait(ctx, awaited)
	a.noneAwaited()
	a.findSlowest()
	answers := make(map[model.GateKey]model.GateAnswer, len(asks))
	for _, ask := range asks {
		var answer model.GateAnswer
		known := false
		switch gate := find(policies, ask.GateKey).(type) {
		case watched:
			answer, known = gate.answer(a)
		case asked:
			answer, known = a.known(ask.GateKey, a.options.Clock.Now())
		}
		if known {
			answers[ask.GateKey] = answer
		}
	}
	return answers
}

// wait is until all are done, or patience ends.
func wait(ctx context.Context, awaited []<-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, done := range awaited {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Asker) noneAwaited() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.entries {
		e.awaited = false
	}
}

// begin has a question asked if that is due. It returns what to wait for: it does not wait for a question that has an answer which can be
// used in the meantime, or for which an earlier pass has already waited without result.
func (a *Asker) begin(gate asked, ask model.GateQuery, now time.Time) []<-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[ask.GateKey]
	if e == nil {
		e = &entry{ignores: gate.onError() == v1alpha1.Ignore}
		a.entries[ask.GateKey] = e
	}
	if e.done != nil || e.fresh(now) && e.looked(ask) {
		return nil
	}
	ctx, stop := context.WithCancel(a.ctx)
	done := make(chan struct{})
	e.stop, e.done = stop, done
	go a.run(ctx, gate, ask, e, done)
	if e.blocks() && e.looked(ask) {
		return nil
	}
	e.awaited = true
	return []<-chan struct{}{done}
}

// run asks one question.
func (a *Asker) run(ctx context.Context, gate asked, ask model.GateQuery, e *entry, done chan struct{}) {
	var next entry
	if a.turns.take(ctx, ask.Policy) {
		next = a.evaluate(ctx, gate, ask)
		a.turns.leave(ask.Policy)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(done)
	e.stop()
	e.done = nil
	if a.entries[ask.GateKey] != e || next.answer == nil {
		return // nobody asks anymore
	}
	e.take(next)
	if !e.awaited {
		a.changed()
	}
}

// evaluate asks one gate, and says when what it answers was so: at the end of asking. Otherwise an answer that takes longer than it is good
// for could never be used. The time limit is for the answer alone: how long a gate waits for its turn is not its fault.
func (a *Asker) evaluate(ctx context.Context, gate asked, ask model.GateQuery) entry {
	ctx, stop := context.WithTimeout(ctx, gate.timeout())
	defer stop()
	began := a.options.Clock.Now()
	reply, err := gate.ask(ctx, a, ask)
	at := a.options.Clock.Now()
	if err != nil {
		a.options.Log.V(1).Info("a gate gave no answer", "policy", ask.Policy, "gate", ask.Gate, "reason", detail(err))
		reply.GateAnswer = model.GateAnswer{Failure: failure(ctx, err, gate.timeout()), Since: began}
	}
	return entry{answer: &reply.GateAnswer, at: at, took: at.Sub(began)}
}

// take replaces the last answer.
func (e *entry) take(next entry) {
	last, answer := e.answer, next.answer
	switch {
	case answer.Failure == "" && len(answer.Nodes) > 0 && last != nil && next.at.Before(e.at.Add(restAfter(e.took))):
		// It is about nodes further down the line. What is known of the others stays valid for as long as it would have been otherwise.
		for node, lack := range last.Nodes {
			if _, newer := answer.Nodes[node]; !newer {
				answer.Nodes[node] = lack
			}
		}
		next.at, next.took = e.at, e.took
	case answer.Failure != "" && last != nil && last.Failure != "":
		answer.Since = last.Since
	}
	e.answer, e.at, e.took = answer, next.at, next.took
}

// known is the answer to a question, if there is one that can be used.
func (a *Asker) known(question model.GateKey, now time.Time) (model.GateAnswer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entries[question]
	if e == nil || e.answer == nil {
		return model.GateAnswer{}, false
	}
	answer := *e.answer
	if !e.usable(now, a.slowest[question.Policy]) {
		answer.Stale = true
		if len(answer.Excused) == 0 {
			return model.GateAnswer{}, false
		}
	}
	if e.done == nil && !answer.Stale {
		answer.Until = e.at.Add(restAfter(e.took))
	}
	return answer, true
}

// Keep forgets all questions but these.
func (a *Asker) Keep(policies []*v1alpha1.RebootPolicy, asks []model.GateQuery) {
	needed := make(map[model.GateKey]bool, len(asks))
	sources := map[podSource]bool{}
	for _, ask := range asks {
		needed[ask.GateKey] = true
		if gate, is := find(policies, ask.GateKey).(watched); is {
			for _, source := range gate.sources() {
				sources[source] = true
			}
		}
	}
	a.keepPods(sources)
	a.keepRoom(asks)
	a.mu.Lock()
	defer a.mu.Unlock()
	for question, e := range a.entries {
		if needed[question] {
			continue
		}
		if e.stop != nil {
			e.stop()
		}
		delete(a.entries, question)
	}
}

// restAfter is for how long what took so long to find out is good: as long, so that no gate is asked back to back, and within bounds.
func restAfter(took time.Duration) time.Duration { return min(max(Interval, took), longest) }

// fresh: the gate does not have to be asked again.
func (e *entry) fresh(now time.Time) bool {
	return e.answer != nil && now.Before(e.at.Add(restAfter(e.took)))
}

// usable: the answer says that something is in the way, which it is until a newer answer says otherwise. Or it is good enough to start on:
// no older than the slowest gate of its policy takes to answer. Otherwise the answers of two slow gates would never be good at one time.
func (e *entry) usable(now time.Time, slowest time.Duration) bool {
	return e.blocks() || e.answer != nil && now.Before(e.at.Add(restAfter(slowest)))
}

// blocks: the answer says that something is in the way.
func (e *entry) blocks() bool {
	return e.answer != nil && (e.answer.Obstacle != "" || e.answer.Failure != "" && !e.ignores || e.allBlocked())
}

// findSlowest finds out how long the slowest gate of each policy took to answer.
func (a *Asker) findSlowest() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.slowest = map[string]time.Duration{}
	for question, e := range a.entries {
		a.slowest[question.Policy] = max(a.slowest[question.Policy], e.took)
	}
}

// allBlocked: the answer is about single nodes, and none of them may go.
func (e *entry) allBlocked() bool {
	for _, lack := range e.answer.Nodes {
		if lack == "" {
			return false
		}
	}
	return len(e.answer.Nodes) > 0
}

// looked: the answer to a question about nodes covers the next node, and all nodes before the first that may go.
func (e *entry) looked(ask model.GateQuery) bool {
	if e.answer == nil || e.answer.Failure != "" {
		return true
	}
	for _, node := range ask.Nodes {
		switch lack, looked := e.answer.Nodes[node]; {
		case !looked:
			return false
		case lack == "":
			return true
		}
	}
	return true
}
