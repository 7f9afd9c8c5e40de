package rebooter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/test/await"
)

const runningBoot = "boot-a"

// fakeMachine counts reboots.
type fakeMachine struct {
	mu      sync.Mutex
	reboots []string
	// onReboot is what the host does about it, other than accepting it.
	onReboot func(context.Context) error
	bootErr  error
	facts    Facts
	changes  chan struct{}
}

func (m *fakeMachine) BootID() (string, error) { return runningBoot, m.bootErr }

func (m *fakeMachine) Facts(context.Context) Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.facts
}

func (m *fakeMachine) Changes() <-chan struct{} { return m.changes }

func (m *fakeMachine) Reboot(ctx context.Context, order Order) (via string, err error) {
	m.mu.Lock()
	m.reboots = append(m.reboots, order.Method)
	m.mu.Unlock()
	if m.onReboot != nil {
		return ViaFirmware, m.onReboot(ctx)
	}
	return ViaFirmware, nil
}

func (m *fakeMachine) told() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reboots
}

// serve runs a server for this test's own user, unless change says otherwise, until the returned function is called.
func serve(t *testing.T, machine Machine, change ...func(*Server)) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "socket")
	return socket, serveAt(t, socket, machine, change...)
}

func serveAt(t *testing.T, socket string, machine Machine, change ...func(*Server)) (stop func()) {
	t.Helper()
	listener, err := Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{Machine: machine, HelperUID: ownUID(), Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After}
	for _, c := range change {
		c(server)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := await.Receive(t, "the server ends", ended); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func newClient(socket string) *Client { return &Client{Socket: socket, Now: time.Now} }

// soon is a context with a deadline that is far enough.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestARebootIsAcceptedRefusedOrUncertain(t *testing.T) {
	for name, test := range map[string]struct {
		bootID    string
		method    string
		change    func(*fakeMachine)
		server    func(*Server)
		want      []string
		wantErr   string
		kind      ObstacleKind
		uncertain bool
	}{
		"accepted":             {want: []string{""}},
		"accepted by a method": {method: MethodSignal, want: []string{MethodSignal}},
		"another boot":         {bootID: "boot-b", wantErr: `the request is about boot "boot-b", and the host runs boot boot-a`},
		"no boot":              {bootID: "-", wantErr: `the request is about boot "", and the host runs boot boot-a`},
		"a boot that cannot be read": {
			change: func(m *fakeMachine) { m.bootErr = errors.New("no /proc") }, wantErr: "read the running boot ID: no /proc",
		},
		"after the deadline": {
			server: func(s *Server) { s.Now = func() time.Time { return time.Now().Add(time.Hour) } },
			// Deadlines of the connection are far away as well.
			wantErr: "the deadline of the request has passed",
		},
		"by another user": {
			server: func(s *Server) { s.HelperUID = ownUID() + 1 }, wantErr: fmt.Sprintf("user %d may not ask", ownUID()),
		},
		"refused by the host": {
			change: func(m *fakeMachine) { m.onReboot = func(context.Context) error { return errors.New("inhibited") } },
			want:   []string{""}, wantErr: "inhibited",
		},
		"refused for a lock": {
			change: func(m *fakeMachine) {
				m.onReboot = func(context.Context) error {
					return fmt.Errorf("reboot: %w", &RefusedError{Kind: ObstacleInhibited, Message: "apt holds a lock"})
				}
			},
			want: []string{""}, wantErr: "reboot: apt holds a lock", kind: ObstacleInhibited,
		},
		"uncertain": {
			change: func(m *fakeMachine) {
				m.onReboot = func(context.Context) error { return fmt.Errorf("%w: no reply", ErrUncertain) }
			},
			want: []string{""}, wantErr: "the host may still reboot: no reply", uncertain: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			machine := &fakeMachine{}
			if test.change != nil {
				test.change(machine)
			}
			var changes []func(*Server)
			if test.server != nil {
				changes = append(changes, test.server)
			}
			socket, _ := serve(t, machine, changes...)
			bootID := map[string]string{"": runningBoot, "-": ""}[test.bootID]
			if test.bootID == "boot-b" {
				bootID = test.bootID
			}
			_, err := newClient(socket).Reboot(soon(t), bootID, Order{Method: test.method})
			if diff := cmp.Diff(test.want, machine.told()); diff != "" {
				t.Errorf("the host received (-want +got):\n%s", diff)
			}
			if got := fmt.Sprint(err); (test.wantErr == "" && err != nil) || (test.wantErr != "" && got != test.wantErr) {
				t.Errorf("error %v, want %q", err, test.wantErr)
			}
			var refusal *RefusedError
			if isOne := errors.As(err, &refusal); isOne != (test.wantErr != "" && !test.uncertain) || isOne && refusal.Kind != test.kind {
				t.Errorf("refusal %+v, want kind %q", refusal, test.kind)
			}
			if errors.Is(err, ErrUncertain) != test.uncertain {
				t.Errorf("error %v: uncertain is %t, want %t", err, !test.uncertain, test.uncertain)
			}
		})
	}
}

