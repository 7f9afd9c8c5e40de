package testbed

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// reboot takes the host down and up again: when back fires, or when returned is closed, or never.
func (h *Host) reboot(back <-chan time.Time, returned <-chan struct{}) {
	ctx := h.cluster.background
	if !h.wait(ctx, h.cluster.clock.After(shutdownDelay), nil) {
		return
	}
	h.goDown(ctx)
	if !h.wait(ctx, back, returned) {
		return
	}
	h.comeUp(ctx)
	if !h.wait(ctx, h.cluster.clock.After(h.options.PodStatusLag), nil) {
		return
	}
	h.power.Lock()
	h.up, h.kubeletSince = true, h.now()
	h.power.Unlock()
	h.mu.Lock()
	h.rebooting = false
	h.mu.Unlock()
	h.cluster.kubelets.lookAgain(h.Name())
}

// wait says whether the host is still part of the cluster when one of the channels fires.
func (h *Host) wait(ctx context.Context, fires <-chan time.Time, closes <-chan struct{}) bool {
	select {
	case <-fires:
	case <-closes:
	case <-h.gone:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

func (h *Host) goDown(ctx context.Context) {
	h.helper.hostDown()
	h.power.Lock()
	h.up = false
	h.power.Unlock()
	graceful := h.shutsDownGracefully()
	h.managers.hostDown(graceful)
	h.journal.add(HostEvent{At: h.now(), Kind: EventDown})
	if graceful {
		h.report(ctx, h.cluster.kubelets.shutDown(ctx, h.Name()))
	}
	if h.options.FastReboot {
		return
	}
	// The kubelet says so before its host is off, if anyone listens.
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	h.report(ctx, h.writeNodeStatus(ctx, corev1.NodeStatus{Conditions: h.conditions(false), NodeInfo: h.nodeInfo()}))
	h.report(ctx, h.cluster.kubelets.notReady(ctx, h.Name()))
}

// comeUp boots: another boot ID, the next kernel, a sentinel that is gone, and a kubelet that says Ready.
func (h *Host) comeUp(ctx context.Context) {
	h.insist(ctx, h.removeAnnotation)
	h.sentinel.booted()
	h.mu.Lock()
	h.bootID = uuid.NewString()
	h.bootTime = h.now().Add(-h.options.RebootDuration / 2) // the kernel runs long before the kubelet is ready
	h.kernel++
	bootID := h.bootID
	h.mu.Unlock()
	h.power.Lock()
	h.boot++
	h.power.Unlock()
	h.journal.add(HostEvent{At: h.now(), Kind: EventUp, Detail: bootID, BootID: bootID})
	h.insist(ctx, h.renewLease)
	h.insist(ctx, h.registerAgain)
	h.insist(ctx, func(ctx context.Context) error {
		return h.writeNodeStatus(ctx, corev1.NodeStatus{Conditions: h.conditions(true), NodeInfo: h.nodeInfo()})
	})
}

// insist writes repeatedly until the API server has taken it, or nothing is left to write to, as a kubelet does.
func (h *Host) insist(ctx context.Context, write func(context.Context) error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, kubeletTimeout)
		err := write(attempt)
		cancel()
		if err == nil || apierrors.IsNotFound(err) {
			return
		}
		h.report(ctx, err)
		if !h.wait(ctx, h.cluster.clock.After(kubeletRetry), nil) {
			return
		}
	}
}

// report logs what a simulated kubelet could not write, unless the node or the cluster is gone.
func (h *Host) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !errors.Is(err, context.Canceled) {
		h.log.Error(err, "simulated kubelet")
	}
}
