// Package rig is a cluster to break: the testbed with managers and helpers behind wires, and a recorder that misses nothing.
package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/reboot-operator/reboot-operator/test/chaos/wire"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// Rig is a cluster in which the operator is installed and no manager runs.
type Rig struct {
	*testbed.Cluster
	Clock clock.WithTicker
	Log   logr.Logger

	mu    sync.Mutex
	wires map[string]*wire.Wire // of the helper that was started last on each node
	hook  func(node string) wire.Hook
}

// Start starts one.
func Start(ctx context.Context, log logr.Logger) (*Rig, error) {
	r := &Rig{Clock: clock.RealClock{}, Log: log, wires: map[string]*wire.Wire{}}
	cluster, err := testbed.Start(ctx, testbed.Options{Log: log, HelperTransport: r.helperTransport})
	if err != nil {
		return nil, err
	}
	r.Cluster = cluster
	if err := cluster.Install(ctx); err != nil {
		return nil, errors.Join(err, cluster.Stop())
	}
	return r, nil
}

// helperTransport is a wire for each helper. Those of one node share a hook.
func (r *Rig) helperTransport(node string, next http.RoundTripper) http.RoundTripper {
	w := wire.New(next)
	r.mu.Lock()
	r.wires[node] = w
	r.mu.Unlock()
	w.SetHook(func(call *wire.Call, next func() (*http.Response, error)) (*http.Response, error) {
		r.mu.Lock()
		hook := r.hook
		r.mu.Unlock()
		if hook == nil {
			return next()
		}
		if of := hook(node); of != nil {
			return of(call, next)
		}
		return next()
	})
	return w
}

// SetHelperHook has what helpers ask of the API server handled by the hook of their node; nil lets it pass.
func (r *Rig) SetHelperHook(hook func(node string) wire.Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = hook
}

// CloseHelperWatches closes every watch of a helper, and says how many that were.
func (r *Rig) CloseHelperWatches() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	closed := 0
	for _, w := range r.wires {
		closed += w.CloseWatches()
	}
	return closed
}

const restartDelay = 300 * time.Millisecond

// Manager is a manager that is started again whenever it ends, as a kubelet does, until Stop.
type Manager struct {
	rig    *Rig
	proxy  *wire.Proxy
	args   []string
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	current *testbed.Manager // nil while it does not run
	ready   chan struct{}    // closed when it is ready; a new one for each start
	starts  int
}

// StartManager starts one and returns when it is ready.
func (r *Rig) StartManager(ctx context.Context, args ...string) (*Manager, error) {
	proxy, err := wire.StartProxy(r.Config())
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m := &Manager{rig: r, proxy: proxy, args: args, cancel: cancel, ready: make(chan struct{})}
	m.ended.Go(func() { m.run(background) })
	if err := m.WaitReady(ctx); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

// Wire is what lies between it and the API server.
func (m *Manager) Wire() *wire.Wire { return m.proxy.Wire }

// run keeps it running.
func (m *Manager) run(ctx context.Context) {
	for ctx.Err() == nil {
		manager, err := m.rig.Cluster.StartManager(ctx, testbed.ManagerOptions{
			Args: m.args, Server: m.proxy.URL(), ServerCA: m.proxy.CA(),
		})
		if err == nil {
			m.began(manager)
			select {
			case <-manager.Exited():
			case <-ctx.Done():
				err = manager.Kill()
			}
			m.over()
		}
		if err != nil && ctx.Err() == nil {
			m.rig.Log.Info("the manager is started again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-m.rig.Clock.After(restartDelay):
		}
	}
}

func (m *Manager) began(manager *testbed.Manager) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = manager
	m.starts++
	close(m.ready)
}

func (m *Manager) over() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current, m.ready = nil, make(chan struct{})
}

// Current is the process of now; nil while there is none that is ready.
func (m *Manager) Current() *testbed.Manager {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// Starts is how often it was started.
func (m *Manager) Starts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.starts
}

// WaitReady waits until it is ready.
func (m *Manager) WaitReady(ctx context.Context) error {
	m.mu.Lock()
	ready := m.ready
	m.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a manager: %w", ctx.Err())
	}
}

// Kill ends the process of now, if there is one. It returns when that is gone.
func (m *Manager) Kill() {
	if current := m.Current(); current != nil {
		if err := current.Kill(); err != nil {
			m.rig.Log.Error(err, "kill a manager")
		}
	}
}

// Stop ends it permanently.
func (m *Manager) Stop() error {
	m.cancel()
	m.ended.Wait()
	return m.proxy.Stop()
}
