package rebooter

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/test/await"
)

func (m *fakeMachine) set(facts Facts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts = facts
}

// watch passes on what a rebooter says until the test ends, and then the error.
func watch(t *testing.T, client *Client) (facts <-chan Facts, ended <-chan error) {
	t.Helper()
	received, end := make(chan Facts), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		await.Receive(t, "the watch ends", done)
	})
	go func() {
		defer close(done)
		end <- client.Watch(ctx, func(facts Facts) {
			select {
			case received <- facts:
			case <-ctx.Done():
			}
		})
	}()
	return received, end
}

func expectFacts(t *testing.T, when string, facts <-chan Facts, want Facts) {
	t.Helper()
	if diff := cmp.Diff(want, await.Receive(t, when, facts)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func TestFactsAreSentAtOnceAndWheneverTheyMayHaveChanged(t *testing.T) {
	first := Facts{
		Sentinel: SentinelRequired, SentinelMessage: "a new kernel", HostOS: "Debian", KexecLoaded: true,
		Methods: []Method{{Name: MethodLogind, Obstacle: "a lock", Kind: ObstacleInhibited}, {Name: MethodSignal}}, Notices: []string{"a notice"},
	}
	second, third := Facts{Sentinel: SentinelNotRequired}, Facts{Sentinel: SentinelUnknown}
	machine := &fakeMachine{facts: first, changes: make(chan struct{})}
	elapsed := make(chan time.Time)
	socket, _ := serve(t, machine, func(s *Server) {
		s.After = func(wait time.Duration) <-chan time.Time {
			if wait != factsInterval {
				t.Errorf("waits for %s", wait)
			}
			return elapsed
		}
	})
	facts, _ := watch(t, newClient(socket))
	expectFacts(t, "at once", facts, first)
	machine.set(second)
	await.Send(t, "a hint", machine.changes, struct{}{})
	expectFacts(t, "after a hint", facts, second)
	machine.set(third)
	await.Send(t, "the interval", elapsed, time.Time{})
	expectFacts(t, "after the interval", facts, third)
	await.Send(t, "the interval", elapsed, time.Time{})
	expectFacts(t, "as a sign of life", facts, third)
	other, _ := watch(t, newClient(socket))
	expectFacts(t, "at once to another", other, third)
}

// In JSON some characters are longer.
func TestTheLongestFactsFit(t *testing.T) {
	for name, character := range map[string]string{
		"plain": "x", "control": "\x01", "quotes": `"`, "backslash": `\`, "HTML": "<", "not ASCII": "ü",
		"line separator": "\u2028", "no UTF-8": "\xffa",
	} {
		t.Run(name, func(t *testing.T) {
			long := strings.Repeat(character, 2*maxMessage)
			many, methods := make([]string, 2*maxNotices), make([]Method, 2*maxMethods)
			for i := range many {
				many[i] = long
			}
			for i := range methods {
				methods[i] = Method{Name: MethodLogind, Obstacle: long, Kind: ObstacleUnsupported}
			}
			socket, _ := serve(t, &fakeMachine{facts: Facts{
				Sentinel: SentinelNotRequired, SentinelMessage: long, HostOS: long, Methods: methods, Notices: many, KexecLoaded: true,
			}})
			facts, ended := watch(t, newClient(socket))
			select {
			case got := <-facts:
				if len(got.Notices) != maxNotices || len(got.Methods) != maxMethods {
					t.Errorf("%d notices, %d methods", len(got.Notices), len(got.Methods))
				}
				for _, text := range append(got.Notices, got.SentinelMessage, got.HostOS, got.Methods[0].Obstacle, got.Methods[maxMethods-1].Obstacle) {
					if len(text) > maxMessage || len(text) < maxMessage-len(character) || !strings.HasSuffix(text, "...") {
						t.Errorf("%d bytes: %q", len(text), text)
					}
				}
			case err := <-ended:
				t.Errorf("error %v", err)
			}
		})
	}
}

func first(socket string, _ func()) string { return socket }

func TestWatchesThatEndedMakeRoomForOthers(t *testing.T) {
	socket, _ := serve(t, &fakeMachine{facts: Facts{Sentinel: SentinelRequired}})
	var open []net.Conn
	line, err := encode(&Request{Protocol: ProtocolVersion, Action: ActionWatch})
	if err != nil {
		t.Fatal(err)
	}
	for range maxWatches {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := connection.Write(line); err != nil {
			t.Fatal(err)
		}
		if err := decode(newLines(connection), &Response{}); err != nil {
			t.Fatal(err)
		}
		open = append(open, connection)
	}
	client := newClient(socket)
	if err := client.Watch(soon(t), func(Facts) {}); err == nil || !strings.Contains(err.Error(), "connections are already watching") {
		t.Errorf("one more: error %v", err)
	}
	if err := client.Ping(soon(t)); err != nil {
		t.Errorf("those who watch hold up requests: %v", err)
	}
	for _, connection := range open {
		_ = connection.Close()
	}
	await.True(t, "a watch begins", func() bool {
		ctx, cancel := context.WithCancel(soon(t))
		err := client.Watch(ctx, func(Facts) { cancel() })
		return ctx.Err() != nil && err != nil
	})
}

// A client that hangs must not keep its place among the watches. Here the clock says that the time to take the facts is over.
func TestAWatchThatDoesNotTakeItsFactsEnds(t *testing.T) {
	machine := &fakeMachine{facts: Facts{Sentinel: SentinelRequired}, changes: make(chan struct{})}
	var tooLate atomic.Bool
	socket, _ := serve(t, machine, func(s *Server) {
		s.Now = func() time.Time {
			if tooLate.Load() {
				return time.Now().Add(-2 * requestTimeout)
			}
			return time.Now()
		}
	})
	facts, ended := watch(t, newClient(socket))
	await.Receive(t, "the first facts", facts)
	tooLate.Store(true)
	await.Send(t, "a hint", machine.changes, struct{}{})
	if err := await.Receive(t, "the watch ends", ended); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

// A machine that hangs makes no news, and one that stops the whole process sends nothing either.
func TestARebooterThatSaysNothingHangs(t *testing.T) {
	client := newClient(first(serve(t, &fakeMachine{}, func(s *Server) { s.After = func(time.Duration) <-chan time.Time { return nil } })))
	client.Now = func() time.Time { return time.Now().Add(100*time.Millisecond - silenceLimit) }
	facts, ended := watch(t, client)
	await.Receive(t, "the first facts", facts)
	if err := await.Receive(t, "the client gives up", ended); err == nil || err.Error() != "the rebooter has said nothing in 1m10s: it hangs" {
		t.Errorf("error %v", err)
	}
}

func TestAServerThatEndsEndsItsWatches(t *testing.T) {
	socket, stop := serve(t, &fakeMachine{facts: Facts{Sentinel: SentinelRequired}})
	facts, ended := watch(t, newClient(socket))
	await.Receive(t, "the first facts", facts)
	stop()
	if err := await.Receive(t, "the watch ends", ended); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

// answerWith is a rebooter that answers every request with the same bytes.
func answerWith(t *testing.T, answer string) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "socket")
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
			_, _ = newLines(connection).ReadSlice('\n')
			_, _ = io.WriteString(connection, answer)
			_ = connection.Close()
		}
	}()
	return socket
}

func TestWhatARebooterSaysThatIsNotThisOnes(t *testing.T) {
	version := func(n string) string {
		return "the rebooter speaks version " + n + " of the protocol between helper and rebooter, and the helper speaks version 2: " +
			"use one image for both containers of the helper's pod"
	}
	for name, test := range map[string]struct {
		answer string
		want   string
		// uncertain is whether a reboot may have been ordered.
		uncertain bool
	}{
		"version 1": {
			answer: `{"result":"Refused","message":"the request was not understood: malformed message: json: unknown field \"protocol\""}` + "\n",
			want:   version("1"),
		},
		"a version to come":              {answer: `{"protocol":3,"result":"Refused","hint":{"a":1}}` + "\n", want: version("3")},
		"a version to come that obeys":   {answer: `{"protocol":3,"result":"Accepted","facts":7}` + "\n", want: version("3"), uncertain: true},
		"garbage":                        {answer: "\x00\xff yes\n", want: "malformed message", uncertain: true},
		"another kind of JSON":           {answer: "[1]\n", want: "malformed message", uncertain: true},
		"a field that is not known":      {answer: `{"protocol":2,"result":"Accepted","shiny":1}` + "\n", want: `unknown field "shiny"`, uncertain: true},
		"a wrong type":                   {answer: `{"protocol":2,"result":"Accepted","facts":[]}` + "\n", want: "malformed message", uncertain: true},
		"a line without an end":          {answer: strings.Repeat("x", 1<<20), want: "a line of more than", uncertain: true},
		"a line that is too long":        {answer: `{"protocol":2,"message":"` + strings.Repeat("x", maxLine) + `"}` + "\n", want: "a line of more than", uncertain: true},
		"nothing":                        {answer: "", want: "the connection ended after 0 bytes", uncertain: true},
		"half a line":                    {answer: `{"protocol":2,`, want: "the connection ended after 14 bytes", uncertain: true},
		"a refusal":                      {answer: `{"protocol":2,"result":"Refused","message":"no"}` + "\n", want: "no"},
		"an empty object":                {answer: "{}\n", want: version("1"), uncertain: true},
		"another protocol than this one": {answer: "HTTP/1.1 400 Bad Request\r\n\r\n", want: "malformed message", uncertain: true},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(answerWith(t, test.answer))
			if err := client.Watch(soon(t), func(Facts) { t.Error("there are facts") }); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("watch: error %v, want %q", err, test.want)
			}
			_, err := client.Reboot(soon(t), runningBoot, Order{})
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrUncertain) != test.uncertain {
				t.Errorf("reboot: error %v, want %q and uncertain to be %t", err, test.want, test.uncertain)
			}
		})
	}
}

func TestFactsThatAreMissingAreAnError(t *testing.T) {
	client := newClient(answerWith(t, `{"protocol":2,"result":"Accepted"}`+"\n"))
	if err := client.Watch(soon(t), func(Facts) { t.Error("there are facts") }); !errors.Is(err, errMalformed) {
		t.Errorf("error %v", err)
	}
}

func TestARequestInAnotherVersionIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ request, want, refusal string }{
		// A helper of version 1 understands the refusal: it has no field that is new.
		"version 1": {
			`{"action":"Reboot","bootID":"boot-a","deadline":"2999-01-01T00:00:00Z"}`, "version 1", `{"result":"Refused","message":"the helper`,
		},
		"version 1 asks for methods": {`{"action":"Methods"}`, "version 1", `{"result":"Refused","message":"the helper`},
		"a version to come": {
			`{"protocol":3,"action":"Reboot","bootID":"boot-a","deadline":"2999-01-01T00:00:00Z","why":"x"}`, "version 3",
			`{"protocol":2,"result":"Refused","message":"the helper`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			machine := &fakeMachine{}
			socket, stop := serve(t, machine)
			answer := exchange(t, socket, test.request+"\n")
			stop()
			if !strings.HasPrefix(answer, test.refusal) || !strings.Contains(answer, test.want+" of the protocol") || len(machine.told()) > 0 {
				t.Errorf("answer %q, reboots %v", answer, machine.told())
			}
		})
	}
}

func TestWhatIsAtTheSocketsPlaceIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(socket string) error
		want    string
	}{
		"nothing": {
			func(string) error { return nil },
			"the socket SOCKET is missing: the container rebooter has not started, or does not share its directory",
		},
		"a file":            {func(s string) error { return os.WriteFile(s, nil, 0o600) }, "SOCKET is not a socket but a regular file"},
		"a directory":       {func(s string) error { return os.Mkdir(s, 0o700) }, "SOCKET is not a socket but a directory"},
		"a link to nowhere": {func(s string) error { return os.Symlink("nowhere", s) }, "SOCKET is not a socket but a symbolic link to something that is not a socket either"},
		"a socket of the past": {func(s string) error {
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: s})
			if err != nil {
				return err
			}
			listener.SetUnlinkOnClose(false)
			return listener.Close()
		}, "nothing listens on the socket SOCKET: the container rebooter has ended"},
		"a socket of another kind": {func(s string) error {
			socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s})
			if err == nil {
				t.Cleanup(func() { _ = socket.Close() })
			}
			return err
		}, "protocol wrong type for socket"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			if err := test.prepare(socket); err != nil {
				t.Fatal(err)
			}
			err := newClient(socket).Watch(soon(t), func(Facts) { t.Error("there are facts") })
			if want := strings.ReplaceAll(test.want, "SOCKET", socket); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}
