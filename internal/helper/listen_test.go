package helper

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
	"github.com/reboot-operator/reboot-operator/test/await"
)

// rebooterAt runs a rebooter at the socket until the returned function is called.
func rebooterAt(t *testing.T, socket string, machine rebooter.Machine) (stop func()) {
	t.Helper()
	listener, err := rebooter.Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &rebooter.Server{
		Machine: machine, HelperUID: uint32(os.Getuid()), Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After,
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := await.Receive(t, "the rebooter ends", ended); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// expectState waits for hints until the host says what is wanted of the sentinel, and compares what is in the way of a reboot.
func expectState(t *testing.T, host *LocalHost, want v1alpha1.SentinelState, obstacle string) {
	t.Helper()
	timeout := time.After(await.Limit)
	for {
		state, message := host.Check(t.Context())
		if state == want {
			got := host.Methods(t.Context())[0].Obstacle
			if (got == "") != (obstacle == "") || !strings.Contains(got, obstacle) {
				t.Errorf("in the way is %q, want %q", got, obstacle)
			}
			if state == v1alpha1.SentinelUnknown && message != got {
				t.Errorf("the sentinel says %q, and in the way is %q", message, got)
			}
			return
		}
		select {
		case <-host.Changes():
		case <-timeout:
			t.Fatalf("the sentinel is %s (%s), want %s", state, message, want)
		}
	}
}

// passPause lets the time go by for which the host waits before it asks the rebooter again.
func passPause(t *testing.T, clock *clocktesting.FakeClock, pause time.Duration) {
	t.Helper()
	await.True(t, "the host waits", clock.HasWaiters)
	clock.Step(pause - 1)
	if !clock.HasWaiters() {
		t.Fatalf("the host waits for less than %s", pause)
	}
	clock.Step(1)
}

func TestARebooterThatIsStartedAgainIsFoundAgain(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	socket := filepath.Join(t.TempDir(), "socket")
	machine := &fakeMachine{}
	says := func(state string) {
		machine.facts.set(rebooter.Facts{Sentinel: state, Methods: []rebooter.Method{{Name: rebooter.MethodLogind}}})
	}
	says(rebooter.SentinelRequired)
	stop := rebooterAt(t, socket, machine)
	host := NewLocalHost(t.Context(), socket, "/", clock, logr.Discard())
	expectState(t, host, v1alpha1.SentinelRequired, "")

	stop()
	await.True(t, "the host waits", clock.HasWaiters)
	expectState(t, host, v1alpha1.SentinelRequired, "") // for one attempt more
	says(rebooter.SentinelNotRequired)
	stop = rebooterAt(t, socket, machine)
	passPause(t, clock, firstRetry)
	expectState(t, host, v1alpha1.SentinelNotRequired, "")

	stop()
	passPause(t, clock, firstRetry) // the attempt that fails
	expectState(t, host, v1alpha1.SentinelUnknown, "is missing")
	for _, pause := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
		passPause(t, clock, pause*firstRetry)
	}
	await.True(t, "the host waits", clock.HasWaiters)
	says(rebooter.SentinelRequired)
	rebooterAt(t, socket, machine)
	passPause(t, clock, lastRetry)
	expectState(t, host, v1alpha1.SentinelRequired, "")
}

func TestAHelperThatEndsSaysNothingOfItsRebooter(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	machine := &fakeMachine{}
	machine.facts.set(rebooter.Facts{Sentinel: rebooter.SentinelRequired, Methods: []rebooter.Method{{Name: rebooter.MethodLogind}}})
	rebooterAt(t, socket, machine)
	said := make(chan string, 10)
	host := &LocalHost{
		client: rebooter.Client{Socket: socket, Now: time.Now}, clock: clocktesting.NewFakeClock(time.Now()),
		log:     funcr.New(func(_, line string) { said <- line }, funcr.Options{}),
		changes: make(chan struct{}, 1), first: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		host.watch(ctx)
	}()
	expectState(t, host, v1alpha1.SentinelRequired, "")
	cancel()
	await.Receive(t, "the end", ended)
	select {
	case line := <-said:
		t.Fatalf("it says %s", line)
	default:
	}
	expectState(t, host, v1alpha1.SentinelRequired, "")
}

// Whatever is wrong with the rebooter: nothing is known, and every method counts as blocked, so that no node is drained needlessly.
func TestWhatIsWrongWithTheRebooterIsInTheWay(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, socket string)
		want    string
	}{
		"there is no socket":     {func(*testing.T, string) {}, "is missing: the container rebooter has not started"},
		"the socket is none":     {func(t *testing.T, s string) { inItsPlace(t, s, nil) }, "is not a socket but a regular file"},
		"an old rebooter":        {answers(`{"result":"Refused","message":"unknown field \"protocol\""}` + "\n"), "the rebooter speaks version 1 of the protocol"},
		"a rebooter to come":     {answers(`{"protocol":3,"shiny":1}` + "\n"), "the rebooter speaks version 3 of the protocol"},
		"garbage":                {answers("\x00\n"), "cannot be understood"},
		"a line without an end":  {answers(strings.Repeat("x", 1<<20)), "a line of more than"},
		"a rebooter that ends":   {answers(""), "the connection ended"},
		"facts that name no way": {answers(`{"protocol":2,"result":"Accepted","facts":{"sentinel":"Unknown","sentinelMessage":"the rebooter knows no method to reboot","methods":[]}}` + "\n"), "knows no method"},
		"facts, and then garbage": {answers(`{"protocol":2,"result":"Accepted","facts":{"sentinel":"NotRequired","methods":[]}}` + "\n" + "x\n"),
			"cannot be understood"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			test.prepare(t, socket)
			clock := clocktesting.NewFakeClock(time.Now())
			host := NewLocalHost(t.Context(), socket, "/", clock, logr.Discard())
			expectState(t, host, v1alpha1.SentinelUnknown, test.want)
		})
	}
}

