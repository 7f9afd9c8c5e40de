package rebooter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Client asks the rebooter.
type Client struct {
	// Socket is where it listens.
	Socket string
}

// Reboot asks to reboot the host, which has to run the boot. The context needs a deadline, after which the rebooter no longer asks the
// host. An error other than ErrUncertain means that the host was not asked, or that it said no.
func (c *Client) Reboot(ctx context.Context, bootID, method string) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return errors.New("a request to reboot needs a deadline")
	}
	answer, sent, err := c.ask(ctx, &Request{Action: ActionReboot, BootID: bootID, Method: method, Deadline: deadline})
	switch {
	case err != nil && sent:
		return fmt.Errorf("%w: the rebooter was asked and did not answer: %w", ErrUncertain, err)
	case err != nil:
		return fmt.Errorf("the rebooter cannot be asked: %w", err)
	case answer.Result == Accepted:
		return nil
	case answer.Result == Refused:
		return errors.New(answer.Message)
	default:
		return fmt.Errorf("%w: %s", ErrUncertain, strings.TrimPrefix(answer.Message, ErrUncertain.Error()+": "))
	}
}

// Methods asks which methods to reboot there are, and what is in the way of each.
func (c *Client) Methods(ctx context.Context) ([]Method, error) {
	answer, err := c.askPlainly(ctx, ActionMethods)
	if err == nil && len(answer.Methods) == 0 {
		err = errors.New("the rebooter knows no method to reboot")
	}
	return answer.Methods, err
}

// Sentinel asks what the sentinel command says.
func (c *Client) Sentinel(ctx context.Context) (state, message string, err error) {
	answer, err := c.askPlainly(ctx, ActionSentinel)
	return answer.Sentinel, answer.Message, err
}

// Ping asks for an answer.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.askPlainly(ctx, ActionPing)
	return err
}

// askPlainly asks for something that does nothing to the host, so that no answer is just an error.
func (c *Client) askPlainly(ctx context.Context, action Action) (Response, error) {
	answer, _, err := c.ask(ctx, &Request{Action: action})
	if err != nil {
		return Response{}, fmt.Errorf("the rebooter does not answer: %w", err)
	}
	if answer.Result != Accepted {
		return Response{}, errors.New(answer.Message)
	}
	return answer, nil
}

// ask makes one connection. If sent is false the rebooter has not got the request, or not all of it, and will never act on it.
func (c *Client) ask(ctx context.Context, request *Request) (answer Response, sent bool, err error) {
	line, err := encode(request)
	if err != nil {
		return Response{}, false, err
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return Response{}, false, err
	}
	defer func() { _ = connection.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// The line's end is sent last. A write that fails has not sent all of it.
	if _, err := connection.Write(line); err != nil {
		return Response{}, false, err
	}
	if err := decode(connection, &answer); err != nil {
		return Response{}, true, err
	}
	return answer, true, nil
}
