package controllers

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// reported remembers which versions of objects were reported whose status cannot say that they cannot be read. There is one event for each.
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

// report reports that a NodeReboot cannot be read: in its status if possible, and by an event. It returns the NodeReboot as it is
// afterwards. A report that the API server refuses is tried again like any other write; the event is not.
func (e *executor) report(
	ctx context.Context, node *corev1.Node, reboot *v1alpha1.NodeReboot, change *plan.RebootChange,
) (*v1alpha1.NodeReboot, error) {
	told := e.reported.known(reboot)
	if told && change.Report.Conditions == nil {
		return reboot, nil
	}
	written, err := e.writeReport(ctx, reboot, change.Report)
	if _, refused := refusalOf(err); err != nil && !refused {
		return nil, err
	}
	if !told {
		e.emitReboot(written, node, change.Events)
	}
	e.reported.note(written)
	return written, err
}

// writeReport writes the report if there is a status that takes one.
func (e *executor) writeReport(ctx context.Context, reboot *v1alpha1.NodeReboot, report *plan.Report) (*v1alpha1.NodeReboot, error) {
	if report.Conditions == nil {
		return reboot, nil
	}
	written := reboot.DeepCopy()
	if err := e.client.Status().Patch(ctx, written, reportPatch(reboot, report)); err != nil {
		return reboot, fmt.Errorf("report that NodeReboot %s cannot be read: %w", reboot.Name, err)
	}
	return written, nil
}
