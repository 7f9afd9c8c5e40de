package await

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// failed is a test that notes why it failed instead of failing.
type failed struct {
	testing.TB
	why string
}

func (f *failed) Helper() {}

func (f *failed) Fatalf(format string, args ...any) {
	f.why = fmt.Sprintf(format, args...)
	panic(f)
}

// why is what a wait that fails says, and when.
func why(t *testing.T, wait func(testing.TB)) (said string, after time.Duration) {
	t.Helper()
	began := time.Now()
	f := &failed{TB: t}
	defer func() {
		if r := recover(); r != nil && r != any(f) {
			panic(r)
		}
		said, after = f.why, time.Since(began)
	}()
	wait(f)
	return "", 0
}

func TestWhatDoesNotComeIsNamedAtTheLimit(t *testing.T) {
	for name, wait := range map[string]func(testing.TB){
		"nothing is sent": func(t testing.TB) { Receive(t, "the watch breaks", make(chan int)) },
		"nobody receives": func(t testing.TB) { Send(t, "the watch breaks", make(chan int), 1) },
		"it is not true":  func(t testing.TB) { True(t, "the watch breaks", func() bool { return false }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said, after := why(t, wait)
				if want := "not within 2m0s: the watch breaks"; said != want || after != Limit {
					t.Errorf("said %q after %s, want %q after %s", said, after, want, Limit)
				}
			})
		})
	}
}

func TestWhatComesIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent, closed := make(chan int), make(chan int)
		close(closed)
		time.AfterFunc(Limit/2, func() { sent <- 7 })
		if got := Receive(t, "a value", sent); got != 7 {
			t.Errorf("received %d", got)
		}
		if got := Receive(t, "the end", closed); got != 0 {
			t.Errorf("received %d from a closed channel", got)
		}
		go func() { sent <- 2 * <-sent }()
		Send(t, "a value", sent, 4)
		if got := Receive(t, "twice the value", sent); got != 8 {
			t.Errorf("received %d", got)
		}
		began := time.Now()
		True(t, "a second passes", func() bool { return time.Since(began) > time.Second })
	})
}
