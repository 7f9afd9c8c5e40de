package rebooter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// silenceLimit is how long the rebooter may say nothing to who watches. It repeats its facts much more often.
const silenceLimit = 3*factsInterval + factsTimeout

// Client asks the rebooter.
type Client struct {
	// Socket is where it listens.
	Socket string
	// Now is the clock.
	Now func() time.Time
}

// Reboot asks to reboot the host, which has to run the boot, and returns the path that the reboot takes. The context needs a deadline,
// after which the rebooter no longer asks the host. An error other than ErrUncertain means that the host was not asked, or that it said no:
// the answer of a rebooter that refuses is a RefusedError.
func (c *Client) Reboot(ctx context.Context, bootID string, order Order) (via string, err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return "", errors.New("a request to reboot needs a deadline")
	}
	answer, sent, err := c.ask(ctx, &Request{Action: ActionReboot, BootID: bootID, Order: order, Deadline: deadline})
	var version *versionError
	switch {
	case errors.As(err, &version) && version.result == Refused:
		return "", explain(err)
	case err != nil && sent:
		return "", fmt.Errorf("%w: the rebooter was asked and did not answer: %w", ErrUncertain, explain(err))
	case err != nil:
		return "", fmt.Errorf("the rebooter cannot be reached: %w", err)
	case answer.Result == Accepted:
		return answer.Via, nil
	case answer.Result == Refused:
		return "", &RefusedError{Kind: answer.Kind, Message: answer.Message}
	default:
		return "", fmt.Errorf("%w: %s", ErrUncertain, strings.TrimPrefix(answer.Message, ErrUncertain.Error()+": "))
	}
}

// Ping asks for an answer.
func (c *Client) Ping(ctx context.Context) error {
	answer, _, err := c.ask(ctx, &Request{Action: ActionPing})
	switch {
	case err != nil:
		return fmt.Errorf("the rebooter does not answer: %w", explain(err))
	case answer.Result != Accepted:
		return errors.New(answer.Message)
	}
	return nil
}

// Watch asks for the facts about the host and passes on each that arrives, until the connection ends: the error says why.
func (c *Client) Watch(ctx context.Context, receive func(Facts)) error {
	connection, err := c.send(ctx, &Request{Action: ActionWatch})
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	lines := newLines(connection)
	for {
		if err := connection.SetReadDeadline(c.Now().Add(silenceLimit)); err != nil {
			return err
		}
		var answer Response
		err := decode(lines, &answer)
		var version *versionError
		switch {
		case errors.As(err, &version):
			return explain(err)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("the rebooter has said nothing in %s: it hangs", silenceLimit)
		case err != nil:
			return fmt.Errorf("the rebooter cannot be understood: %w", err)
		}
		switch {
		case answer.Result != Accepted:
			return errors.New(answer.Message)
		case answer.Facts == nil:
			return fmt.Errorf("the rebooter cannot be understood: %w: no facts", errMalformed)
		}
		receive(*answer.Facts)
	}
}

// explain names both sides if they do not speak the same version.
func explain(err error) error {
	var version *versionError
	if errors.As(err, &version) {
		return errors.New(version.between("the rebooter", "the helper"))
	}
	return err
}

// ask makes one connection. If sent is false the rebooter has not got the request, or not all of it, and will never act on it.
func (c *Client) ask(ctx context.Context, request *Request) (answer Response, sent bool, err error) {
	connection, err := c.send(ctx, request)
	if err != nil {
		return Response{}, false, err
	}
	defer func() { _ = connection.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := decode(newLines(connection), &answer); err != nil {
		return Response{}, true, err
	}
	return answer, true, nil
}

// send sends a request. If that fails the rebooter will never act on it.
func (c *Client) send(ctx context.Context, request *Request) (net.Conn, error) {
	request.Protocol = ProtocolVersion
	line, err := encode(request)
	if err != nil {
		return nil, err
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return nil, c.explainDial(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// The line's end is sent last. A write that fails has not sent all of it.
	if _, err := connection.Write(line); err != nil {
		_ = connection.Close()
		return nil, err
	}
	return connection, nil
}

// explainDial says what is at the socket's place.
func (c *Client) explainDial(err error) error {
	info, statErr := os.Lstat(c.Socket)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("the socket %s is missing: the container rebooter has not started, or does not share its directory", c.Socket)
	case statErr == nil && info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is not a socket but %s", c.Socket, kindOf(info))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens on the socket %s: the container rebooter has ended", c.Socket)
	}
	return err
}

func kindOf(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a directory"
	case mode.Type() == fs.ModeSymlink:
		return "a symbolic link to something that is not a socket either"
	default:
		return "a file of type " + mode.Type().String()
	}
}
