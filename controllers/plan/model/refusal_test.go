package model

import (
	"strings"
	"testing"
	"time"
)

func TestRefusedWriteIsTriedAgainLaterEachTimeUpToALimit(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key := WriteKey{Write: WriteCordon, Name: "a"}
	look := func(WriteKey) (string, bool) { return "", true }
	var writes RefusedWrites
	var waits []time.Duration
	for i := range 9 {
		if news := writes.Note(&Refusal{WriteKey: key, Answer: strings.Repeat("ä", 1000)}, "", now); news != (i == 0) {
			t.Errorf("refusal %d is news: %t", i, news)
		}
		refusal := writes.Current(now, look)[key]
		if len(refusal.Answer) > maxAnswer || !strings.HasSuffix(refusal.Answer, "ä...") {
			t.Errorf("answer %q", refusal.Answer)
		}
		waits = append(waits, refusal.Until.Sub(now))
		now = refusal.Until
	}
	for i, want := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300, 300} {
		if waits[i] != want*time.Second {
			t.Errorf("wait %d is %s, want %s", i, waits[i], want*time.Second)
		}
	}
	if left := writes.Current(now.Add(lastRefusedRetry+time.Second), look); len(left) > 0 {
		t.Errorf("%v: want nothing, long after nobody tried again", left)
	}
}

func TestARefusedWriteIsDueAtOnceAfterTheClockWasSetBack(t *testing.T) {
	now, key := time.Date(2026, 3, 1, 15, 0, 0, 0, time.UTC), WriteKey{WriteCordon, "a"}
	var writes RefusedWrites
	writes.Note(&Refusal{WriteKey: key}, "", now)
	now = now.Add(-3 * time.Hour)
	if until := writes.Current(now, func(WriteKey) (string, bool) { return "", true })[key].Until; until.After(now) {
		t.Errorf("it is tried again in %s", until.Sub(now))
	}
}

func TestRefusalIsForgottenWhenItsWriteIsMadeOrItsObjectIsGone(t *testing.T) {
	now := time.Now()
	made, gone := WriteKey{WriteCordon, "made"}, WriteKey{WriteCordon, "gone"}
	var writes RefusedWrites
	writes.Note(&Refusal{WriteKey: made}, "", now)
	writes.Note(&Refusal{WriteKey: gone}, "", now)
	writes.Made(made)
	if left := writes.Current(now, func(WriteKey) (string, bool) { return "", false }); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestGrantIsForgottenWhenItIsGivenBack(t *testing.T) {
	now := time.Now()
	key, grant := WriteKey{WriteCordon, "a"}, GrantKey{UID: "u", Attempt: 1}
	var writes RefusedWrites
	writes.Note(&Refusal{WriteKey: key, Grant: grant}, "", now)
	for _, held := range []bool{true, false} {
		writes.Freed(func(GrantKey) bool { return held })
		if got := writes.Current(now, func(WriteKey) (string, bool) { return "", true })[key].Grant; (got == grant) != held {
			t.Errorf("grant %+v, held %t", got, held)
		}
	}
}
