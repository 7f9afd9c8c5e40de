package node

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// helloInterval is how often a machine that does not answer is greeted again. A serial line says nothing when its other end opens it.
const helloInterval = time.Second

// console runs scripts on a machine, as root, through its second serial port. It is not in the way of anything on the machine: there is no
// network service and no login.
type console struct {
	connection net.Conn
	answers    chan answer

	mu   sync.Mutex // one script at a time
	last int
}

type answer struct {
	id     string
	status int
	output string
}

// dialConsole connects to the socket that QEMU listens on.
func dialConsole(ctx context.Context, socket string) (*console, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to the console: %w", err)
	}
	c := &console{connection: connection, answers: make(chan answer, 100)}
	go c.read()
	return c, nil
}

func (c *console) close() { _ = c.connection.Close() }

// read hands on every line that looks like an answer; a machine that boots may write anything.
func (c *console) read() {
	defer close(c.answers)
	reader := bufio.NewReader(c.connection)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		if answer, ok := parseAnswer(line); ok {
			c.answers <- answer
		}
	}
}

func parseAnswer(line string) (answer, bool) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return answer{}, false
	}
	status, err := strconv.Atoi(fields[1])
	if err != nil {
		return answer{}, false
	}
	compressed, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		return answer{}, false
	}
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return answer{}, false
	}
	output, err := io.ReadAll(reader)
	return answer{id: fields[0], status: status, output: string(output)}, err == nil
}

// run runs a script and returns what it wrote. It waits for a machine that boots. A script runs once at most: if the machine goes down
// under it, that is an error.
func (c *console) run(ctx context.Context, script string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.hello(ctx); err != nil {
		return "", fmt.Errorf("the machine does not answer on its console: %w", err)
	}
	id, err := c.send(script)
	if err != nil {
		return "", err
	}
	answer, err := c.await(ctx, id)
	if err != nil {
		return "", fmt.Errorf("no answer to %q: %w", script, err)
	}
	if answer.status != 0 {
		return answer.output, fmt.Errorf("%q ended with status %d: %s", script, answer.status, answer.output)
	}
	return answer.output, nil
}

// hello waits until the machine listens.
func (c *console) hello(ctx context.Context) error {
	for {
		id, err := c.send(":")
		if err != nil {
			return err
		}
		attempt, cancel := context.WithTimeout(ctx, helloInterval)
		_, err = c.await(attempt, id)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
}

func (c *console) send(script string) (string, error) {
	c.last++
	id := fmt.Sprintf("call-%d", c.last)
	_, err := fmt.Fprintf(c.connection, "\n%s %s\n", id, base64.StdEncoding.EncodeToString([]byte(script)))
	if err != nil {
		return "", fmt.Errorf("write to the console: %w", err)
	}
	return id, nil
}

func (c *console) await(ctx context.Context, id string) (answer, error) {
	for {
		select {
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case answer, ok := <-c.answers:
			switch {
			case !ok:
				return answer, errors.New("the console is closed")
			case answer.id == id:
				return answer, nil
			}
		}
	}
}
