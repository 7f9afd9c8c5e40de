package testbed

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

const (
	// managerRestartDelay is the pause before a manager that ended by itself is started again.
	managerRestartDelay = time.Second
	// managerGrace is how long a manager may take to end after SIGTERM; the Deployment says the same.
	managerGrace = 10 * time.Second
)

// InstallWithManagers is Install with the manager's Deployment as it is: the manager runs as a process on the simulated hosts, one for each
// of its pods, and dies with its host. Add nodes first.
func (c *Cluster) InstallWithManagers(ctx context.Context) error {
	if err := c.RunManagers(ctx); err != nil {
		return err
	}
	return c.install(ctx, true)
}

// RunManagers has the pods of a manager's Deployment run, no matter who installs it.
func (c *Cluster) RunManagers(ctx context.Context) error {
	if _, err := c.buildManager(ctx); err != nil {
		return err
	}
	c.managers.arePods.Store(true)
	return nil
}

// ManagersOn are the managers that are Ready in the pods on a host.
func (h *Host) ManagersOn() []*Manager { return h.managers.ready() }

// isManager reports whether a pod is one of the manager's Deployment.
func (c *Cluster) isManager(pod *corev1.Pod) bool {
	return pod.Namespace == c.namespace && pod.Labels[v1alpha1.ComponentLabel] == v1alpha1.ManagerComponent
}

// managerRunner runs the managers of one host while their pods run.
type managerRunner struct {
	host *Host

	mu   sync.Mutex
	runs map[types.UID]*managerRun
}

// managerRun is a manager that runs for one pod.
type managerRun struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex
	manager  *Manager // nil while it does not run
	graceful bool
}

func newManagerRunner(host *Host) *managerRunner {
	return &managerRunner{host: host, runs: map[types.UID]*managerRun{}}
}

// podRunning says that the kubelet runs a pod of the manager.
func (r *managerRunner) podRunning(pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs[pod.UID] != nil || !r.host.cluster.managers.arePods.Load() {
		return
	}
	ctx, cancel := context.WithCancel(r.host.cluster.background)
	run := &managerRun{cancel: cancel, ended: make(chan struct{})}
	r.runs[pod.UID] = run
	go run.run(ctx, r.host, pod.Name, string(pod.UID))
}

// podGone ends the manager of a pod, and returns when it has ended.
func (r *managerRunner) podGone(uid types.UID) {
	r.mu.Lock()
	run := r.runs[uid]
	delete(r.runs, uid)
	r.mu.Unlock()
	if run != nil {
		run.stop(true)
	}
}

// hostDown ends all managers with their host: at once, or as a kubelet does that shuts down gracefully. The kubelet reports pods that run
// again after the boot.
func (r *managerRunner) hostDown(graceful bool) {
	r.mu.Lock()
	runs := r.runs
	r.runs = map[types.UID]*managerRun{}
	r.mu.Unlock()
	for _, run := range runs {
		run.stop(graceful)
	}
}

// isReady reports whether the manager of a pod is ready.
func (r *managerRunner) isReady(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[uid] != nil && r.runs[uid].current() != nil
}

func (r *managerRunner) ready() []*Manager {
	r.mu.Lock()
	defer r.mu.Unlock()
	var managers []*Manager
	for _, run := range r.runs {
		if manager := run.current(); manager != nil {
			managers = append(managers, manager)
		}
	}
	return managers
}

func (r *managerRun) stop(graceful bool) {
	r.mu.Lock()
	r.graceful = graceful
	r.mu.Unlock()
	r.cancel()
	<-r.ended
}

func (r *managerRun) current() *Manager {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.manager
}

func (r *managerRun) set(manager *Manager) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manager = manager
}

// run keeps the manager running, as a kubelet does with a container that ends.
func (r *managerRun) run(ctx context.Context, host *Host, pod, uid string) {
	defer close(r.ended)
	for ctx.Err() == nil {
		manager, err := host.cluster.StartManager(ctx, ManagerOptions{Env: []string{
			"NODE_NAME=" + host.Name(), "POD_NAME=" + pod, "POD_UID=" + uid, "POD_NAMESPACE=" + host.cluster.namespace,
		}})
		if err == nil {
			r.set(manager)
			host.cluster.kubelets.lookAgain(host.Name())
			select {
			case <-ctx.Done():
				err = r.end(manager)
			case <-manager.Exited():
				err = manager.process.failure(errors.New("ended by itself"))
			}
			r.set(nil)
			host.cluster.kubelets.lookAgain(host.Name())
		}
		if err != nil && ctx.Err() == nil {
			host.log.Error(err, "the manager is started again", "pod", pod)
		}
		host.wait(ctx, host.cluster.clock.After(managerRestartDelay), nil)
	}
}

// end stops a manager with grace, or kills it.
func (r *managerRun) end(manager *Manager) error {
	r.mu.Lock()
	graceful := r.graceful
	r.mu.Unlock()
	if !graceful {
		return manager.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), managerGrace)
	defer cancel()
	if err := manager.Stop(ctx); err != nil {
		return manager.Kill()
	}
	return nil
}
