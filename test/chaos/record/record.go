// Package record writes down the history of a cluster for the judge. It reads etcd and no API server: so nothing that happens to API
// servers and managers keeps it from seeing every version of every object, in the one order that there is.
package record

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/test/chaos/judge"
)

// prefix is where API servers keep all objects, and after is the first key behind it.
const prefix, after = "/registry/", "/registry0"

// retryAfter is the pause before etcd is asked again.
const retryAfter = 200 * time.Millisecond

// Recorder records until Stop.
type Recorder struct {
	etcd   string
	clock  clock.WithTicker
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	history  judge.History
	revision uint64
	times    []revisionTime
	err      error
}

type revisionTime struct {
	revision uint64
	at       time.Time
}

// Start records everything from now on, and what there is now. It returns when that is recorded.
func Start(ctx context.Context, etcd, namespace string, clock clock.WithTicker) (*Recorder, error) {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &Recorder{etcd: etcd, clock: clock, cancel: cancel, changed: make(chan struct{})}
	decoder := newDecoder(namespace)
	if err := r.list(ctx, decoder); err != nil {
		cancel()
		return nil, err
	}
	r.ended.Go(func() { r.follow(background, decoder) })
	return r, nil
}

// Stop ends the recording, which stays readable. An error means that something was not recorded.
func (r *Recorder) Stop() error {
	r.cancel()
	r.ended.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Revision is the last one that was seen.
func (r *Recorder) Revision() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.revision
}

// RevisionAt is the last revision of a time; 0 if that was before the recording.
func (r *Recorder) RevisionAt(t time.Time) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.times) - 1; i >= 0; i-- {
		if !r.times[i].at.After(t) {
			return r.times[i].revision
		}
	}
	return 0
}

// Changed is closed when something is recorded after this call.
func (r *Recorder) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// History is what was recorded so far. Its lists are not changed anymore.
func (r *Recorder) History() judge.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.history
}

// Did adds what someone else than the operator wrote on purpose.
func (r *Recorder) Did(deed judge.Deed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	deed.At = r.clock.Now()
	r.history.People = append(r.history.People, deed)
}

// keyValue is what etcd's gateway says in JSON: bytes in base64, numbers as texts.
type keyValue struct {
	Key      []byte `json:"key"`
	Value    []byte `json:"value"`
	Revision uint64 `json:"mod_revision,string"`
}

type rangeAnswer struct {
	Header struct {
		Revision uint64 `json:"revision,string"`
	} `json:"header"`
	KVs []keyValue `json:"kvs"`
}

type watchAnswer struct {
	Result struct {
		Header struct {
			Revision uint64 `json:"revision,string"`
		} `json:"header"`
		CompactRevision uint64 `json:"compact_revision,string"`
		Events          []struct {
			Type string    `json:"type"`
			KV   keyValue  `json:"kv"`
			Prev *keyValue `json:"prev_kv"`
		} `json:"events"`
	} `json:"result"`
	Error json.RawMessage `json:"error"`
}

// Keys are those of all objects that there are.
func Keys(ctx context.Context, etcd string) (keys []string, err error) {
	r := &Recorder{etcd: etcd}
	body, err := r.post(ctx, "/v3/kv/range", map[string]any{"key": []byte(prefix), "range_end": []byte(after), "keys_only": true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	var answer rangeAnswer
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read etcd's answer: %w", err)
	}
	for _, kv := range answer.KVs {
		keys = append(keys, string(kv.Key))
	}
	return keys, nil
}

func (r *Recorder) post(ctx context.Context, path string, body any) (io.ReadCloser, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode a request to etcd: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.etcd+path, bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("make a request to etcd: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask etcd: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("etcd answers %s", response.Status), response.Body.Close())
	}
	return response.Body, nil
}

// list records what there is. Its versions are in the order of the changes, which etcd is asked for.
func (r *Recorder) list(ctx context.Context, decoder *decoder) (err error) {
	body, err := r.post(ctx, "/v3/kv/range", map[string]any{
		"key": []byte(prefix), "range_end": []byte(after), "sort_order": "ASCEND", "sort_target": "MOD",
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	var answer rangeAnswer
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return fmt.Errorf("read etcd's answer: %w", err)
	}
	for _, kv := range answer.KVs {
		r.add(decoder, kv, false)
	}
	r.reached(answer.Header.Revision)
	return nil
}

// follow records changes until ctx ends.
func (r *Recorder) follow(ctx context.Context, decoder *decoder) {
	for ctx.Err() == nil {
		err := r.watch(ctx, decoder)
		if ctx.Err() != nil {
			return
		}
		var lost *lostError
		if errors.As(err, &lost) {
			r.fail(err)
			return
		}
		select {
		case <-ctx.Done():
		case <-r.clock.After(retryAfter):
		}
	}
}

// lostError says that changes cannot be read anymore.
type lostError struct{ message string }

func (e *lostError) Error() string { return e.message }

func (r *Recorder) watch(ctx context.Context, decoder *decoder) (err error) {
	body, err := r.post(ctx, "/v3/watch", map[string]any{"create_request": map[string]any{
		"key": []byte(prefix), "range_end": []byte(after), "start_revision": fmt.Sprint(r.Revision() + 1), "prev_kv": true,
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	answers := json.NewDecoder(bufio.NewReaderSize(body, 1<<16))
	for {
		var answer watchAnswer
		if err := answers.Decode(&answer); err != nil {
			return fmt.Errorf("read a change from etcd: %w", err)
		}
		switch {
		case answer.Result.CompactRevision > 0:
			return &lostError{fmt.Sprintf("etcd has forgotten the changes before revision %d", answer.Result.CompactRevision)}
		case len(answer.Error) > 0:
			return fmt.Errorf("etcd ends the watch: %s", answer.Error)
		}
		for _, event := range answer.Result.Events {
			kv := event.KV
			gone := event.Type == "DELETE"
			if gone && event.Prev != nil {
				kv.Value = event.Prev.Value
			}
			r.add(decoder, kv, gone)
		}
		r.reached(answer.Result.Header.Revision)
	}
}

// add records a version. What cannot be decoded is an error of the recording.
func (r *Recorder) add(decoder *decoder, kv keyValue, gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	moment := judge.Moment{Version: kv.Revision, At: r.clock.Now()}
	if err := decoder.add(&r.history, moment, string(kv.Key), kv.Value, gone); err != nil {
		r.err = errors.Join(r.err, err)
	}
}

func (r *Recorder) reached(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision <= r.revision {
		return
	}
	r.revision = revision
	r.times = append(r.times, revisionTime{revision: revision, at: r.clock.Now()})
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}
