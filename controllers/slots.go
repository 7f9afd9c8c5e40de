package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// slotsMemory is the slots object as this manager last read or wrote it. Whatever is granted is written on the very version that is
// remembered here.
type slotsMemory struct {
	known bool
	// object is nil if there is none. It is never changed.
	object *corev1.ConfigMap
}

// note remembers what a read or a write came to. After a write that failed it is not known what is stored.
func (m *slotsMemory) note(object *corev1.ConfigMap, err error) {
	m.known, m.object = err == nil, object
}

// writeSlots writes the slots object as a plan says, and returns what is stored then. If two managers both believe that they lead, and read
// the same state, only one can: the update carries the resourceVersion that the plan was made from, and a create fails if the object
// exists.
func (e *executor) writeSlots(ctx context.Context, read *corev1.ConfigMap, slots map[string]plan.Slot) (*corev1.ConfigMap, error) {
	data, err := projection.EncodeSlots(slots)
	if err != nil {
		return nil, err
	}
	// ConfigMaps are not cached; waiting for a cache to see the write would start one of all ConfigMaps.
	uncached := client.DisableReadYourWritesConsistency
	if read == nil {
		object := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: v1alpha1.SlotsName},
			Data:       data,
		}
		if err := e.client.Create(ctx, object, uncached); err != nil {
			return nil, fmt.Errorf("create the slots object: %w", err)
		}
		return object, nil
	}
	object := read.DeepCopy()
	object.Data, object.BinaryData = data, nil // A key that both have would be refused.
	if err := e.client.Update(ctx, object, uncached); err != nil {
		return nil, fmt.Errorf("write the slots object: %w", err)
	}
	return object, nil
}
