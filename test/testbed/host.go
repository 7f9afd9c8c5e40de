package testbed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/helper"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

const (
	defaultRebootDuration = 2 * time.Second
	// shutdownDelay is the time from a host's yes to a reboot until it goes down.
	shutdownDelay = 100 * time.Millisecond
	firstKernel   = 40
)

// Fault is what goes wrong with a host when it is ordered to reboot.
type Fault string

const (
	// FaultNone reboots.
	FaultNone Fault = ""
	// FaultNeverBack goes down and stays down until Return.
	FaultNeverBack Fault = "NeverBack"
	// FaultRebootIgnored says yes and does nothing.
	FaultRebootIgnored Fault = "RebootIgnored"
	// FaultRebootRefused answers with an error.
	FaultRebootRefused Fault = "RebootRefused"
)

// Host is a simulated machine with its kubelet and its helper. It implements helper.Host.
type Host struct {
	cluster  *Cluster
	options  NodeOptions
	log      logr.Logger
	sentinel *sentinel
	helper   *helperRunner
	managers *managerRunner
	gone     chan struct{} // closed when the node was deleted
	journal  journal

	// power is held for reading while a kubelet acts, and for writing to go down or come up.
	power sync.RWMutex
	up    bool
	boot  int // counts boots from 1
	// kubeletSince is when the kubelet of this boot began; zero for the first one, which has run for long.
	kubeletSince time.Time

	mu           sync.Mutex
	nodeUID      types.UID // empty until the Node was created
	bootID       string
	bootTime     time.Time
	machineID    string
	kernel       int
	fault        Fault
	obstacle     string
	graceful     bool
	rebooting    bool
	byAnnotation bool // RebootRequiredAnnotation is on the node
	accepted     int
	around       func(ask func() (via string, err error)) (via string, err error)
	returned     chan struct{} // closed by Return; a new one for each reboot
}

func newHost(cluster *Cluster, options NodeOptions) *Host {
	host := &Host{
		cluster: cluster, options: options, log: cluster.log.WithValues("node", options.Name),
		sentinel: newSentinel(), gone: make(chan struct{}),
		up: true, boot: 1,
		bootID: uuid.NewString(), bootTime: cluster.clock.Now(), machineID: uuid.NewString(), kernel: firstKernel,
	}
	host.helper, host.managers = newHelperRunner(host, !options.WithoutHelper), newManagerRunner(host)
	return host
}

// Name is the name of the host and of its node.
func (h *Host) Name() string { return h.options.Name }

// Up reports whether the host runs.
func (h *Host) Up() bool {
	h.power.RLock()
	defer h.power.RUnlock()
	return h.up
}

// boots is how often the host was started.
func (h *Host) boots() int {
	h.power.RLock()
	defer h.power.RUnlock()
	return h.boot
}

// BootID is the random ID of the host's current or, while it is down, last boot.
func (h *Host) BootID() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bootID, nil
}

// BootTime is when the host booted, in whole seconds as Linux tells it.
func (h *Host) BootTime() (time.Time, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bootTime.Truncate(time.Second), nil
}

// Methods says what is in the way of a reboot.
func (h *Host) Methods(context.Context) []v1alpha1.MethodReport {
	h.mu.Lock()
	defer h.mu.Unlock()
	return []v1alpha1.MethodReport{{Name: v1alpha1.RebootLogind, Obstacle: h.obstacle}}
}

// Describe is nothing more.
func (h *Host) Describe(context.Context) helper.HostDescription { return helper.HostDescription{} }

// Reboot returns once the host accepted the order; it goes down shortly after.
func (h *Host) Reboot(_ context.Context, bootID string, order rebooter.Order) (via string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case bootID != h.bootID:
		return "", fmt.Errorf("the order is about boot %s, and the host runs boot %s", bootID, h.bootID)
	case h.fault == FaultRebootRefused:
		h.journal.add(HostEvent{At: h.now(), Kind: EventRebootRefused, BootID: bootID})
		return "", errors.New("the simulated host refuses to reboot")
	case h.rebooting:
		return "", errors.New("a shutdown is already in progress")
	}
	h.accepted++
	h.journal.add(HostEvent{At: h.now(), Kind: EventRebootAccepted, Detail: order.Method, BootID: bootID})
	if h.fault != FaultRebootIgnored {
		h.rebootLocked()
	}
	return rebooter.ViaFirmware, nil
}

// PowerCycle reboots the host as if someone had pressed its button.
func (h *Host) PowerCycle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.rebooting {
		h.rebootLocked()
	}
}

func (h *Host) rebootLocked() {
	h.rebooting = true
	h.returned = make(chan struct{})
	back := h.cluster.clock.After(shutdownDelay + h.options.RebootDuration)
	if h.fault == FaultNeverBack {
		back = nil
	}
	go h.reboot(back, h.returned)
}

