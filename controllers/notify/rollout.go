package notify

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// settles is for how long a rollout has to look as if it were over at least: what one node leaves, another one may take in a moment. It is
	// for as long as its slowest node took, up to settlesAtMost: what begins before that is the same rollout. Where needs appear one after the
	// other, such as with updates at random times, each node would otherwise be a rollout of its own.
	settles       = 10 * time.Second
	settlesAtMost = 10 * time.Minute
	// givesUp is after how long without a start a rollout is over although some nodes wait for something that should not be in the way.
	givesUp = time.Hour
	// maxWaiting is how many reasons an event names.
	maxWaiting = 10
)

// underWay says that the NodeReboot holds a slot and continues. One that is stalled does not.
func underWay(r *v1alpha1.NodeReboot) bool { return open(r) && r.Status.Attempt.StalledTime == nil }

// advance notices that a rollout begins or ends. It says whether that is news, and when to look again.
func (s *State) advance(w *world, memory *Memory) (news bool, wake time.Time) {
	last := s.Rollout
	if last == nil || !last.Finished.IsZero() {
		return s.begin(w), time.Time{}
	}
	over, from := w.isOver()
	if !over {
		memory.idle = time.Time{}
		return false, time.Time{}
	}
	if memory.idle.IsZero() {
		memory.idle = w.now
	}
	ended, slowest := w.lastEnd(last)
	quiet := ended.Add(min(max(slowest, settles), settlesAtMost))
	if due := latest(latest(memory.idle.Add(settles), quiet), from); w.now.Before(due) {
		return false, due
	}
	last.Finished, memory.idle = ended, time.Time{}
	return true, time.Time{}
}

func (s *State) begin(w *world) bool {
	var after, started time.Time
	if s.Rollout != nil {
		after = s.Rollout.Finished
	}
	for _, r := range w.Reboots {
		if !underWay(r) || !r.Status.Attempt.GrantedTime.After(after) {
			continue
		}
		if granted := r.Status.Attempt.GrantedTime.Time; started.IsZero() || granted.Before(started) {
			started = granted
		}
	}
	if started.IsZero() {
		return false
	}
	started = started.UTC()
	s.Rollout = &RolloutState{ID: idOf(string(w.Policy.UID), started.Format(time.RFC3339Nano)), Started: started}
	return true
}

// isOver says that no node is under way or about to start, and from when on that means that the rollout is over.
func (w *world) isOver() (over bool, from time.Time) {
	var last time.Time
	trouble := false
	for _, r := range w.Reboots {
		if a := r.Status.Attempt; a != nil {
			last = latest(last, a.GrantedTime.Time)
			if a.EndedTime != nil {
				last = latest(last, a.EndedTime.Time)
			}
		}
		switch {
		case r.Status.CompletionTime != nil || slices.Contains(heldReasons, r.Status.Reason) && !open(r):
		case underWay(r), !open(r) && slices.Contains(paceReasons, r.Status.Reason):
			return false, time.Time{}
		default:
			trouble = true
		}
	}
	if trouble {
		return true, last.Add(givesUp)
	}
	return true, time.Time{}
}

// lastEnd is when the last attempt of a rollout ended, or stalled, and how long the slowest one took.
func (w *world) lastEnd(state *RolloutState) (last time.Time, slowest time.Duration) {
	last = state.Started
	for _, r := range w.Reboots {
		a := r.Status.Attempt
		if a == nil || a.GrantedTime.Time.Before(state.Started) {
			continue
		}
		// One that is stalled began in this rollout, so it begins no other when it continues.
		last = latest(last, a.GrantedTime.UTC())
		if a.EndedTime != nil {
			last, slowest = latest(last, a.EndedTime.UTC()), max(slowest, a.EndedTime.Sub(a.GrantedTime.Time))
		}
	}
	return last, slowest
}

// rollout reports how a rollout goes or went. It counts what the NodeReboots say: at least the last ended NodeReboot of each node is kept.
func (w *world) rollout(state *RolloutState) *Rollout {
	if state == nil {
		return nil
	}
	r := &Rollout{ID: state.ID, State: StateUnderWay, Started: w.in(state.Started), Finished: w.in(state.Finished)}
	end := w.now
	if !state.Finished.IsZero() {
		r.State, end = StateFinished, state.Finished
	}
	took := max(end.Sub(state.Started), 0).Round(time.Second)
	r.DurationSeconds, r.Duration = int64(took.Seconds()), duration.HumanDuration(took)
	waiting := map[string]int{}
	for _, reboot := range w.Reboots {
		r.count(w, reboot, state, waiting)
	}
	for reason, nodes := range waiting {
		r.Waiting = append(r.Waiting, Waiting{Reason: reason, Nodes: nodes})
	}
	slices.SortFunc(r.Waiting, func(a, b Waiting) int { return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Reason, b.Reason)) })
	r.Waiting = r.Waiting[:min(len(r.Waiting), maxWaiting)]
	return r
}

func (r *Rollout) count(w *world, reboot *v1alpha1.NodeReboot, state *RolloutState, waiting map[string]int) {
	status, belongs := &reboot.Status, state.has(reboot)
	switch {
	case status.CompletionTime == nil && underWay(reboot):
		r.UnderWay++
	case status.CompletionTime == nil:
		r.Remaining++
		waiting[cmp.Or(status.Reason, v1alpha1.ReasonStarting)]++
	case belongs && status.Outcome == v1alpha1.OutcomeSucceeded:
		r.Rebooted++
		r.noteSlowest(w, reboot)
	case belongs && status.Outcome == v1alpha1.OutcomeFailed:
		r.Failed++
	}
	if since, refuses := refusing(reboot); refuses {
		r.Refused++
		if len(r.RefusedNodes) < maxNodes {
			r.RefusedNodes = append(r.RefusedNodes, w.node(reboot, since))
		}
	}
}

// has says that the last attempt of a NodeReboot began in the rollout.
func (s *RolloutState) has(reboot *v1alpha1.NodeReboot) bool {
	a := reboot.Status.Attempt
	return a != nil && !a.GrantedTime.Time.Before(s.Started) && (s.Finished.IsZero() || !a.GrantedTime.After(s.Finished))
}

func (r *Rollout) noteSlowest(w *world, reboot *v1alpha1.NodeReboot) {
	a := reboot.Status.Attempt
	if a.EndedTime == nil {
		return
	}
	if took := int64(a.EndedTime.Sub(a.GrantedTime.Time).Seconds()); r.Slowest == nil || took > r.Slowest.Seconds {
		r.Slowest = &Node{Name: reboot.Spec.NodeName, NodeReboot: reboot.Name, Since: w.in(a.GrantedTime.Time), Seconds: took}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// soonest of two times; zero means never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
