package testbed

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// RebootRequiredAnnotation on a Node, with the value "true", is the sentinel for people who play with kubectl: the host asks for a reboot
// while it is there. The host takes it away when it reboots.
const RebootRequiredAnnotation = "testbed.reboot-operator.io/reboot-required"

// annotated follows the annotation. It is called whenever the node changes.
func (h *Host) annotated(annotations map[string]string) {
	is := annotations[RebootRequiredAnnotation] == "true"
	h.mu.Lock()
	was, rebooting := h.byAnnotation, h.rebooting
	h.byAnnotation = is
	h.mu.Unlock()
	switch {
	case is && !was:
		h.RequireReboot()
	case was && !is && !rebooting: // the host itself takes it away while it reboots
		h.WithdrawReboot()
	}
}

// removeAnnotation does so if it is there.
func (h *Host) removeAnnotation(ctx context.Context) error {
	h.mu.Lock()
	is := h.byAnnotation
	h.mu.Unlock()
	if !is {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{RebootRequiredAnnotation: nil}}})
	if err != nil {
		return fmt.Errorf("encode a patch: %w", err)
	}
	nodes := h.cluster.kubernetes.CoreV1().Nodes()
	if _, err := nodes.Patch(ctx, h.Name(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("remove the annotation of node %s: %w", h.Name(), err)
	}
	return nil
}
