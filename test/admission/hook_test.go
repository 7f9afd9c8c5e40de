package admission

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestAProgramThatDoesHooksSetsItsConditionsAndNothingElse(t *testing.T) {
	const (
		program    = "backup"
		others     = "others may set conditions whose type has a domain"
		operators  = "Conditions without a domain are the operator's"
		done       = `{"type":"example.com/backup-done","status":"True","reason":"Done","message":"","lastTransitionTime":"2026-11-23T13:00:00Z"}`
		order      = `"order":{"sequence":9,"action":"Reboot","bootID":"b1","deadline":"2036-11-23T13:00:00.000000Z"}`
		rbacRefuse = "forbidden"
	)
	reboot := rebootWithStatus(t, "n1")
	ready := `{"type":"Ready","status":"False","reason":"Draining","message":"","lastTransitionTime":"` +
		reboot.Status.Conditions[0].LastTransitionTime.UTC().Format("2006-01-02T15:04:05Z") + `"}`
	createNow(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: program}})
	createNow(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "backup-does-hooks"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "reboot-operator-hook"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: program}},
	})
	awaitAllowed(t, namespace, program, right{verb: "patch", group: "reboot-operator.io", resource: "nodereboots", subresource: "status"})
	own := mustClientOf(t, namespace, program, "")
	apply := func(status string) client.Patch {
		return client.RawPatch(types.ApplyPatchType, []byte(
			`{"apiVersion":"reboot-operator.io/v1alpha1","kind":"NodeReboot","metadata":{"name":"`+reboot.Name+`"},"status":`+status+`}`))
	}
	many := func(n int) client.Patch {
		conditions := make([]string, n)
		for i := range conditions {
			conditions[i] = strings.Replace(done, "backup-done", fmt.Sprintf("x-%d", i), 1)
		}
		return apply(`{"conditions":[` + strings.Join(conditions, ",") + `]}`)
	}
	for name, test := range map[string]struct {
		patch client.Patch
		want  string
	}{
		"as many conditions as there may be":            {patch: many(48)},
		"so many that the operator's own find no place": {many(49), "more than 48 conditions of others"},
		"its condition, applied":                        {patch: apply(`{"conditions":[` + done + `]}`)},
		"its condition, in a merge":                     {patch: mergePatch(`{"status":{"conditions":[` + ready + `,` + done + `]}}`)},
		"a condition of the operator":                   {apply(`{"conditions":[{"type":"Drained","status":"True","reason":"x","message":"","lastTransitionTime":"2026-11-23T13:00:00Z"}]}`), operators},
		"the operator's conditions gone":                {mergePatch(`{"status":{"conditions":[` + done + `]}}`), operators},
		"an order":                                      {mergePatch(`{"status":{` + order + `}}`), others},
		"an order besides its condition":                {mergePatch(`{"status":{"conditions":[` + ready + `,` + done + `],` + order + `}}`), others},
		"the helper's report":                           {mergePatch(`{"status":{"report":{"bootID":"b2","sentinel":"NotRequired"}}}`), others},
		"the outcome":                                   {mergePatch(`{"status":{"outcome":"Succeeded"}}`), others},
		"the order removed":                             {mergePatch(`{"status":{"order":null}}`), others},
		"all of the status removed":                     {mergePatch(`{"status":null}`), others},
		"a status that is as it was":                    {patch: mergePatch(`{"status":{"phase":"Draining"}}`)},
		"another condition of its domain":               {patch: apply(`{"conditions":[{"type":"example.com/x","status":"Unknown","reason":"x","message":"","lastTransitionTime":"2026-11-23T13:00:00Z"}]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			options := []client.SubResourcePatchOption{client.DryRunAll}
			if test.patch.Type() == types.ApplyPatchType {
				options = append(options, client.FieldOwner("backup"))
			}
			checkAny(t, own.Status().Patch(t.Context(), reboot.DeepCopy(), test.patch, options...), test.want)
		})
	}
	check(t, own.Patch(t.Context(), reboot.DeepCopy(), mergePatch(`{"spec":{"approval":"Given"}}`), client.DryRunAll), rbacRefuse)
	check(t, admin.Status().Patch(t.Context(), reboot.DeepCopy(), mergePatch(`{"status":{`+order+`}}`), dryRun()), "")
	applyManyTimes(t, own, reboot, apply(`{"conditions":[`+done+`]}`))
	run(t, "patch", "nodereboot", reboot.Name, "--subresource=status", "--dry-run=server", "--type=merge",
		"-p", `{"status":{"phase":"Draining"}}`, "--as=system:serviceaccount:"+namespace+":"+program)
	boss := mustClientOf(t, namespace, manager, "")
	check(t, boss.Status().Patch(t.Context(), reboot.DeepCopy(), mergePatch(`{"status":{`+order+`}}`), dryRun()), "")
}

// applyManyTimes applies as another field manager each time: each leaves an entry in the object.
func applyManyTimes(t *testing.T, own client.Client, reboot *v1alpha1.NodeReboot, patch client.Patch) {
	t.Helper()
	var last error
	for i := range 40 {
		owner := client.FieldOwner(fmt.Sprintf("backup-%d", i))
		if last = own.Status().Patch(t.Context(), reboot.DeepCopy(), patch, owner); last != nil {
			break
		}
	}
	check(t, last, "no more than 32 field managers that apply")
	check(t, own.Status().Patch(t.Context(), reboot.DeepCopy(), patch, client.FieldOwner("backup-1")), "")
	// Nobody can keep others from changing it, or from withdrawing an approval.
	lead := newPeople(t).lead
	check(t, lead.Patch(t.Context(), reboot.DeepCopy(), spec(`"reason":"x"`), client.FieldOwner("kubectl-patch")), "")
}
