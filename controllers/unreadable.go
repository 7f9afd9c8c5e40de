package controllers

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// reported remembers which versions of objects were reported whose status cannot say that they cannot be read. Of each there is one event.
type reported struct {
	mu       sync.Mutex
	versions map[types.UID]string
}

// known says whether this version of the object was reported.
func (r *reported) known(reboot *v1alpha1.NodeReboot) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.versions[reboot.UID] == reboot.ResourceVersion
}

func (r *reported) note(reboot *v1alpha1.NodeReboot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.versions == nil {
		r.versions = map[types.UID]string{}
	}
	r.versions[reboot.UID] = reboot.ResourceVersion
}

// keep forgets all objects that can be read, or are gone.
func (r *reported) keep(reboots []*v1alpha1.NodeReboot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.versions) == 0 {
		return
	}
	kept := map[types.UID]string{}
	for _, reboot := range reboots {
		if version, was := r.versions[reboot.UID]; was && reboot.SetAside() {
			kept[reboot.UID] = version
		}
	}
	r.versions = kept
}

// report says of a NodeReboot that it cannot be read: in its status if that takes it, and by an event. It returns the NodeReboot as it is
// afterwards.
func (e *executor) report(
	ctx context.Context, node *corev1.Node, reboot *v1alpha1.NodeReboot, change *plan.RebootChange,
) (*v1alpha1.NodeReboot, error) {
	if e.reported.known(reboot) {
		return reboot, nil
	}
	written := reboot
	if change.Report.Conditions != nil {
		patch, err := reportPatch(reboot, change.Report)
		if err != nil {
			return nil, err
		}
		written = reboot.DeepCopy()
		switch err := e.client.Status().Patch(ctx, written, patch); {
		case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
			logf.FromContext(ctx).Info("The status of a NodeReboot that cannot be read does not take the report",
				"nodeReboot", reboot.Name, "message", change.Report.Message, "because", err.Error())
			written = reboot
		case err != nil:
			return nil, fmt.Errorf("report that NodeReboot %s cannot be read: %w", reboot.Name, err)
		}
	}
	e.reported.note(written)
	e.emitReboot(written, node, change.Events)
	return written, nil
}
