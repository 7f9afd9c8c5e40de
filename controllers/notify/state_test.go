package notify

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAStateThatSomeoneChangedIsNotUsed(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: true,
		`{"rollout": {"id": "a", "started": "2026-11-28T00:00:00Z"}, "receivers": {"s": {"last": {"Halted": "2026-11-28T01:00:00Z"}}}}`: true,
		`{"receivers": {"s": null}}`: false,
		`{"rollout": {}}`:            false,
		`{"rollout": {"id": "a", "started": "2027-11-28T00:00:00Z"}}`:                                     false,
		`{"rollout": {"id": "a", "started": "2026-11-28T00:00:00Z", "finished": "9999-01-01T00:00:00Z"}}`: false,
		`{"receivers": {"s": {"last": {"Halted": "9999-01-01T00:00:00Z"}}}}`:                              false,
		`{"receivers": {"s": {"shown": "` + strings.Repeat("x", maxShown+1) + `"}}}`:                      false,
	} {
		var s State
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if got := s.Sound(start); got != want {
			t.Errorf("%s: sound %t, want %t", text, got, want)
		}
	}
}
