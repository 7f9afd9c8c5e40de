// Package fatpods is an API server with a node whose pods are as large as anyone who may create pods can make them. It generates its
// answers, so that it holds almost nothing of them, and the heap of a test that talks to it is the client's.
package fatpods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/reboot-operator/reboot-operator/internal/podstream"
)

const (
	// Pods are on the node.
	Pods = 110
	// Fat of them have more than a megabyte of labels.
	Fat = 60

	labels    = 8800
	streaming = "sendInitialEvents"
)

// Server serves the node's pods.
type Server struct {
	// Streams says that the server sends the pods as events of a watch to those who ask for that, which Kubernetes 1.33 does not.
	Streams bool
	// Listed counts lists, Latest those of them that ask for the latest state, and Streamed watches that began with all pods.
	Listed, Latest, Streamed atomic.Int32
}

// Lister lists by a fake client, which has nothing to stream from.
func Lister(client typedcorev1.PodsGetter) podstream.Lister {
	return func(ctx context.Context, namespace string, options metav1.ListOptions, keep func(*corev1.Pod) *corev1.Pod) (
		*corev1.PodList, error) {
		pods, err := client.Pods(namespace).List(ctx, options)
		if err != nil {
			return nil, err
		}
		for i := range pods.Items {
			pods.Items[i] = *keep(&pods.Items[i])
		}
		return pods, nil
	}
}

// Start serves until the test ends.
func (s *Server) Start(t *testing.T) *rest.Config {
	t.Helper()
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var err error
		switch query := r.URL.Query(); {
		case query.Get("watch") == "":
			s.Listed.Add(1)
			if query.Get("resourceVersion") == "" && query.Get("limit") == "" {
				s.Latest.Add(1)
			}
			err = writeList(w)
		case query.Get(streaming) == "":
		case !s.Streams:
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, err = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
			if err == nil {
				return
			}
		default:
			s.Streamed.Add(1)
			err = writeEvents(w)
		}
		if err != nil && r.Context().Err() == nil {
			t.Errorf("answer %s: %v", r.URL, err)
		}
		if r.URL.Query().Get("watch") != "" {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-done:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	return &rest.Config{Host: server.URL}
}

func writeList(w io.Writer) error {
	_, err := io.WriteString(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[`)
	for i := range Pods {
		if i > 0 {
			_, err = io.WriteString(w, ",")
		}
		err = errors.Join(err, writePod(w, i))
	}
	_, end := io.WriteString(w, "]}\n")
	return errors.Join(err, end)
}

func writeEvents(w io.Writer) error {
	var errs []error
	write := func(text string) {
		_, err := io.WriteString(w, text)
		errs = append(errs, err)
	}
	for i := range Pods {
		write(`{"type":"ADDED","object":`)
		errs = append(errs, writePod(w, i))
		write("}\n")
	}
	write(`{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"5",` +
		`"annotations":{"k8s.io/initial-events-end":"true"}}}}` + "\n")
	return errors.Join(errs...)
}

// fat are the labels of a fat pod, in JSON.
var fat = func() string {
	var text strings.Builder
	for i := range labels {
		_, _ = fmt.Fprintf(&text, `,"label-with-a-long-name-to-take-room-%06d":"%063d"`, i, i)
	}
	return text.String()
}()

func writePod(w io.Writer, i int) error {
	_, err := fmt.Fprintf(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"namespace":"apps","name":"p%d","uid":"uid-%d",`+
		`"resourceVersion":"5","labels":{"app":"web"`, i, i)
	if i < Fat {
		_, more := io.WriteString(w, fat)
		err = errors.Join(err, more)
	}
	_, end := io.WriteString(w, `}},"spec":{"nodeName":"n1"},"status":{"phase":"Running"}}`)
	return errors.Join(err, end)
}

// Peak measures by how much the heap is above what it was, of what is in use.
type Peak struct{ before, max uint64 }

// NewPeak takes what is in use now as the beginning.
func NewPeak() *Peak { return &Peak{before: inUse()} }

// Measure is called where most may be in use.
func (p *Peak) Measure() { p.max = max(p.max, inUse()) }

// MiB is the most that was measured.
func (p *Peak) MiB() int { return int(max(p.max, p.before)-p.before) >> 20 }

func inUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
