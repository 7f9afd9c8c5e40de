package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func texts(count int, format string) []string {
	all := make([]string, 0, count)
	for i := range count {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

func labels(count int) map[string]string {
	made := map[string]string{}
	for _, key := range texts(count, "example.com/l%d") {
		made[key] = strings.Repeat("x", 63)
	}
	return made
}

func owned(count, length int) []metav1.OwnerReference {
	var owners []metav1.OwnerReference
	for _, uid := range texts(count, "uid-%d") {
		owners = append(owners, metav1.OwnerReference{
			APIVersion: "example.com/v1", Kind: "Thing", Name: strings.Repeat("n", length), UID: types.UID(uid),
		})
	}
	return owners
}

// Whatever others write, the manager's status finds room.
func TestTheMetadataOfANodeRebootIsBounded(t *testing.T) {
	who := newPeople(t)
	tests := map[string]struct {
		change func(*v1alpha1.NodeReboot)
		want   string
	}{
		"as many labels as there may be":     {func(r *v1alpha1.NodeReboot) { r.Labels = labels(64) }, ""},
		"one more":                           {func(r *v1alpha1.NodeReboot) { r.Labels = labels(65) }, "64 labels"},
		"as many finalizers as there may be": {func(r *v1alpha1.NodeReboot) { r.Finalizers = texts(16, "example.com/f%d") }, ""},
		"one finalizer more":                 {func(r *v1alpha1.NodeReboot) { r.Finalizers = texts(17, "example.com/f%d") }, "16 finalizers"},
		"as many owners as there may be":     {func(r *v1alpha1.NodeReboot) { r.OwnerReferences = owned(16, 253) }, ""},
		"one owner more":                     {func(r *v1alpha1.NodeReboot) { r.OwnerReferences = owned(17, 10) }, "16 owners"},
		"an owner with a long name":          {func(r *v1alpha1.NodeReboot) { r.OwnerReferences = owned(1, 100_000) }, "16 owners"},
	}
	stored := manualReboot(t, who.requester, "is-bounded", requesterName)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			created := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "bounded"}}
			created.Spec.NodeName, created.Spec.RequestedBy = "n1", requesterName
			test.change(created)
			check(t, who.requester.Create(t.Context(), created, client.DryRunAll), test.want)
			updated := stored.DeepCopy()
			test.change(updated)
			check(t, who.requester.Update(t.Context(), updated, client.DryRunAll), test.want)
		})
	}
}

// What was stored before stays changeable, and may become smaller.
func TestANodeRebootThatIsTooLargeCanBeChanged(t *testing.T) {
	who := newPeople(t)
	large := manualReboot(t, admin, "is-large", "")
	large.Labels, large.OwnerReferences, large.Finalizers = labels(70), owned(17, 10), texts(18, "example.com/f%d")
	check(t, admin.Update(t.Context(), large), "")
	t.Cleanup(func() {
		check(t, admin.Patch(context.Background(), large, mergePatch(`{"metadata":{"finalizers":null}}`)), "")
	})
	for _, text := range []string{
		`{"spec":{"reason":"x"}}`, `{"metadata":{"labels":null}}`, `{"metadata":{"ownerReferences":null}}`,
		`{"metadata":{"finalizers":["example.com/f0"]}}`, `{"metadata":{"annotations":{"a":"b"}}}`,
	} {
		check(t, who.requester.Patch(t.Context(), large.DeepCopy(), mergePatch(text), client.DryRunAll), "")
	}
	more := mergePatch(`{"metadata":{"labels":{"one":"more"}}}`)
	check(t, who.requester.Patch(t.Context(), large.DeepCopy(), more, client.DryRunAll), "64 labels")
}

// Otherwise, whoever may apply NodeReboots could keep nodes from being rebooted.
func TestAHelperReportsWhateverOthersApplied(t *testing.T) {
	who, own := newPeople(t), mustClientOf(t, namespace, helper, "helper-n1")
	reboot := rebootWithStatus(t, "n1")
	applied := func(fields string) runtime.ApplyConfiguration {
		object := &unstructured.Unstructured{}
		text := fmt.Sprintf(`{"apiVersion":"reboot-operator.io/v1alpha1","kind":"NodeReboot","metadata":{"name":%q},%s}`, reboot.Name, fields)
		if err := json.Unmarshal([]byte(text), &object.Object); err != nil {
			t.Fatal(err)
		}
		return client.ApplyConfigurationFromUnstructured(object)
	}
	reason := `"spec":{"nodeName":"n1","reason":"updates"}`
	const most = 32
	for _, manager := range texts(most, "manager-%d") {
		check(t, admin.Apply(t.Context(), applied(reason), client.FieldOwner(manager), client.ForceOwnership), "")
	}
	another := who.requester.Apply(t.Context(), applied(reason), client.FieldOwner("another"), client.ForceOwnership)
	check(t, another, "32 field managers")
	report := applied(`"status":{"report":{"bootID":"b7","sentinel":"Required","sequence":3}}`)
	check(t, own.Status().Apply(t.Context(), report, client.FieldOwner(v1alpha1.HelperFieldManager), client.ForceOwnership), "")
}
