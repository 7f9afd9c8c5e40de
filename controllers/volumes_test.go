package controllers

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// attachment of a volume to a node; it is attached.
func attachment(volume, node string) *storagev1.VolumeAttachment {
	a := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "csi-" + volume + "-" + node, UID: types.UID("uid-" + volume)}}
	a.Spec = storagev1.VolumeAttachmentSpec{
		Attacher: "csi.example.com", NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume},
	}
	a.Status.Attached = true
	return a
}

// draining is a NodeReboot of node a with an order to drain.
func draining(options ...option[*v1alpha1.NodeReboot]) *v1alpha1.NodeReboot {
	drainOrdered := func(r *v1alpha1.NodeReboot) {
		r.Status.Attempt = &v1alpha1.Attempt{Number: 1, GrantedTime: *at(0), DrainOrderedTime: at(0)}
	}
	return newReboot("r", "a", slices.Insert(options, 0, option[*v1alpha1.NodeReboot](drainOrdered))...)
}

func waitsForVolumes(seconds int32) *v1alpha1.RebootPolicy {
	policy := newPolicy("p")
	policy.Spec.Drain.VolumeDetachSeconds = &seconds
	return policy
}

func TestReadFindsTheVolumesOfNodesBetweenDrainAndReboot(t *testing.T) {
	unnamed, pending := attachment("x", "a"), attachment("y", "a")
	unnamed.Spec.Source.PersistentVolumeName, pending.Status.Attached = nil, false
	all := []string{"csi-x-a", "pv", "y"}
	for name, test := range map[string]struct {
		policy *v1alpha1.RebootPolicy
		reboot *v1alpha1.NodeReboot
		want   []string
	}{
		"that is draining": {waitsForVolumes(60), draining(), all},
		"that is drained": {waitsForVolumes(60), draining(func(r *v1alpha1.NodeReboot) {
			r.Status.Attempt.DrainedTime, r.Status.Attempt.Drain = at(1), v1alpha1.DrainComplete
		}), all},
		"not before the drain":   {waitsForVolumes(60), draining(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.DrainOrderedTime = nil }), nil},
		"not after the reboot":   {waitsForVolumes(60), draining(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.RebootOrderedTime = at(2) }), nil},
		"not after the attempt":  {waitsForVolumes(60), draining(func(r *v1alpha1.NodeReboot) { r.Status.Attempt.EndedTime = at(2) }), nil},
		"not without an attempt": {waitsForVolumes(60), newReboot("r", "a"), nil},
		"not if nothing waits":   {waitsForVolumes(0), draining(), nil},
		"not without a default":  {newPolicy("p"), draining(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.policy, test.reboot, newNode("a"), newNode("b"),
				attachment("pv", "a"), attachment("other", "b"), unnamed.DeepCopy(), pending.DeepCopy())
			r := newReader(w, noPods{})
			s, err := r.read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]string{}
			for _, node := range s.Nodes {
				got[node.Name] = slices.Sorted(slices.Values(node.Volumes))
			}
			if diff := cmp.Diff(map[string][]string{"a": test.want, "b": nil}, got); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
			if got := r.interest.hasVolume(attachment("new", "a")); got != (test.want != nil) {
				t.Errorf("of interest: %t", got)
			}
		})
	}
}

func TestVolumesAskForAPassIfTheyComeOrGoOnANodeThatIsDrained(t *testing.T) {
	i := &interest{}
	if i.hasVolume(attachment("pv", "a")) {
		t.Error("something is of interest before the first pass")
	}
	i.setVolumes(sets.New("a"))
	if cached := projection.StripVolumeAttachment(attachment("pv", "a")); !i.hasVolume(cached) || i.hasVolume(attachment("pv", "b")) {
		t.Error("want the volumes of the node alone")
	}
	detaching, another := attachment("pv", "a"), attachment("pv", "a")
	detaching.DeletionTimestamp, detaching.Status.Attached = ptr.To(metav1.NewTime(testNow)), false
	another.UID = "another"
	if volumeAttachmentChanged(attachment("pv", "a"), detaching) || !volumeAttachmentChanged(attachment("pv", "a"), another) {
		t.Error("want a pass for another VolumeAttachment of the same name, and none for a node that keeps one")
	}
}

func TestOfAVolumeAttachmentOnlyTheNodeAndTheVolumeAreCached(t *testing.T) {
	a := attachment("pv", "a")
	a.Annotations, a.Status.AttachmentMetadata = map[string]string{"a": "b"}, map[string]string{"devicePath": "/dev/x"}
	want := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: a.Name, UID: a.UID}}
	want.Spec.NodeName, want.Spec.Source.PersistentVolumeName = "a", ptr.To("pv")
	if diff := cmp.Diff(client.Object(want), client.Object(projection.StripVolumeAttachment(a))); diff != "" {
		t.Errorf("cached (-want +got):\n%s", diff)
	}
}
