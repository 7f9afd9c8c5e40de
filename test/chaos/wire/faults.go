package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
)

// Answer is an answer of the API server that it did not give.
func Answer(call *Call, code int, reason metav1.StatusReason, message string) *http.Response {
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	}
	body, err := json.Marshal(status)
	if err != nil {
		body = []byte(message)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if code == http.StatusTooManyRequests {
		header.Set("Retry-After", "1")
	}
	return &http.Response{
		Status: fmt.Sprint(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: call.Request,
	}
}

// Hang waits until the client gives up, or until the limit, and cuts the connection then.
func Hang(call *Call, clock clock.Clock, limit time.Duration) (*http.Response, error) {
	select {
	case <-call.Request.Context().Done():
	case <-clock.After(limit):
	}
	return nil, ErrCut
}

// watches are those that are open, to close them.
type watches struct {
	mu     sync.Mutex
	cancel map[int]context.CancelFunc
	last   int
}

// follow makes a watch one that close closes.
func (w *watches) follow(response *http.Response) *http.Response {
	ctx, cancel := context.WithCancel(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel == nil {
		w.cancel = map[int]context.CancelFunc{}
	}
	w.last++
	number, body := w.last, response.Body
	w.cancel[number] = cancel
	context.AfterFunc(ctx, func() { _ = body.Close() }) // whoever reads it sees the end
	response.Body = &closer{ReadCloser: body, closed: func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.cancel, number)
		cancel()
	}}
	return response
}

// close closes every watch that is open, and says how many that were.
func (w *watches) close() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, cancel := range w.cancel {
		cancel()
	}
	return len(w.cancel)
}

type closer struct {
	io.ReadCloser
	closed func()
}

// Close closes what is read from.
func (c *closer) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

// Late has everything that is read from a response come later by a time.
func Late(response *http.Response, by time.Duration, clock clock.Clock) *http.Response {
	late := &late{body: response.Body, chunks: make(chan chunk), ended: make(chan struct{}), clock: clock}
	queue := make(chan chunk, 1<<12)
	go late.fill(by, queue)
	go late.hand(queue)
	response.Body = late
	return response
}

type chunk struct {
	data []byte
	due  time.Time
	err  error
}

// late is a body that is read at once and handed on later.
type late struct {
	body   io.ReadCloser
	chunks chan chunk
	clock  clock.Clock
	left   chunk
	once   sync.Once
	ended  chan struct{} // closed by Close
}

// fill reads on, so that what comes is late by the same time and no more.
func (l *late) fill(by time.Duration, queue chan<- chunk) {
	defer close(queue)
	for {
		buffer := make([]byte, 1<<14)
		n, err := l.body.Read(buffer)
		select {
		case queue <- chunk{data: buffer[:n], due: l.clock.Now().Add(by), err: err}:
		case <-l.ended:
			return
		}
		if err != nil {
			return
		}
	}
}

// hand hands on what is due.
func (l *late) hand(queue <-chan chunk) {
	for next := range queue {
		if wait := next.due.Sub(l.clock.Now()); wait > 0 {
			select {
			case <-l.clock.After(wait):
			case <-l.ended:
				return
			}
		}
		select {
		case l.chunks <- next:
		case <-l.ended:
			return
		}
	}
}

// Read waits until something is due.
func (l *late) Read(into []byte) (int, error) {
	if len(l.left.data) == 0 {
		if l.left.err != nil {
			return 0, l.left.err
		}
		select {
		case l.left = <-l.chunks:
		case <-l.ended:
			return 0, http.ErrBodyReadAfterClose
		}
	}
	n := copy(into, l.left.data)
	l.left.data = l.left.data[n:]
	if n == 0 && l.left.err != nil {
		return 0, l.left.err
	}
	return n, nil
}

// Close closes what is read from.
func (l *late) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.body.Close()
}