func TestWhatIsNoWholeRequestIsNeverActedOn(t *testing.T) {
	request, err := encode(&Request{Protocol: ProtocolVersion, Action: ActionReboot, BootID: runningBoot, Deadline: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		send       string
		wantAnswer string
	}{
		"nothing":          {send: ""},
		"half a request":   {send: string(request[:len(request)/2])},
		"without its end":  {send: strings.TrimSuffix(string(request), "\n")},
		"too long":         {`{"protocol":2,"action":"` + strings.Repeat("x", maxLine) + `"}` + "\n", "malformed"},
		"no JSON":          {"reboot\n", "malformed"},
		"an empty line":    {"\n", "malformed"},
		"an unknown field": {`{"protocol":2,"action":"Reboot","command":"rm"}` + "\n", "unknown field"},
		"an unknown action": {
			`{"protocol":2,"action":"Explode","bootID":"boot-a"}` + "\n", "unknown action",
		},
		"a wrong type":        {`{"protocol":2,"action":"Reboot","bootID":7}` + "\n", "malformed"},
		"no deadline":         {`{"protocol":2,"action":"Reboot","bootID":"boot-a"}` + "\n", "deadline of the request has passed"},
		"two in a line":       {strings.TrimSuffix(string(request), "\n") + string(request), "malformed"},
		"another in the line": {strings.TrimSuffix(string(request), "\n") + "x\n", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			machine := &fakeMachine{}
			socket, stop := serve(t, machine)
			answer := exchange(t, socket, test.send)
			stop()
			if len(machine.told()) > 0 {
				t.Errorf("the host was ordered to reboot by %q", test.send)
			}
			if (test.wantAnswer == "") != (answer == "") || !strings.Contains(answer, test.wantAnswer) {
				t.Errorf("answer %q, want %q in it", answer, test.wantAnswer)
			}
		})
	}
}

func TestASecondRequestOnAConnectionIsNotRead(t *testing.T) {
	request, err := encode(&Request{Protocol: ProtocolVersion, Action: ActionReboot, BootID: runningBoot, Deadline: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	machine := &fakeMachine{}
	socket, stop := serve(t, machine)
	exchange(t, socket, string(request)+string(request))
	stop()
	if got := machine.told(); len(got) != 1 {
		t.Errorf("the host was ordered to reboot %d times", len(got))
	}
}

// exchange sends raw bytes and returns what comes back.
func exchange(t *testing.T, socket, send string) string {
	t.Helper()
	connection, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(await.Limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(connection, send); err != nil && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	_ = connection.(*net.UnixConn).CloseWrite()
	answer, err := io.ReadAll(connection)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	return string(answer)
}

func TestARequestWhileTheHostIsBeingAskedIsRefused(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	machine := &fakeMachine{onReboot: func(context.Context) error {
		close(asked)
		<-release
		return nil
	}}
	socket, _ := serve(t, machine)
	client := newClient(socket)
	first := make(chan error, 1)
	go func() {
		_, err := client.Reboot(soon(t), runningBoot, Order{})
		first <- err
	}()
	await.Receive(t, "the host is asked", asked)
	if err := client.Ping(soon(t)); err != nil {
		t.Errorf("a host that is slow holds up other requests: %v", err)
	}
	_, err := client.Reboot(soon(t), runningBoot, Order{})
	if err == nil || errors.Is(err, ErrUncertain) || err.Error() != "the host is already being asked to reboot" {
		t.Errorf("error %v", err)
	}
	close(release)
	if err := await.Receive(t, "the first request is answered", first); err != nil {
		t.Error(err)
	}
	if got := machine.told(); len(got) != 1 {
		t.Errorf("the host was ordered to reboot %d times", len(got))
	}
}

// failing is a listener that fails after something happened.
type failing struct {
	net.Listener
	after chan struct{}
}

func (l failing) Accept() (net.Conn, error) {
	<-l.after
	return nil, net.ErrClosed
}

// slowMachine takes as long for its facts as the test says, whatever the context says.
type slowMachine struct {
	fakeMachine
	asked, release chan struct{}
}

func (m *slowMachine) Facts(context.Context) Facts {
	close(m.asked)
	<-m.release
	return Facts{}
}

func TestAServerThatFailsEndsAfterWhatItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &slowMachine{asked: make(chan struct{}), release: make(chan struct{})}
		server := &Server{Machine: machine, Log: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(t.Context(), failing{after: machine.asked}) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("it ended while it asked the host: %v", err)
		default:
		}
		close(machine.release)
		synctest.Wait()
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("error %v", err)
			}
		default:
			t.Error("it did not end")
		}
	})
}

func TestTheHostIsNotAskedForLongerThanTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &Server{Now: time.Now, Machine: &fakeMachine{onReboot: func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", ErrUncertain, ctx.Err())
		}}}
		began := time.Now()
		answer := server.answer(t.Context(), &Request{Action: ActionReboot, BootID: runningBoot, Deadline: began.Add(time.Hour)})
		if took := time.Since(began); answer.Result != Uncertain || took != time.Hour {
			t.Errorf("answer %+v after %s", answer, took)
		}
	})
}

func TestARequestWithoutADeadlineIsNotSent(t *testing.T) {
	machine := &fakeMachine{}
	socket, _ := serve(t, machine)
	if _, err := newClient(socket).Reboot(context.WithoutCancel(t.Context()), runningBoot, Order{}); err == nil || len(machine.told()) > 0 {
		t.Errorf("error %v, told %v", err, machine.told())
	}
}

func TestALineHasABound(t *testing.T) {
	empty, err := encode(&Response{Protocol: ProtocolVersion, Result: Refused, Message: "x"})
	if err != nil {
		t.Fatal(err)
	}
	longest := Response{Protocol: ProtocolVersion, Result: Refused, Message: strings.Repeat("x", maxLine-len(empty)+1)}
	line, err := encode(&longest)
	if err != nil || len(line) != maxLine {
		t.Fatalf("%d bytes, error %v", len(line), err)
	}
	var got Response
	if err := decode(newLines(bytes.NewReader(line)), &got); err != nil || got.Message != longest.Message {
		t.Errorf("read %d bytes of a message, error %v", len(got.Message), err)
	}
	longest.Message += "x"
	if line, err := encode(&longest); err == nil {
		t.Errorf("a line of %d bytes", len(line))
	}
}

func TestARequestThatIsTooLongIsNotSent(t *testing.T) {
	machine := &fakeMachine{}
	socket, _ := serve(t, machine)
	_, err := newClient(socket).Reboot(soon(t), runningBoot, Order{Method: strings.Repeat("x", maxLine)})
	if err == nil || errors.Is(err, ErrUncertain) || !strings.Contains(err.Error(), "is too long") || len(machine.told()) > 0 {
		t.Errorf("error %v, told %v", err, machine.told())
	}
}

func TestARebooterThatIsNotThereIsARefusal(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	client := newClient(socket)
	check := func(when string) {
		t.Helper()
		_, err := client.Reboot(soon(t), runningBoot, Order{})
		if err == nil || errors.Is(err, ErrUncertain) || !strings.Contains(err.Error(), "the rebooter cannot be reached") {
			t.Errorf("%s: error %v", when, err)
		}
		if err := client.Ping(soon(t)); err == nil || !strings.Contains(err.Error(), "the rebooter does not answer") {
			t.Errorf("%s: error %v", when, err)
		}
	}
	check("before its first start")
	// A process that was killed leaves its socket behind.
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	_ = listener.Close()
	check("after its end")
	machine := &fakeMachine{}
	serveAt(t, socket, machine)
	if _, err := client.Reboot(soon(t), runningBoot, Order{}); err != nil || len(machine.told()) != 1 {
		t.Errorf("after its next start: error %v, told %v", err, machine.told())
	}
}

