package rebooter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// maxConnections is how many requests are looked at together. Others wait.
	maxConnections = 8
	// requestTimeout is how long a request may take to arrive, and an answer to be taken.
	requestTimeout = 5 * time.Second
	// factsTimeout is how long the machine may take to say what it knows.
	factsTimeout = 10 * time.Second
	// factsInterval is how often it is asked without a hint that something changed. Each time the facts are sent, as a sign of life.
	factsInterval = 20 * time.Second
)

// Machine is the host.
type Machine interface {
	// BootID is the kernel's random ID of the running boot.
	BootID() (string, error)
	// Facts are what is known about the host now.
	Facts(ctx context.Context) Facts
	// Changes hints that Facts may have changed.
	Changes() <-chan struct{}
	// Reboot returns once the host accepted to reboot, with the path that it takes. An error other than ErrUncertain means that it will not;
	// a RefusedError says what sort of obstacle is in the way.
	Reboot(ctx context.Context, order Order) (via string, err error)
}

// Server answers requests.
type Server struct {
	Machine Machine
	// HelperUID is the user whose requests are answered. A process of the rebooter's own user may ping.
	HelperUID uint32
	Log       *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// After is time.After.
	After func(time.Duration) <-chan time.Time

	// rebooting is held while the host is asked to reboot.
	rebooting sync.Mutex
	// news are the latest facts.
	news news
}

// Listen makes a new socket. Only its owner and its group may connect: the group is that of the directory, which the kubelet gives to
// the pod's fsGroup.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the socket of an earlier run: %w", err)
	}
	defer restrictNewFiles()()
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

// Serve answers until ctx ends, and then until the requests that have arrived are answered.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	working, cancel := context.WithCancel(ctx)
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer cancel()
	handlers.Go(func() { s.observe(working) })
	slots := make(chan struct{}, maxConnections)
	for {
		slots <- struct{}{}
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		handlers.Go(func() {
			s.handle(working, connection)
			<-slots
		})
	}
}

func (s *Server) handle(ctx context.Context, connection net.Conn) {
	defer func() { _ = connection.Close() }()
	uid, err := peerUID(connection)
	if err != nil {
		s.Log.Error("Cannot find out which user sent a request", "error", err)
		return
	}
	_ = connection.SetReadDeadline(s.Now().Add(requestTimeout))
	var request Request
	err = decode(newLines(connection), &request)
	var version *versionError
	if err != nil && !errors.Is(err, errMalformed) && !errors.As(err, &version) {
		s.Log.Warn("No request arrived", "uid", uid, "error", err)
		return
	}
	var answer Response
	switch {
	case !mayAsk(uid, s.HelperUID, ownUID(), request.Action):
		answer = refused("user %d may not ask", uid)
	case version != nil:
		answer = refused("%s", version.between("the helper", "the rebooter"))
		answer.toVersion1 = version.version == 0
	case err != nil:
		answer = refused("the request was not understood: %v", err)
	case request.Action == ActionWatch:
		_ = connection.SetReadDeadline(time.Time{})
		s.watch(ctx, connection)
		return
	default:
		// A reboot that is under way when the rebooter ends is still answered.
		answer = s.answer(context.WithoutCancel(ctx), &request)
	}
	s.logAnswer(uid, &request, &answer)
	s.send(connection, &answer)
}

// mayAsk says that a user may ask for an action. The rebooter's own user may ping: its probes do.
func mayAsk(uid, helper, own uint32, action Action) bool {
	return uid == helper || uid == own && action == ActionPing
}

func (s *Server) answer(ctx context.Context, request *Request) Response {
	switch request.Action {
	case ActionPing:
		return Response{Result: Accepted}
	case ActionReboot:
		return s.reboot(ctx, request)
	default:
		return refused("unknown action %q", request.Action)
	}
}

// reboot asks the host if everything is as the request says.
func (s *Server) reboot(ctx context.Context, request *Request) Response {
	if !s.rebooting.TryLock() {
		return refused("the host is already being asked to reboot")
	}
	defer s.rebooting.Unlock()
	running, err := s.Machine.BootID()
	switch {
	case err != nil:
		return refused("read the running boot ID: %v", err)
	case request.BootID != running:
		return refused("the request is about boot %q, and the host runs boot %s", request.BootID, running)
	case !s.Now().Before(request.Deadline):
		return refused("the deadline of the request has passed")
	}
	ctx, cancel := context.WithDeadline(ctx, request.Deadline)
	defer cancel()
	via, err := s.Machine.Reboot(ctx, request.Order)
	switch {
	case errors.Is(err, ErrUncertain):
		return Response{Result: Uncertain, Message: err.Error()}
	case err != nil:
		answer := Response{Result: Refused, Message: err.Error()}
		if refusal := (*RefusedError)(nil); errors.As(err, &refusal) {
			answer.Kind = refusal.Kind
		}
		return answer
	}
	return Response{Result: Accepted, Via: via}
}

// logAnswer writes down what concerns the host, and what went wrong.
func (s *Server) logAnswer(uid uint32, request *Request, answer *Response) {
	level := slog.LevelDebug
	if request.Action == ActionReboot || answer.Result != Accepted {
		level = slog.LevelInfo
	}
	s.Log.Log(context.Background(), level, "Answered", "uid", uid, "action", request.Action, "bootID", request.BootID,
		"method", request.Method, "via", request.Via, "result", answer.Result, "kind", answer.Kind, "message", answer.Message)
}

// send reports whether the answer was taken.
func (s *Server) send(connection net.Conn, answer *Response) bool {
	if !answer.toVersion1 {
		answer.Protocol = ProtocolVersion
	}
	answer.Message = Truncate(answer.Message, maxMessage)
	line, err := encode(answer)
	if err == nil {
		_ = connection.SetWriteDeadline(s.Now().Add(requestTimeout))
		_, err = connection.Write(line)
	}
	if err != nil {
		s.Log.Warn("The answer could not be sent", "error", err)
	}
	return err == nil
}

func refused(format string, args ...any) Response {
	return Response{Result: Refused, Message: fmt.Sprintf(format, args...)}
}
