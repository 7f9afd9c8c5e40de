// Package silencer makes, renews and ends silences in Alertmanagers, as package silence decides. It works alongside the passes: each entry
// of a policy has its own lane, in which one request follows the other, so that an Alertmanager that hangs delays neither a pass nor a
// reboot nor another Alertmanager.
package silencer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/gates"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/silence"
)

// Server keeps silences for one entry of a policy. Its errors can be read by everyone (see gates.Readable).
type Server interface {
	// List returns all silences of the operator that are in force.
	List(ctx context.Context) ([]gates.Lasting, error)
	// Keep makes or changes a silence, so that it lasts for so long.
	Keep(ctx context.Context, s *silence.Silence, lasts time.Duration) error
	// End ends a silence that was last made or renewed so long ago; zero is that this is not known.
	End(ctx context.Context, s *silence.Silence, since time.Duration) error
}

// Options of a Silencer.
type Options struct {
	// Servers returns the server of an entry.
	Servers func(entry *v1alpha1.AlertSilence) Server
	// Clock is that of the passes. Waiting is done by the machine's own.
	Clock clock.PassiveClock
	Log   logr.Logger
}

// Silencer keeps the silences that passes ask for.
type Silencer struct {
	options Options
	// ctx ends all lanes, and changed says that there is something new to know.
	ctx     context.Context
	changed func()

	mu    sync.Mutex
	lanes map[laneKey]*lane
	// failed is how many requests failed, by policy, for as long as it has lanes: those come and go.
	failed map[string]int
	// problems say why no silence can be made, by policy.
	problems map[string][]model.SilenceFailure
}

// laneKey is an entry of a policy at a server. With another server it is another lane, and the old one ends its silences.
type laneKey struct {
	policyUID, entry, server string
}

// New makes a Silencer that does nothing until it is started.
func New(options Options) *Silencer {
	return &Silencer{options: options, lanes: map[laneKey]*lane{}, failed: map[string]int{}, problems: map[string][]model.SilenceFailure{}}
}

// Start lets the Silencer work until the context ends. It says when there is something new to know.
func (s *Silencer) Start(ctx context.Context, changed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx, s.changed = ctx, changed
}

// Idle says that there is nothing to keep or to end, so that nobody has to ask what is wanted while no policy asks for silences.
func (s *Silencer) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lanes) == 0 && len(s.problems) == 0
}

// Want says which silences there are to be from now on. It waits for nothing.
func (s *Silencer) Want(wishes []silence.Wish) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	now := s.options.Clock.Now()
	wanted := make(map[laneKey]bool, len(wishes))
	problems := map[string][]model.SilenceFailure{}
	for i := range wishes {
		w := &wishes[i]
		if w.Problem != "" {
			problems[w.Policy.Name] = append(problems[w.Policy.Name], model.SilenceFailure{
				Silence: w.Entry.Name, Message: w.Problem + ".", Since: s.since(w.Policy.Name, w.Entry.Name, w.Problem+"."),
			})
		}
		key := laneKey{policyUID: string(w.Policy.UID), entry: w.Entry.Name, server: silence.Server(w.Entry)}
		wanted[key] = true
		l := s.lanes[key]
		if l == nil {
			l = newLane(s, key, w, now)
			s.lanes[key] = l
			go l.run(s.ctx)
			continue
		}
		l.want(w, now)
	}
	for key, l := range s.lanes {
		if !wanted[key] {
			l.close(now)
		}
	}
	news := len(problems) != len(s.problems)
	for policy := range problems {
		news = news || !slices.Equal(problems[policy], s.problems[policy])
	}
	if s.problems = problems; news {
		s.changed()
	}
}

// since is when a problem was first there.
func (s *Silencer) since(policy, entry, message string) time.Time {
	for _, known := range s.problems[policy] {
		if known.Silence == entry && known.Message == message {
			return known.Since
		}
	}
	return s.options.Clock.Now()
}

// Failures are what fails, by policy, in the order of entries.
func (s *Silencer) Failures() map[string][]model.SilenceFailure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lanes) == 0 && len(s.problems) == 0 {
		return nil
	}
	failures := make(map[string][]model.SilenceFailure, len(s.problems))
	for policy, list := range s.problems {
		failures[policy] = slices.Clone(list)
	}
	for _, l := range s.lanes {
		failures[l.policy] = append(failures[l.policy], l.fails()...)
	}
	for policy, list := range failures {
		if slices.SortFunc(list, model.CompareSilenceFailures); len(list) == 0 {
			delete(failures, policy)
		}
	}
	return failures
}

// Number is what there is of one policy.
type Number struct {
	// Silences is how many exist as far as is known, Overdue how many of them cannot be ended, and Failed how many requests failed.
	Silences, Overdue, Failed int
}

// Numbers are those of all policies that ask for silences, by name.
func (s *Silencer) Numbers() map[string]Number {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers := map[string]Number{}
	for _, l := range s.lanes {
		n := l.add(numbers[l.policy])
		n.Failed = s.failed[l.policy]
		numbers[l.policy] = n
	}
	return numbers
}

// count a request that failed.
func (s *Silencer) count(policy string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[policy]++
}

// forget a lane that has nothing left to do; false if it was asked for again in the meantime.
func (s *Silencer) forget(l *lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.mayGo() {
		return false
	}
	delete(s.lanes, l.key)
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.lanes)), func(other *lane) bool { return other.policy == l.policy }) {
		delete(s.failed, l.policy)
	}
	return true
}
