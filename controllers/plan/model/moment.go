package model

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Moment is the instant for which a plan is made, and the earliest one after it at which time alone would change the plan.
type Moment struct {
	// Now has the precision of the API's times, so that a time that is written reads back equal.
	Now time.Time
	// Wake is when to look again; zero means never.
	Wake time.Time
}

// NewMoment is the moment of an instant.
func NewMoment(now time.Time) Moment { return Moment{Now: now.Truncate(time.Microsecond)} }

// WakeAt asks for another look at t, if that is still to come.
func (m *Moment) WakeAt(t time.Time) {
	if t.After(m.Now) && (m.Wake.IsZero() || t.Before(m.Wake)) {
		m.Wake = t
	}
}

// Reached says whether it is t or later, and asks for another look at t if it is not.
func (m *Moment) Reached(t time.Time) bool {
	m.WakeAt(t)
	return !m.Now.Before(t)
}

// Stamp is the moment as the API writes it.
func (m *Moment) Stamp() *metav1.MicroTime {
	t := metav1.NewMicroTime(m.Now)
	return &t
}

// Seconds is a duration of the API; nil means none.
func Seconds(s *int32) time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(*s) * time.Second
}

// Latest of two times.
func Latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
