package silence

import (
	"cmp"
	"slices"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// State is what becomes of a silence.
type State int

const (
	// UnderWay is a silence that is kept.
	UnderWay State = iota
	// Lingering is one whose reboot is proved. It stays until its time is over, and is not made again.
	Lingering
	// Over is one whose attempt is still open, and stalled or was rolled back at some time. It ends at once, and is not made again for this
	// attempt, also if the node comes back late: an alert that someone was paged for has to be able to say that it is resolved.
	Over
)

// Silence is one silence for one attempt.
type Silence struct {
	Key
	Matchers []Matcher
	State    State
	// Duration is for how long it is made, each time.
	Duration time.Duration
	// Until is when a silence that lingers ends.
	Until time.Time
}

// Attempt is a NodeReboot, and its status as it is to be.
type Attempt struct {
	Reboot *v1alpha1.NodeReboot
	Status *v1alpha1.NodeRebootStatus
}

// Wish is what one entry of a policy asks for.
type Wish struct {
	Policy   *v1alpha1.RebootPolicy
	Entry    *v1alpha1.AlertSilence
	Silences []Silence
	// Problem says why no silence can be made, for a node at least; empty if there is none.
	Problem string
}

// Asks reports whether any policy asks for silences.
func Asks(all []*v1alpha1.RebootPolicy) bool {
	return slices.ContainsFunc(all, func(p *v1alpha1.RebootPolicy) bool { return len(p.Spec.Silences) > 0 })
}

// Wishes are what the entries of all policies ask for, in the order of policies, entries and attempts. A policy that is being deleted asks
// for nothing.
func Wishes(all []*v1alpha1.RebootPolicy, attempts []Attempt, now time.Time) []Wish {
	byPolicy := map[string][]Attempt{}
	for _, a := range attempts {
		if current := a.Status.Attempt; current != nil {
			name := cmp.Or(current.PolicyName, a.Status.PolicyName)
			byPolicy[name] = append(byPolicy[name], a)
		}
	}
	var wishes []Wish
	for _, policy := range all {
		if !policy.DeletionTimestamp.IsZero() {
			continue
		}
		for i := range policy.Spec.Silences {
			wishes = append(wishes, wish(policy, &policy.Spec.Silences[i], byPolicy[policy.Name], now))
		}
	}
	return wishes
}

func wish(policy *v1alpha1.RebootPolicy, entry *v1alpha1.AlertSilence, attempts []Attempt, now time.Time) Wish {
	w := Wish{Policy: policy, Entry: entry}
	if found := Check(&v1alpha1.RebootPolicy{
		ObjectMeta: policy.ObjectMeta, Spec: v1alpha1.RebootPolicySpec{Silences: []v1alpha1.AlertSilence{*entry}},
	}); len(found) > 0 {
		w.Problem = found[0].Message
		return w
	}
	server := Server(entry)
	for _, a := range attempts {
		state, until, asks := a.state(model.Seconds(entry.LingerSeconds), now)
		if !asks {
			continue
		}
		current := a.Status.Attempt
		matchers, problem := render(entry, names{node: a.Reboot.Spec.NodeName, zone: current.Zone, policy: policy.Name})
		if problem != "" {
			w.Problem = problem
			continue
		}
		w.Silences = append(w.Silences, Silence{
			Key: Key{
				Policy: policy.Name, PolicyUID: string(policy.UID), Entry: entry.Name,
				Node: a.Reboot.Spec.NodeName, Reboot: a.Reboot.Name, RebootUID: string(a.Reboot.UID), Attempt: current.Number,
				Digest: digest(matchers), Server: server,
			},
			Matchers: matchers, State: state, Duration: cmp.Or(model.Seconds(entry.DurationSeconds), defaultDuration), Until: until,
		})
	}
	return w
}

// defaultDuration is the default of the schema, for an entry that has none.
const defaultDuration = 10 * time.Minute

// maxDuration and maxLinger are the most that an entry may say.
const (
	maxDuration = time.Hour
	maxLinger   = time.Hour
)

// Matters says that the attempt of a NodeReboot is under way, or ended so short a time ago that a silence may linger. A large cluster has
// tens of thousands of others.
func Matters(status *v1alpha1.NodeRebootStatus, now time.Time) bool {
	current := status.Attempt
	return current != nil && (current.EndedTime == nil || now.Before(current.EndedTime.Add(maxLinger)))
}

// state is what becomes of the silences of an attempt; false if there are to be none.
func (a Attempt) state(linger time.Duration, now time.Time) (state State, until time.Time, asks bool) {
	current := a.Status.Attempt
	over := current.InterruptedTime != nil || current.RolledBackTime != nil || current.StalledTime != nil ||
		!a.Reboot.DeletionTimestamp.IsZero()
	switch {
	case model.OpenAttempt(a.Status) && over:
		return Over, time.Time{}, true
	case model.OpenAttempt(a.Status):
		return UnderWay, time.Time{}, true
	case over || current.EndedTime == nil || a.Status.Outcome != v1alpha1.OutcomeSucceeded:
		return 0, time.Time{}, false
	}
	until = current.EndedTime.Add(linger)
	return Lingering, until, until.After(now)
}
