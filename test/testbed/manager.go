package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// managerTokenLifetime is longer than anybody plays with one cluster.
const managerTokenLifetime = 7 * 24 * time.Hour

// managers builds and remembers the managers of a cluster.
type managers struct {
	building sync.Mutex
	binary   string // empty until it is built

	// arePods says that the pods of the manager's Deployment run.
	arePods atomic.Bool

	mu      sync.Mutex
	named   int
	started []*Manager
}

// ManagerOptions are added to what every manager of a testbed is started with.
type ManagerOptions struct {
	// Args follow the testbed's own, so that they win.
	Args []string
	// Env is added to the environment, as NAME=VALUE.
	Env []string
	// Server is the URL at which it reaches the API server, such as that of a proxy whose certificate ServerCA vouches for. Empty means the
	// API server's own.
	Server   string
	ServerCA []byte
}

// Manager is a manager that runs as a process of its own.
type Manager struct {
	process     *process
	metricsPort int
	probePort   int
	// webhookAddress is where it serves webhooks.
	webhookAddress string
}

// StartManager builds cmd/manager if that was not done before and starts it with the identity of its ServiceAccount. Call it after
// Install. It may be called several times: the managers elect a leader. It returns when the manager says that it is ready.
func (c *Cluster) StartManager(ctx context.Context, options ManagerOptions) (*Manager, error) {
	binary, err := c.buildManager(ctx)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	name, kubeconfig, err := c.managerKubeconfig(ctx, options)
	if err != nil {
		return nil, err
	}
	webhooks := fmt.Sprintf("127.0.0.1:%d", ports[2])
	args := append([]string{
		"--kubeconfig=" + kubeconfig,
		"--namespace=" + c.namespace,
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[0]),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", ports[1]),
		"--webhook-bind-address=" + webhooks,
		"--metrics-secure=false",
		"--leader-elect",
	}, options.Args...)
	process, err := startProcess(c.workDir, name, binary, options.Env, args...)
	if err != nil {
		return nil, err
	}
	manager := &Manager{process: process, metricsPort: ports[0], probePort: ports[1], webhookAddress: webhooks}
	c.managers.add(manager)
	ready := fmt.Sprintf("http://127.0.0.1:%d/readyz", manager.probePort)
	if err := process.waitFor(ctx, httpReady(http.DefaultClient, ready)); err != nil {
		return nil, errors.Join(err, manager.Kill())
	}
	return manager, nil
}

// BuildManager builds the manager's program, so that StartManager does not have to.
func (c *Cluster) BuildManager(ctx context.Context) error {
	_, err := c.buildManager(ctx)
	return err
}

// buildManager returns the path of the manager's program.
func (c *Cluster) buildManager(ctx context.Context) (string, error) {
	c.managers.building.Lock()
	defer c.managers.building.Unlock()
	if c.managers.binary != "" {
		return c.managers.binary, nil
	}
	c.log.Info("building the manager")
	binary, err := Build(ctx, c.workDir, "manager")
	if err != nil {
		return "", err
	}
	c.managers.binary = binary
	return binary, nil
}

// managerKubeconfig writes a kubeconfig with a token of the manager's ServiceAccount. It returns a name for the manager as well.
func (c *Cluster) managerKubeconfig(ctx context.Context, options ManagerOptions) (string, string, error) {
	name := c.managers.nextName()
	token, err := c.token(ctx, managerName, managerTokenLifetime, nil)
	if err != nil {
		return "", "", err
	}
	path := c.plane.path(name + ".kubeconfig")
	info := &clientcmdapi.AuthInfo{Token: token.AccessToken}
	if options.Server != "" {
		return name, path, writeKubeconfig(path, options.Server, options.ServerCA, info)
	}
	return name, path, writeKubeconfig(path, c.plane.url, c.plane.authority.certificate, info)
}

// PID is the manager's process, to measure what it uses.
func (m *Manager) PID() int { return m.process.command.Process.Pid }

// Kill ends the manager at once, as a crash does.
func (m *Manager) Kill() error { return m.process.kill() }

// Stop asks the manager to end and waits until it has.
func (m *Manager) Stop(ctx context.Context) error {
	if err := m.process.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-m.process.exited:
		return nil
	case <-ctx.Done():
		return m.process.failure(fmt.Errorf("does not end: %w", ctx.Err()))
	}
}

// Pause stops the manager where it is, as a machine that stalls does, until Continue.
func (m *Manager) Pause() error { return m.process.signal(syscall.SIGSTOP) }

// Continue undoes Pause.
func (m *Manager) Continue() error { return m.process.signal(syscall.SIGCONT) }

// Exited is closed when the manager has ended.
func (m *Manager) Exited() <-chan struct{} { return m.process.exited }

// LogPath is the file with what the manager writes.
func (m *Manager) LogPath() string { return m.process.logPath }

// MetricsURL is where the manager serves its metrics, to anybody on this machine.
func (m *Manager) MetricsURL() string {
	return fmt.Sprintf("http://127.0.0.1:%d/metrics", m.metricsPort)
}

func (m *managers) add(manager *Manager) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started = append(m.started, manager)
}

func (m *managers) nextName() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.named++
	return fmt.Sprintf("manager-%d", m.named)
}

func (m *managers) killAll() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, manager := range m.started {
		errs = append(errs, manager.Kill())
	}
	return errors.Join(errs...)
}
