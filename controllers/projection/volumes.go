package projection

import (
	"cmp"
	"slices"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// DetachingNodes are those whose volumes a plan may wait for: a drain is under way or over, and the order to reboot has not been given.
// There are none as long as no policy waits for volumes.
func DetachingNodes(policies []*v1alpha1.RebootPolicy, reboots []*v1alpha1.NodeReboot) sets.Set[string] {
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

// VolumeOf names the volume for people. One that is part of a pod has no name of its own.
func VolumeOf(attachment *storagev1.VolumeAttachment) string {
	return cmp.Or(ptr.Deref(attachment.Spec.Source.PersistentVolumeName, ""), attachment.Name)
}

// StripVolumeAttachment keeps which volume is attached to which node.
func StripVolumeAttachment(a *storagev1.VolumeAttachment) *storagev1.VolumeAttachment {
	stripped := &storagev1.VolumeAttachment{ObjectMeta: stripMeta(&a.ObjectMeta)}
	stripped.Spec.NodeName, stripped.Spec.Source.PersistentVolumeName = a.Spec.NodeName, a.Spec.Source.PersistentVolumeName
	return stripped
}
