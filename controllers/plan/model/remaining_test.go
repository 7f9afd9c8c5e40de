package model

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestWhatUntilAddsIsFoundWhateverIsAroundIt(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(` \(in [0-9a-z]+(, as of [^()]*)?(\)|$)`)
	parts := []string{"It opens", " (in ", " (in", "(", ")", "3h30m", ", as of ", "10:00", " ", "A", ", ", "in ", "é"}
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 100_000 {
		var message strings.Builder
		for range random.IntN(9) {
			message.WriteString(parts[random.IntN(len(parts))])
		}
		want := pattern.ReplaceAllString(message.String(), "")
		if got := withoutRemaining(message.String()); got != want {
			t.Fatalf("without the remaining time %q is %q, want %q", message.String(), got, want)
		}
		if want != message.String() {
			found++
		}
	}
	if found < 100 {
		t.Errorf("%d messages have a remaining time", found)
	}
}