// A rebooter that dies between the request and the answer may have asked the host.
func TestARebooterThatEndsWithoutAnAnswerIsUncertain(t *testing.T) {
	for name, behave := range map[string]func(net.Conn){
		"before it reads":  func(net.Conn) {},
		"after it read":    func(c net.Conn) { _ = decode(newLines(c), &Request{}) },
		"within an answer": func(c net.Conn) { _, _ = io.WriteString(c, `{"protocol":2,"result":"Acc`) },
		"with garbage":     func(c net.Conn) { _, _ = io.WriteString(c, "yes\n") },
		"with a result of its own": func(c net.Conn) {
			_ = decode(newLines(c), &Request{})
			_, _ = io.WriteString(c, `{"protocol":2,"result":"Perhaps"}`+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			go func() {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				behave(connection)
				_ = connection.Close()
			}()
			_, err = newClient(socket).Reboot(soon(t), runningBoot, Order{})
			// If the connection was closed before anything could be sent, that is known, and is a refusal.
			sent := err != nil && !strings.Contains(err.Error(), "the rebooter cannot be reached")
			if err == nil || sent && !errors.Is(err, ErrUncertain) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestARebooterThatNeverAnswersIsUncertainAtTheDeadline(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithCancel(soon(t))
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			err = decode(newLines(connection), &Request{})
		}
		if err != nil {
			t.Error(err)
		}
		cancel() // What ends the wait makes no difference, and it must not end before the request has arrived.
	}()
	ended := make(chan error, 1)
	go func() {
		_, err := newClient(socket).Reboot(ctx, runningBoot, Order{})
		ended <- err
	}()
	if err := await.Receive(t, "the client gives up", ended); !errors.Is(err, ErrUncertain) {
		t.Errorf("error %v", err)
	}
}

func TestWhoIsSlowDoesNotHoldUpOthers(t *testing.T) {
	socket, _ := serve(t, &fakeMachine{}, func(s *Server) {
		// Requests have to arrive at once; if that of the helper does not, it asks again.
		s.Now = func() time.Time { return time.Now().Add(50*time.Millisecond - requestTimeout) }
	})
	for range 2 * maxConnections {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
	}
	await.True(t, "a request is answered", func() bool { return newClient(socket).Ping(soon(t)) == nil })
}

// A rebooter is asked every few seconds whether it lives. What it is asked to do to its host has to be found in its log.
func TestWhatConcernsTheHostIsLogged(t *testing.T) {
	reboot, ping := &Request{Action: ActionReboot}, &Request{Action: ActionPing}
	accepted := &Response{Result: Accepted}
	for name, test := range map[string]struct {
		request *Request
		answer  *Response
		logged  bool
	}{
		"a reboot":            {reboot, accepted, true},
		"a reboot, refused":   {reboot, &Response{Result: Refused}, true},
		"a probe":             {ping, accepted, false},
		"a probe, refused":    {ping, &Response{Result: Refused}, true},
		"a reboot, uncertain": {reboot, &Response{Result: Uncertain}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			s := &Server{Log: slog.New(slog.NewTextHandler(&log, nil))}
			s.logAnswer(0, test.request, test.answer)
			if logged := log.Len() > 0; logged != test.logged {
				t.Errorf("it is logged: %t, want %t", logged, test.logged)
			}
		})
	}
}

func TestOthersThanTheHelperMayAskForNothing(t *testing.T) {
	socket, _ := serve(t, &fakeMachine{}, func(s *Server) { s.HelperUID = ownUID() + 1 })
	client := newClient(socket)
	err := client.Watch(soon(t), func(Facts) { t.Error("facts arrived") })
	if want := fmt.Sprintf("user %d may not ask", ownUID()); err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
	if err := client.Ping(soon(t)); err != nil {
		t.Errorf("the rebooter's own user is the probe: %v", err)
	}
}

func TestTheHelperMayAskForAnythingAndTheRebootersUserForAPing(t *testing.T) {
	const helper, own, other = 1, 2, 3
	for _, action := range []Action{ActionPing, ActionReboot, ActionWatch} {
		for uid, want := range map[uint32]bool{helper: true, own: action == ActionPing, other: false} {
			if got := mayAsk(uid, helper, own, action); got != want {
				t.Errorf("user %d, %s: %v, want %v", uid, action, got, want)
			}
		}
	}
}

func TestOnlyOwnerAndGroupReachTheSocket(t *testing.T) {
	socket, _ := serve(t, &fakeMachine{})
	info, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("mode %o, want 660", got)
	}
}

func TestMessagesAreCutAtCharacters(t *testing.T) {
	for text, want := range map[string]string{"short": "short", "üüüüüü": "üü...", "a\xffb": "a?b", "a\n\x1bb": "a  b", "\u2028\u2029": "  "} {
		if got := Truncate(text, 8); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestASocketThatCannotBeLookedAtIsAnErrorAsWell(t *testing.T) {
	if _, err := newClient("/dev/null/socket").Reboot(soon(t), "boot-1", Order{}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("error %v, want that /dev/null is not a directory", err)
	}
}

func TestAnAnswerIsCutToWhatTheHelperReads(t *testing.T) {
	long := errors.New(strings.Repeat("x", maxLine))
	socket, _ := serve(t, &fakeMachine{onReboot: func(context.Context) error { return long }})
	_, err := newClient(socket).Reboot(soon(t), runningBoot, Order{})
	var refusal *RefusedError
	if want := strings.Repeat("x", maxMessage-3) + "..."; !errors.As(err, &refusal) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("the error has %d bytes: %.100v", len(fmt.Sprint(err)), err)
	}
}
