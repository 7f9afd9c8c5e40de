package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"

	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// readVolumes finds the volumes that are attached to nodes with a drain. A VolumeAttachment is there from before a volume is attached until
// after it is detached. If they cannot be read, each of the nodes has one whose name says so: they are waited for as long as the policy
// says.
func (r *reader) readVolumes(ctx context.Context, s *snapshot) map[string][]string {
	nodes := projection.DetachingNodes(s.Policies, slices.Collect(maps.Keys(r.kept.unfinished)))
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
			volumes[attachment.Spec.NodeName] = append(volumes[attachment.Spec.NodeName], projection.VolumeOf(attachment))
		}
	}
	return volumes
}

// volumeAttachmentChanged is about whether there is one alone: what is asked for in it cannot be changed.
func volumeAttachmentChanged(before, after *storagev1.VolumeAttachment) bool {
	return before.UID != after.UID
}
