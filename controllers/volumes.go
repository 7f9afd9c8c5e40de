package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// detachingNodes are those whose volumes a plan may wait for: a drain is under way or over, and the order to reboot has not been given.
// There are none as long as no policy waits for volumes.
func detachingNodes(policies []*v1alpha1.RebootPolicy, reboots []*v1alpha1.NodeReboot) sets.Set[string] {
	nodes := sets.New[string]()
	if !slices.ContainsFunc(policies, func(p *v1alpha1.RebootPolicy) bool { return ptr.Deref(p.Spec.Drain.VolumeDetachSeconds, 0) > 0 }) {
		return nodes
	}
	for _, reboot := range reboots {
		attempt := reboot.Status.Attempt
		if attempt != nil && attempt.EndedTime == nil && attempt.DrainOrderedTime != nil && attempt.RebootOrderedTime == nil {
			nodes.Insert(reboot.Spec.NodeName)
		}
	}
	return nodes
}

// readVolumes finds the volumes that are attached to nodes with a drain. A VolumeAttachment is there from before a volume is attached until
// after it is detached. If they cannot be read, each of the nodes has one whose name says so: they are waited for as long as the policy
// says.
func (r *reader) readVolumes(ctx context.Context, s *snapshot) map[string][]string {
	nodes := detachingNodes(s.Policies, slices.Collect(maps.Keys(r.kept.unfinished)))
	r.interest.setVolumes(nodes)
	if len(nodes) == 0 {
		return nil
	}
	volumes := map[string][]string{}
	var list storagev1.VolumeAttachmentList
	if err := r.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		s.unread = append(s.unread, fmt.Errorf("list VolumeAttachments: %w", err))
		for node := range nodes {
			volumes[node] = []string{"(VolumeAttachments cannot be read)"}
		}
		return volumes
	}
	for i := range list.Items {
		if attachment := &list.Items[i]; nodes.Has(attachment.Spec.NodeName) {
			volumes[attachment.Spec.NodeName] = append(volumes[attachment.Spec.NodeName], volumeOf(attachment))
		}
	}
	return volumes
}

// volumeOf names the volume for people. One that is part of a pod has no name of its own.
func volumeOf(attachment *storagev1.VolumeAttachment) string {
	return cmp.Or(ptr.Deref(attachment.Spec.Source.PersistentVolumeName, ""), attachment.Name)
}

func stripVolumeAttachment(a *storagev1.VolumeAttachment) *storagev1.VolumeAttachment {
	stripped := &storagev1.VolumeAttachment{ObjectMeta: stripMeta(&a.ObjectMeta)}
	stripped.Spec.NodeName, stripped.Spec.Source.PersistentVolumeName = a.Spec.NodeName, a.Spec.Source.PersistentVolumeName
	return stripped
}

// volumeAttachmentChanged is about whether there is one alone: what is asked for in it cannot be changed.
func volumeAttachmentChanged(before, after *storagev1.VolumeAttachment) bool {
	return before.UID != after.UID
}
