package helper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

const (
	// firstRetry and lastRetry are the pauses before the rebooter is asked again after the connection broke: each is twice as long.
	firstRetry, lastRetry = 500 * time.Millisecond, 30 * time.Second
	// maxReason is the most characters of a sentinel's message.
	maxReason = 512
)

// LocalHost is the host that the helper runs on. The helper has no power over it, and sees nothing of it but what every process of its
// kernel may read: the rest it learns from the rebooter, the other container of its pod.
type LocalHost struct {
	client  rebooter.Client
	root    string
	log     logr.Logger
	clock   clock.Clock
	changes chan struct{}
	first   chan struct{} // closed when it is known what the rebooter says, or why it says nothing

	mu    sync.Mutex
	facts rebooter.Facts
	err   error // why there are no facts
}

var (
	_ Host     = &LocalHost{}
	_ Sentinel = &LocalHost{}
)

// NewLocalHost returns the host whose rebooter listens on the socket, and listens to it until ctx ends. The root is where /proc is found.
func NewLocalHost(ctx context.Context, socket, root string, clock clock.Clock, log logr.Logger) *LocalHost {
	h := &LocalHost{
		client: rebooter.Client{Socket: socket, Now: clock.Now}, root: root, log: log, clock: clock,
		changes: make(chan struct{}, 1), first: make(chan struct{}),
	}
	go h.watch(ctx)
	return h
}

// watch keeps the facts up to date. They are kept for one attempt more when the connection just ends, as it does when the rebooter is
// started again. Any other failure leaves no facts.
func (h *LocalHost) watch(ctx context.Context) {
	pause := firstRetry
	for ctx.Err() == nil {
		var heard bool
		err := h.client.Watch(ctx, func(facts rebooter.Facts) {
			heard, pause = true, firstRetry
			h.note(facts, nil)
		})
		if ctx.Err() != nil {
			return
		}
		h.log.Info("The connection to the rebooter ended", "error", err.Error())
		if !heard || !errors.Is(err, io.ErrUnexpectedEOF) {
			h.note(rebooter.Facts{}, err)
		}
		select {
		case <-ctx.Done():
		case <-h.clock.After(pause):
		}
		pause = min(2*pause, lastRetry)
	}
}

// note keeps what is known, and hints if it changed.
func (h *LocalHost) note(facts rebooter.Facts, err error) {
	h.mu.Lock()
	changed := !reflect.DeepEqual(h.facts, facts) || fmt.Sprint(h.err) != fmt.Sprint(err)
	h.facts, h.err = facts, err
	h.mu.Unlock()
	select {
	case <-h.first:
	default:
		close(h.first)
	}
	if changed {
		hint(h.changes)
	}
}

// known waits until something is known, and returns it.
func (h *LocalHost) known(ctx context.Context) (rebooter.Facts, error) {
	select {
	case <-h.first:
	case <-ctx.Done():
		return rebooter.Facts{}, errors.New("the rebooter has not answered yet")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.facts, h.err
}

// Check implements Sentinel. Anything that the rebooter cannot say is Unknown.
func (h *LocalHost) Check(ctx context.Context) (v1alpha1.SentinelState, string) {
	facts, err := h.known(ctx)
	state := v1alpha1.SentinelState(facts.Sentinel)
	switch {
	case err != nil:
		return v1alpha1.SentinelUnknown, err.Error()
	case state != v1alpha1.SentinelRequired && state != v1alpha1.SentinelNotRequired:
		state = v1alpha1.SentinelUnknown
	}
	return state, truncate(facts.SentinelMessage, maxReason)
}

// Changes implements Sentinel.
func (h *LocalHost) Changes() <-chan struct{} { return h.changes }

// Describe implements Host.
func (h *LocalHost) Describe(ctx context.Context) HostDescription {
	facts, _ := h.known(ctx)
	return HostDescription{OS: facts.HostOS, Notices: slices.Clone(facts.Notices), KexecLoaded: facts.KexecLoaded}
}

// BootID implements Host.
func (h *LocalHost) BootID() (string, error) { return rebooter.BootID(h.root) }

// BootTime implements Host.
func (h *LocalHost) BootTime() (time.Time, error) {
	content, err := os.ReadFile(filepath.Join(h.root, "proc", "stat"))
	if err != nil {
		return time.Time{}, err
	}
	for line := range bytes.Lines(content) {
		value, ok := strings.CutPrefix(string(line), "btime ")
		if !ok {
			continue
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("btime: %w", err)
		}
		return time.Unix(seconds, 0), nil
	}
	return time.Time{}, errors.New("/proc/stat has no btime")
}

// Methods implements Host. A rebooter that does not answer is in the way of every method.
func (h *LocalHost) Methods(ctx context.Context) []v1alpha1.MethodReport {
	facts, err := h.known(ctx)
	if err == nil && len(facts.Methods) == 0 {
		err = errors.New("the rebooter knows no method to reboot")
	}
	if err != nil {
		return []v1alpha1.MethodReport{{Name: v1alpha1.RebootInstalled, Obstacle: err.Error()}}
	}
	reports := make([]v1alpha1.MethodReport, 0, len(facts.Methods))
	for _, m := range facts.Methods {
		reports = append(reports, v1alpha1.MethodReport{
			Name: v1alpha1.RebootMethod(m.Name), Obstacle: m.Obstacle, Kind: v1alpha1.ObstacleKind(m.Kind),
		})
	}
	return reports
}

// Reboot implements Host.
func (h *LocalHost) Reboot(ctx context.Context, bootID string, order rebooter.Order) (via string, err error) {
	if order.Method == string(v1alpha1.RebootInstalled) {
		order.Method = ""
	}
	return h.client.Reboot(ctx, bootID, order)
}
