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
	// methodsTimeout is how long it may take to find out what is in the way of a reboot.
	methodsTimeout = 5 * time.Second
)

// Machine is the host.
type Machine interface {
	// BootID is the kernel's random ID of the running boot.
	BootID() (string, error)
	// Methods says what is in the way of each method to reboot.
	Methods(ctx context.Context) []Method
	// Reboot returns once the host accepted to reboot. An error other than ErrUncertain means that it will not.
	Reboot(ctx context.Context, method string) error
	// Sentinel runs the sentinel command.
	Sentinel(ctx context.Context) (state, message string)
}

// Server answers requests.
type Server struct {
	Machine Machine
	// HelperUID is the user whose requests are answered. A process of the rebooter's own user may ping.
	HelperUID uint32
	Log       *slog.Logger
	// Now is the clock.
	Now func() time.Time

	// rebooting is held while the host is asked to reboot, checking while the sentinel command runs.
	rebooting, checking sync.Mutex
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
	var handlers sync.WaitGroup
	defer handlers.Wait()
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
			s.handle(context.WithoutCancel(ctx), connection)
			<-slots
		})
	}
}

func (s *Server) handle(ctx context.Context, connection net.Conn) {
	defer func() { _ = connection.Close() }()
	uid, err := peerUID(connection)
	if err != nil {
		s.Log.Error("Cannot tell who asks", "error", err)
		return
	}
	_ = connection.SetReadDeadline(s.Now().Add(requestTimeout))
	var request Request
	err = decode(connection, &request)
	if err != nil && !errors.Is(err, errMalformed) {
		s.Log.Warn("No request arrived", "uid", uid, "error", err)
		return
	}
	var answer Response
	switch {
	case uid != s.HelperUID && (request.Action != ActionPing || uid != ownUID()):
		answer = refused("user %d may not ask", uid)
	case err != nil:
		answer = refused("the request was not understood: %v", err)
	default:
		answer = s.answer(ctx, &request)
	}
	s.logAnswer(uid, &request, &answer)
	s.send(connection, &answer)
}

func (s *Server) answer(ctx context.Context, request *Request) Response {
	switch request.Action {
	case ActionPing:
		return Response{Result: Accepted}
	case ActionMethods:
		ctx, cancel := context.WithTimeout(ctx, methodsTimeout)
		defer cancel()
		return Response{Result: Accepted, Methods: s.Machine.Methods(ctx)}
	case ActionSentinel:
		return s.sentinel(ctx)
	case ActionReboot:
		return s.reboot(ctx, request)
	default:
		return refused("unknown action %q", request.Action)
	}
}

// sentinel runs one command at a time: those who give up waiting must not make them pile up.
func (s *Server) sentinel(ctx context.Context) Response {
	if !s.checking.TryLock() {
		return refused("the sentinel command is still running")
	}
	defer s.checking.Unlock()
	state, message := s.Machine.Sentinel(ctx)
	return Response{Result: Accepted, Sentinel: state, Message: message}
}

// reboot asks the host if everything is as the request says.
func (s *Server) reboot(ctx context.Context, request *Request) Response {
	if !s.rebooting.TryLock() {
		return refused("the host is being asked to reboot already")
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
	err = s.Machine.Reboot(ctx, request.Method)
	switch {
	case errors.Is(err, ErrUncertain):
		return Response{Result: Uncertain, Message: err.Error()}
	case err != nil:
		return Response{Result: Refused, Message: err.Error()}
	}
	return Response{Result: Accepted}
}

// logAnswer writes down what concerns the host, and what went wrong.
func (s *Server) logAnswer(uid uint32, request *Request, answer *Response) {
	level := slog.LevelDebug
	if request.Action == ActionReboot || answer.Result != Accepted {
		level = slog.LevelInfo
	}
	s.Log.Log(context.Background(), level, "Answered", "uid", uid, "action", request.Action, "bootID", request.BootID,
		"method", request.Method, "result", answer.Result, "message", answer.Message)
}

func (s *Server) send(connection net.Conn, answer *Response) {
	answer.Message = Truncate(answer.Message, maxMessage)
	for i := range answer.Methods {
		answer.Methods[i].Obstacle = Truncate(answer.Methods[i].Obstacle, maxMessage)
	}
	line, err := encode(answer)
	if err == nil {
		_ = connection.SetWriteDeadline(s.Now().Add(requestTimeout))
		_, err = connection.Write(line)
	}
	if err != nil {
		s.Log.Warn("The answer was not taken", "error", err)
	}
}

func refused(format string, args ...any) Response {
	return Response{Result: Refused, Message: fmt.Sprintf(format, args...)}
}
