package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// Watches knows the watches that are open, to close them.
type Watches struct {
	mu     sync.Mutex
	cancel map[int]context.CancelFunc
	last   int
}

// Follow makes a watch one that Close closes.
func (w *Watches) Follow(response *http.Response) *http.Response {
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

// Close closes every watch that is open, and says how many that were.
func (w *Watches) Close() int {
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
	late := &late{body: response.Body, chunks: make(chan chunk, 4096), clock: clock}
	go late.fill(by)
	response.Body = late
	return response
}

type chunk struct {
	data []byte
	due  time.Time
	err  error
}

type late struct {
	body   io.ReadCloser
	chunks chan chunk
	clock  clock.Clock
	left   []byte
	once   sync.Once
	done   chan struct{}
}

// fill reads on, so that what comes is late by the same time and no more.
func (l *late) fill(by time.Duration) {
	for {
		buffer := make([]byte, 1<<14)
		n, err := l.body.Read(buffer)
		l.chunks <- chunk{data: buffer[:n], due: l.clock.Now().Add(by), err: err}
		if err != nil {
			return
		}
	}
}

// Read waits until something is due.
func (l *late) Read(into []byte) (int, error) {
	if len(l.left) == 0 {
		next, more := <-l.chunks
		if !more {
			return 0, io.EOF
		}
		if wait := next.due.Sub(l.clock.Now()); wait > 0 && next.err == nil {
			<-l.clock.After(wait)
		}
		if next.err != nil && len(next.data) == 0 {
			close(l.chunks)
			return 0, next.err
		}
		l.left = next.data
	}
	n := copy(into, l.left)
	l.left = l.left[n:]
	return n, nil
}

// Close closes what is read from.
func (l *late) Close() error {
	err := l.body.Close()
	if errors.Is(err, http.ErrBodyReadAfterClose) {
		return nil
	}
	return err
}
