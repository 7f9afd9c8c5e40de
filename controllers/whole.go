package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
)

// keepReboot is the transform of NodeReboots. Most are finished, and of those only what a plan reads is kept.
func keepReboot(reboot *v1alpha1.NodeReboot) *v1alpha1.NodeReboot {
	reboot.ManagedFields = nil
	return plan.Abridge(reboot)
}

// readWhole puts the whole of abridged NodeReboots into a snapshot, as they are stored now. One that is gone is left out.
func (r *reader) readWhole(ctx context.Context, s *snapshot, partial []*v1alpha1.NodeReboot) error {
	whole, errs := make([]*v1alpha1.NodeReboot, len(partial)), make([]error, len(partial))
	var group errgroup.Group
	group.SetLimit(parallelWrites)
	for i, object := range partial {
		group.Go(func() error {
			whole[i], errs[i] = r.readStored(ctx, object)
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	if err := errors.Join(errs...); err != nil {
		return err
	}
	read := make(map[string]*v1alpha1.NodeReboot, len(partial))
	for i, object := range partial {
		read[object.Name] = whole[i]
	}
	s.Reboots = slices.DeleteFunc(slices.Clone(s.Reboots), func(object *v1alpha1.NodeReboot) bool {
		stored, is := read[object.Name]
		return is && stored == nil
	})
	for i, object := range s.Reboots {
		if stored := read[object.Name]; stored != nil {
			s.Reboots[i] = stored
		}
	}
	return nil
}

// readStored reads a NodeReboot live; nil if it is gone, or another one has its name, which the cache will show.
func (r *reader) readStored(ctx context.Context, object *v1alpha1.NodeReboot) (*v1alpha1.NodeReboot, error) {
	var stored v1alpha1.NodeReboot
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(object), &stored); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read NodeReboot %s, of which the cache keeps a part: %w", object.Name, err)
	case stored.UID != object.UID:
		return nil, nil
	}
	return &stored, nil
}