// Another user's rebooter does not count.
func TestARebooterThatIsNotForThisHelperIsInTheWay(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := rebooter.Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &rebooter.Server{
		Machine: &fakeMachine{}, HelperUID: uint32(os.Getuid() + 1), Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After,
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	defer func() {
		cancel()
		if err := await.Receive(t, "the rebooter ends", ended); err != nil {
			t.Error(err)
		}
	}()
	expectState(t, localHost(t, socket, "/"), v1alpha1.SentinelUnknown, "may not ask")
}

func TestWhoAsksBeforeTheRebooterAnsweredWaits(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	host := localHost(t, socket, "/")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if state, message := host.Check(ctx); state != v1alpha1.SentinelUnknown || message != "the rebooter has not answered yet" {
		t.Errorf("%s: %s", state, message)
	}
	said := make(chan v1alpha1.SentinelState, 1)
	go func() {
		state, _ := host.Check(t.Context())
		said <- state
	}()
	connection, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	select {
	case state := <-said:
		t.Fatalf("it is %s before the rebooter answered", state)
	default:
	}
	_, err = connection.Write([]byte(`{"protocol":2,"result":"Accepted","facts":{"sentinel":"Required","methods":[]}}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if state := await.Receive(t, "the host says", said); state != v1alpha1.SentinelRequired {
		t.Errorf("state %s", state)
	}
}

// inItsPlace has something other than a rebooter at the socket's place: a file if there are no bytes that it answers every request with.
func inItsPlace(t *testing.T, socket string, bytes []byte) {
	t.Helper()
	if bytes == nil {
		if err := os.WriteFile(socket, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 1024))
			_, _ = connection.Write(bytes)
			_ = connection.Close()
		}
	}()
}

func answers(text string) func(t *testing.T, socket string) {
	return func(t *testing.T, socket string) {
		t.Helper()
		inItsPlace(t, socket, []byte(text))
	}
}