// RebootsAccepted is how many orders to reboot the host has said yes to.
func (h *Host) RebootsAccepted() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.accepted
}

// SetFault chooses what goes wrong from the next order on. FaultNone ends a fault; a host that is down stays down until Return.
func (h *Host) SetFault(fault Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = fault
}

// SetObstacle chooses what the host says is in the way of a reboot; empty is nothing.
func (h *Host) SetObstacle(obstacle string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.obstacle = obstacle
}

// SetGracefulShutdown chooses whether the kubelet ends every pod when the host goes down, as one with a shutdownGracePeriod does: their
// phase is Failed, and anyone who made them makes others.
func (h *Host) SetGracefulShutdown(graceful bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.graceful = graceful
}

func (h *Host) shutsDownGracefully() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.graceful
}

// Return ends FaultNeverBack and lets the host come up if it is down.
func (h *Host) Return() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fault == FaultNeverBack {
		h.fault = FaultNone
	}
	if h.rebooting && h.returned != nil {
		close(h.returned)
		h.returned = nil
	}
}

// RequireReboot puts the sentinel there.
func (h *Host) RequireReboot() {
	h.journal.add(HostEvent{At: h.now(), Kind: EventSentinelSet})
	h.sentinel.set(v1alpha1.SentinelRequired, "the simulated host asks for a reboot")
}

// WithdrawReboot takes the sentinel away.
func (h *Host) WithdrawReboot() {
	h.journal.add(HostEvent{At: h.now(), Kind: EventSentinelCleared})
	h.sentinel.set(v1alpha1.SentinelNotRequired, "")
}

// BreakSentinel lets every check of the sentinel fail until RequireReboot or WithdrawReboot.
func (h *Host) BreakSentinel() {
	h.sentinel.set(v1alpha1.SentinelUnknown, "the simulated check fails")
}

// SetSentinelSticky chooses whether the sentinel survives a reboot.
func (h *Host) SetSentinelSticky(sticky bool) { h.sentinel.setSticky(sticky) }

// StopHelper ends the helper as if its process had been killed, and shows its pod as not ready. It returns when the helper has ended.
func (h *Host) StopHelper() {
	h.helper.want(false)
	h.cluster.kubelets.lookAgain(h.Name())
}

// StartHelper undoes StopHelper.
func (h *Host) StartHelper() {
	h.helper.want(true)
	h.cluster.kubelets.lookAgain(h.Name())
}

// Delete deletes the Node and turns the host off. Pods of it that have to end are gone at once; to tell them is left to the control
// plane, which takes about a minute for pods that no DaemonSet made.
func (h *Host) Delete(ctx context.Context) error {
	h.removed()
	err := h.cluster.kubernetes.CoreV1().Nodes().Delete(ctx, h.Name(), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete node %s: %w", h.Name(), err)
	}
	return nil
}

// Deregister deletes the Node of a host, as some cloud providers do with a machine that is down. The kubelet registers it again when the
// host boots.
func (h *Host) Deregister(ctx context.Context) error {
	h.setNode("")
	if err := h.cluster.kubernetes.CoreV1().Nodes().Delete(ctx, h.Name(), metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete node %s: %w", h.Name(), err)
	}
	return nil
}

// registerAgain creates the Node of a host that was deregistered.
func (h *Host) registerAgain(ctx context.Context) error {
	if !h.isNode("") {
		return nil
	}
	node, err := h.cluster.kubernetes.CoreV1().Nodes().Create(ctx, h.node(), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // an answer to an earlier try was lost
		node, err = h.cluster.kubernetes.CoreV1().Nodes().Get(ctx, h.Name(), metav1.GetOptions{})
	}
	if err != nil {
		return fmt.Errorf("register node %s again: %w", h.Name(), err)
	}
	h.setNode(node.UID)
	return nil
}

// removed turns the host off permanently.
func (h *Host) removed() {
	h.power.Lock()
	h.up = false
	h.power.Unlock()
	h.mu.Lock()
	if !h.isGone() {
		close(h.gone)
	}
	h.mu.Unlock()
	h.helper.stop()
	h.managers.hostDown(false)
	h.cluster.kubelets.lookAgain(h.Name())
}

func (h *Host) isGone() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

// healthy reports whether the containers of a pod run. Only the helper can be stopped, and the manager is a process.
func (h *Host) healthy(pod *corev1.Pod) bool {
	switch {
	case h.cluster.isHelper(pod):
		return h.helper.isWanted()
	case h.cluster.isManager(pod):
		return h.managers.isReady(pod.UID)
	}
	return true
}

func (h *Host) setNode(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodeUID = uid
}

// isNode tells the host's Node from an older one of the same name.
func (h *Host) isNode(uid types.UID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nodeUID == uid
}

func (h *Host) now() time.Time { return h.cluster.clock.Now() }

// Removed reports whether the host was turned off permanently.
func (h *Host) Removed() bool { return h.isGone() }
