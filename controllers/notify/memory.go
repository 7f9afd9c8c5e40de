package notify

import "time"

// forgiven is for how long something may look as if it were over, such as a gate that is being asked again, and continue as before.
const forgiven = time.Minute

// Memory is what a manager remembers of a policy for as long as it runs: since when it has seen what nothing records. The next leader
// starts to count, so what is sent after some time is sent later by as much at most.
type Memory struct {
	// began is when the manager looked first.
	began time.Time
	seen  map[string]*seen
	// idle is since when the rollout has been found to be over.
	idle time.Time
	// closed is when the last window closed, as of when the next one was to open at closedUntil; zero if that was long ago. It is known if
	// it was looked for.
	closed, closedUntil time.Time
	searched            bool
}

type seen struct {
	since, gone time.Time
	now         bool
}

// since when something has been so without interruption: what is recorded of it, if that is earlier than what was seen.
func (m *Memory) since(key string, recorded, now time.Time) time.Time {
	if m.seen == nil {
		m.seen = map[string]*seen{}
	}
	s := m.seen[key]
	if s == nil || !s.gone.IsZero() && now.Sub(s.gone) > forgiven {
		s = &seen{since: recorded}
		m.seen[key] = s
	}
	if recorded.Before(s.since) {
		s.since = recorded
	}
	s.now, s.gone = true, time.Time{}
	return s.since
}

// keepSince forgets what was not asked for since the last call, and has not been so for some time.
func (m *Memory) keepSince(now time.Time) {
	for key, s := range m.seen {
		switch {
		case s.now:
		case s.gone.IsZero():
			s.gone = now
		case now.Sub(s.gone) > forgiven:
			delete(m.seen, key)
		}
		s.now = false
	}
}

// recalls says that it is or was so not long ago. A manager that began not long ago cannot know that it was not.
func (m *Memory) recalls(key string, now time.Time) bool {
	return m.seen[key] != nil || now.Sub(m.began) <= forgiven
}
