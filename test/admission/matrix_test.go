package admission

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Both tables are the API server's answers, each cell to its own request: yes is 2xx and no is 403, whatever refuses. A number is another
// answer, and a dot is a request that does not exist. Nothing is changed: every write is a dry run.

// asItself is what the token of the helper on n1 is good for.
const asItself = `
                                    get  list watch create update patch delete deletecollection
nodereboots of its node             no   yes  yes   yes    no     no    no     no
nodereboots of another node         no   yes  yes   no     no     no    no     no
status.report of its node           no   .    .     no     no     yes   no     .
status.report of another node       no   .    .     no     no     no    no     .
status besides it, of its node      no   .    .     no     no     no    no     .
rebootpolicies                      no   no   no    no     no     no    no     no
rebootpolicies/status               no   .    .     no     no     no    no     .
nodes, its own                      no   no   no    no     no     no    no     no
nodes, another                      no   no   no    no     no     no    no     no
nodes/status of its own             no   .    .     no     no     no    no     .
nodes/status of another             no   .    .     no     no     no    no     .
nodes/proxy of its own              no   .    .     no     no     no    no     .
pods of its node                    no   no   no    no     no     no    no     no
pods of another node                no   no   no    no     no     no    no     no
pods of all nodes                   .    no   no    .      .      .     .      no
pods/eviction on its node           no   .    .     no     no     no    no     .
pods/eviction on another node       no   .    .     no     no     no    no     .
pods/status on its node             no   .    .     no     no     no    no     .
pods/exec on its node               no   .    .     no     no     no    no     .
pods/log on its node                no   .    .     no     no     no    no     .
pods/ephemeralcontainers            no   .    .     no     no     no    no     .
secrets                             no   no   no    no     no     no    no     no
secrets, that of gates              no   no   no    no     no     no    no     no
secrets, that of webhooks           no   no   no    no     no     no    no     no
configmaps, the slots               no   no   no    no     no     no    no     no
configmaps, the authority           no   no   no    no     no     no    no     no
configmaps, another                 no   no   no    no     no     no    no     no
configmaps elsewhere                no   no   no    no     no     no    no     no
serviceaccounts                     no   no   no    no     no     no    no     no
serviceaccounts/token               no   .    .     no     no     no    no     .
leases, the leader's                no   no   no    no     no     no    no     no
leases of nodes                     no   no   no    no     no     no    no     no
events of the operator              no   no   no    no     no     no    no     no
events elsewhere                    no   no   no    no     no     no    no     no
events.k8s.io                       no   no   no    no     no     no    no     no
daemonsets                          yes  no   no    no     no     no    no     no
deployments                         no   no   no    no     no     no    no     no
statefulsets                        no   no   no    no     no     no    no     no
replicasets                         no   no   no    no     no     no    no     no
jobs                                no   no   no    no     no     no    no     no
poddisruptionbudgets                no   no   no    no     no     no    no     no
namespaces                          no   no   no    no     no     no    no     no
persistentvolumes                   no   no   no    no     no     no    no     no
persistentvolumeclaims              no   no   no    no     no     no    no     no
csinodes                            no   no   no    no     no     no    no     no
volumeattachments                   no   no   no    no     no     no    no     no
roles                               no   no   no    no     no     no    no     no
clusterroles                        no   no   no    no     no     no    no     no
clusterrolebindings                 no   no   no    no     no     no    no     no
customresourcedefinitions           no   no   no    no     no     no    no     no
validatingadmissionpolicies         no   no   no    no     no     no    no     no
validatingwebhookconfigurations     no   no   no    no     no     no    no     no
webhookconfigurations, evictions    no   no   no    no     no     no    no     no
webhookconfigurations, names        no   no   no    no     no     no    no     no
certificatesigningrequests          no   no   no    no     no     no    no     no
tokenreviews                        .    .    .     no     .      .     .      .
subjectaccessreviews                .    .    .     no     .      .     .      .
`

// asItsNode is what the same token is good for beyond that when it takes on the identity of n1. Everything else is refused.
var asItsNode = map[string]string{
	"pods of its node":          "no   yes  yes   no     no     no    no     no",
	"pods/eviction on its node": "no   .    .     yes    no     no    no     .",
}

// asItselfBefore136 is what it may do beyond asItself where there is no constrained impersonation, with config/components/before-1.36. It
// reads pods of other nodes, and drains its own node only.
var asItselfBefore136 = map[string]string{
	"pods of its node":          "no   yes  yes   no     no     no    no     no",
	"pods of another node":      "no   yes  yes   no     no     no    no     no",
	"pods of all nodes":         ".    yes  yes   .      .      .     .      no",
	"pods/eviction on its node": "no   .    .     yes    no     no    no     .",
}

func TestAHelperMayDoWhatTheTableSaysAndNothingElse(t *testing.T) {
	want := lines(asItself)
	if !installed.DrainsAsNode {
		want = changed(want, asItselfBefore136)
	}
	got := ask(t, tokenOf(t, namespace, helper, "helper-n1"), nil)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to the helper on n1 (-want +got):\n%s", diff)
	}
}

func TestAsItsNodeAHelperMayDrainItAndNothingElse(t *testing.T) {
	want := refused(lines(asItself))
	if installed.DrainsAsNode {
		want = changed(want, asItsNode)
	}
	got := ask(t, tokenOf(t, namespace, helper, "helper-n1"), http.Header{"Impersonate-User": {"system:node:n1"}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to the helper on n1 as its node (-want +got):\n%s", diff)
	}
}

func TestAHelperMayDoNothingAsSomeoneElse(t *testing.T) {
	token := tokenOf(t, namespace, helper, "helper-n1")
	for name, header := range map[string]http.Header{
		"as another node":                   {"Impersonate-User": {"system:node:n2"}},
		"as a node that is not there":       {"Impersonate-User": {"system:node:n3"}},
		"as the manager":                    {"Impersonate-User": {"system:serviceaccount:" + namespace + ":" + manager}},
		"as a user":                         {"Impersonate-User": {"someone"}},
		"as a user of system:masters":       {"Impersonate-User": {"someone"}, "Impersonate-Group": {"system:masters"}},
		"as its node, with system:masters":  {"Impersonate-User": {"system:node:n1"}, "Impersonate-Group": {"system:masters"}},
		"as its node, with a uid":           {"Impersonate-User": {"system:node:n1"}, "Impersonate-Uid": {"1"}},
		"as its node, with something extra": {"Impersonate-User": {"system:node:n1"}, "Impersonate-Extra-Scopes": {"x"}},
		"as itself, with another node's name": {
			"Impersonate-User": {"system:serviceaccount:" + namespace + ":" + helper},
			"Impersonate-Extra-Authentication.kubernetes.io%2fnode-Name": {"n2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(refused(lines(asItself)), ask(t, token, header)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATokenOfAHelperThatIsBoundToNoPodReadsOnly(t *testing.T) {
	want := changed(lines(asItself), map[string]string{
		"nodereboots of its node":   "no   yes  yes   no     no     no    no     no",
		"status.report of its node": "no   .    .     no     no     no    no     .",
	})
	if !installed.DrainsAsNode {
		want = changed(want, asItselfBefore136)
		want["pods/eviction on its node"] = refused(want)["pods/eviction on its node"]
	}
	got := ask(t, tokenOf(t, namespace, helper, ""), nil)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to a helper's token without a pod (-want +got):\n%s", diff)
	}
}

// asManager is what the manager may do; it may do nothing that is not in a row.
var asManager = map[string]string{
	"nodereboots of its node":        "yes  yes  yes   yes    no     yes   yes    no",
	"nodereboots of another node":    "yes  yes  yes   yes    no     yes   yes    no",
	"status.report of its node":      "no   .    .     no     no     yes   no     .",
	"status.report of another node":  "no   .    .     no     no     yes   no     .",
	"status besides it, of its node": "no   .    .     no     no     yes   no     .",
	"rebootpolicies":                 "no   yes  yes   no     no     no    no     no",
	"rebootpolicies/status":          "no   .    .     no     no     yes   no     .",
	"nodes, its own":                 "no   yes  yes   no     no     yes   no     no",
	"nodes, another":                 "no   yes  yes   no     no     yes   no     no",
	"nodes/status of its own":        "no   .    .     no     no     yes   no     .",
	"nodes/status of another":        "no   .    .     no     no     yes   no     .",
	"pods of its node":               "no   yes  yes   no     no     no    no     no",
	"pods of another node":           "no   yes  yes   no     no     no    no     no",
	"pods of all nodes":              ".    yes  yes   .      .      .     .      no",
	"configmaps, the slots":          "yes  no   no    yes    yes    no    no     no",
	"configmaps, the authority":      "no   yes  yes   yes    yes    no    no     no",
	"configmaps, another":            "no   no   no    yes    no     no    no     no",
	"leases, the leader's":           "yes  no   yes   yes    yes    no    no     no",
	"secrets, that of gates":         "yes  no   no    no     no     no    no     no",
	// It may change what it serves its webhooks with, and what the API server knows of them.
	"secrets, that of webhooks":        "no   yes  yes   no     yes    no    no     no",
	"webhookconfigurations, evictions": "no   yes  yes   no     no     yes   no     no",
	"webhookconfigurations, names":     "no   yes  yes   no     no     yes   no     no",
	"events.k8s.io":                    "no   no   no    yes    no     yes   no     no",
	"daemonsets":                       "no   yes  yes   no     no     no    no     no",
	"deployments":                      "no   yes  yes   no     no     no    no     no",
	"statefulsets":                     "no   yes  yes   no     no     no    no     no",
	"poddisruptionbudgets":             "no   yes  yes   no     no     no    no     no",
	"volumeattachments":                "no   yes  yes   no     no     no    no     no",
	// They say which nodes take pods.
	"namespaces":             "no   yes  yes   no     no     no    no     no",
	"persistentvolumes":      "no   yes  yes   no     no     no    no     no",
	"persistentvolumeclaims": "no   yes  yes   no     no     no    no     no",
	"csinodes":               "no   yes  yes   no     no     no    no     no",
	// They say when kinds are installed by which others say that they maintain a node.
	"customresourcedefinitions": "no   yes  yes   no     no     no    no     no",
	"tokenreviews":              ".    .    .     yes    .      .     .      .",
	"subjectaccessreviews":      ".    .    .     yes    .      .     .      .",
}

func TestTheManagerMayDoWhatTheTableSaysAndNothingElse(t *testing.T) {
	token := tokenOf(t, namespace, manager, "")
	if diff := cmp.Diff(changed(refused(lines(asItself)), asManager), ask(t, token, nil)); diff != "" {
		t.Errorf("answers to the manager (-want +got):\n%s", diff)
	}
	for _, user := range []string{"system:node:n1", "someone", "system:serviceaccount:" + namespace + ":" + helper} {
		if diff := cmp.Diff(refused(lines(asItself)), ask(t, token, http.Header{"Impersonate-User": {user}})); diff != "" {
			t.Errorf("answers to the manager as %s (-want +got):\n%s", user, diff)
		}
	}
}

// lines are those of a table, by their names. Cells are separated by one space.
func lines(table string) map[string]string {
	rows := map[string]string{}
	for line := range strings.Lines(strings.TrimPrefix(table, "\n")) {
		name, cells := strings.TrimSpace(line[:nameWidth]), strings.Join(strings.Fields(line[nameWidth:]), " ")
		if name != "" {
			rows[name] = cells
		}
	}
	return rows
}

// refused is the table with no in every cell that is asked.
func refused(table map[string]string) map[string]string {
	all := map[string]string{}
	for name, cells := range table {
		all[name] = strings.ReplaceAll(cells, "yes", "no")
	}
	return all
}

// changed is the table with other cells in some rows.
func changed(table, rows map[string]string) map[string]string {
	all := map[string]string{}
	for name, cells := range table {
		all[name] = cells
	}
	for name, cells := range rows {
		all[name] = strings.Join(strings.Fields(cells), " ")
	}
	return all
}

// nameWidth is the width of the column of names.
const nameWidth = 36

var verbs = strings.Fields("get list watch create update patch delete deletecollection")

// target is what a row of the table asks for.
type target struct {
	// collection is the path of the objects, object the name of one, subresource a part of it.
	collection, object, subresource string
	// selector confines list, watch and deletecollection.
	selector string
	// create and patch are what is sent, where an empty object would be refused for what it is.
	create, patch string
	// only are the verbs that make sense; all if empty.
	only string
}

const (
	core       = "/api/v1/"
	inOwn      = "/api/v1/namespaces/" + namespace + "/"
	inOthers   = "/api/v1/namespaces/default/"
	rbac       = "/apis/rbac.authorization.k8s.io/v1/"
	apps       = "/apis/apps/v1/namespaces/"
	admissions = "/apis/admissionregistration.k8s.io/v1/"
	reboots    = "/apis/reboot-operator.io/v1alpha1/nodereboots"
	policies   = "/apis/reboot-operator.io/v1alpha1/rebootpolicies"
)

// targets are the rows. The objects are made by prepareMatrix.
func targets(t *testing.T) map[string]target {
	t.Helper()
	first, second := v1alpha1.SentinelRebootName("n1", "matrix"), v1alpha1.SentinelRebootName("n2", "matrix")
	create := func(node string) string {
		return fmt.Sprintf(`{"apiVersion":"reboot-operator.io/v1alpha1","kind":"NodeReboot","metadata":{"name":%q},`+
			`"spec":{"nodeName":%q,"trigger":"Sentinel","bootID":"new"}}`, v1alpha1.SentinelRebootName(node, "new"), node)
	}
	const report = `{"status":{"report":{"bootID":"b9","sentinel":"NotRequired","sequence":1}}}`
	event := `"metadata":{"name":"new","namespace":"default"},"reason":"R","action":"A","type":"Normal","reportingController":"c.d/e",` +
		`"reportingInstance":"i","eventTime":"2026-11-23T13:00:00.000000Z",`
	return map[string]target{
		"nodereboots of its node":        {collection: reboots, object: first, selector: "spec.nodeName=n1", create: create("n1")},
		"nodereboots of another node":    {collection: reboots, object: second, selector: "spec.nodeName=n2", create: create("n2")},
		"status.report of its node":      {collection: reboots, object: first, subresource: "status", patch: report},
		"status.report of another node":  {collection: reboots, object: second, subresource: "status", patch: report},
		"status besides it, of its node": {collection: reboots, object: first, subresource: "status", patch: `{"status":{"phase":"Failed"}}`},
		"rebootpolicies":                 {collection: policies, object: "matrix"},
		"rebootpolicies/status":          {collection: policies, object: "matrix", subresource: "status"},
		"nodes, its own":                 {collection: core + "nodes", object: "n1"},
		"nodes, another":                 {collection: core + "nodes", object: "n2"},
		"nodes/status of its own":        {collection: core + "nodes", object: "n1", subresource: "status"},
		"nodes/status of another":        {collection: core + "nodes", object: "n2", subresource: "status"},
		"nodes/proxy of its own":         {collection: core + "nodes", object: "n1", subresource: "proxy"},
		"pods of its node":               {collection: inOthers + "pods", object: "app-n1", selector: "spec.nodeName=n1"},
		"pods of another node":           {collection: inOthers + "pods", object: "app-n2", selector: "spec.nodeName=n2"},
		"pods of all nodes":              {collection: core + "pods", only: "list watch deletecollection"},
		"pods/eviction on its node":      {collection: inOthers + "pods", object: "app-n1", subresource: "eviction", create: evictionOf(t, "app-n1")},
		"pods/eviction on another node":  {collection: inOthers + "pods", object: "app-n2", subresource: "eviction", create: evictionOf(t, "app-n2")},
		"pods/status on its node":        {collection: inOthers + "pods", object: "app-n1", subresource: "status"},
		"pods/exec on its node":          {collection: inOthers + "pods", object: "app-n1", subresource: "exec"},
		"pods/log on its node":           {collection: inOthers + "pods", object: "app-n1", subresource: "log"},
		"pods/ephemeralcontainers":       {collection: inOthers + "pods", object: "app-n1", subresource: "ephemeralcontainers"},
		"secrets":                        {collection: inOwn + "secrets", object: "matrix"},
		"secrets, that of gates":         {collection: inOwn + "secrets", object: "reboot-operator-gates"},
		"secrets, that of webhooks":      named(inOwn+"secrets", "reboot-operator-webhook"),
		"configmaps, the slots":          {collection: inOwn + "configmaps", object: "reboot-operator-slots", create: `{"metadata":{"name":"new"}}`},
		"configmaps, the authority": {
			collection: inOwn + "configmaps", object: "reboot-operator-metrics-ca", selector: "metadata.name=reboot-operator-metrics-ca",
			create: `{"metadata":{"name":"new"}}`,
		},
		"configmaps, another":   {collection: inOwn + "configmaps", object: "matrix", create: `{"metadata":{"name":"new"}}`},
		"configmaps elsewhere":  {collection: inOthers + "configmaps", object: "kube-root-ca.crt"},
		"serviceaccounts":       {collection: inOwn + "serviceaccounts", object: helper},
		"serviceaccounts/token": {collection: inOwn + "serviceaccounts", object: manager, subresource: "token"},
		"leases, the leader's":  {collection: leases(namespace), object: "reboot-operator", create: `{"metadata":{"name":"new"},"spec":{}}`},
		"leases of nodes":       {collection: leases("kube-node-lease"), object: "n1"},
		"events of the operator": {
			collection: inOwn + "events", object: "matrix",
			create: `{"metadata":{"name":"new"},"reason":"R","type":"Normal","involvedObject":{"namespace":"` + namespace + `"}}`,
		},
		"events elsewhere": {collection: inOthers + "events", object: "matrix"},
		"events.k8s.io": {
			collection: "/apis/events.k8s.io/v1/namespaces/default/events", object: "matrix",
			create: `{` + event + `"regarding":{"namespace":"default"}}`,
		},
		"daemonsets":           {collection: apps + namespace + "/daemonsets", object: helper},
		"deployments":          {collection: apps + namespace + "/deployments", object: manager},
		"statefulsets":         {collection: apps + "default/statefulsets", object: "matrix"},
		"replicasets":          {collection: apps + "default/replicasets", object: "matrix"},
		"jobs":                 {collection: "/apis/batch/v1/namespaces/default/jobs", object: "matrix"},
		"poddisruptionbudgets": {collection: "/apis/policy/v1/namespaces/" + namespace + "/poddisruptionbudgets", object: manager},
		"namespaces":           {collection: core + "namespaces", object: namespace},
		"persistentvolumes":    {collection: core + "persistentvolumes", object: "matrix"},
		"persistentvolumeclaims": {
			collection: core + "namespaces/" + namespace + "/persistentvolumeclaims", object: "matrix",
		},
		"csinodes":            {collection: "/apis/storage.k8s.io/v1/csinodes", object: "matrix"},
		"volumeattachments":   {collection: "/apis/storage.k8s.io/v1/volumeattachments", object: "matrix"},
		"roles":               {collection: rbac + "namespaces/" + namespace + "/roles", object: manager},
		"clusterroles":        {collection: rbac + "clusterroles", object: helper},
		"clusterrolebindings": {collection: rbac + "clusterrolebindings", object: helper},
		"customresourcedefinitions": {
			collection: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", object: "nodereboots.reboot-operator.io",
		},
		"validatingadmissionpolicies":      {collection: "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", object: helper},
		"validatingwebhookconfigurations":  {collection: "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", object: "matrix"},
		"webhookconfigurations, evictions": named(admissions+"validatingwebhookconfigurations", "reboot-operator-evictions"),
		"webhookconfigurations, names":     named(admissions+"mutatingwebhookconfigurations", "reboot-operator-names"),
		"certificatesigningrequests":       {collection: "/apis/certificates.k8s.io/v1/certificatesigningrequests", object: "matrix"},
		"tokenreviews":                     {collection: "/apis/authentication.k8s.io/v1/tokenreviews", only: "create", create: `{"spec":{"token":"x"}}`},
		"subjectaccessreviews": {
			collection: "/apis/authorization.k8s.io/v1/subjectaccessreviews", only: "create",
			create: `{"spec":{"user":"x","nonResourceAttributes":{"path":"/metrics","verb":"get"}}}`,
		},
	}
}

// named is one object, also for list and watch.
func named(collection, object string) target {
	return target{collection: collection, object: object, selector: "metadata.name=" + object}
}

func leases(namespace string) string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases"
}

// evictionOf is what a helper sends: it names the pod permanently.
func evictionOf(t *testing.T, pod string) string {
	t.Helper()
	uid, err := uidOf(t.Context(), "default", pod)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":"default"},`+
		`"deleteOptions":{"preconditions":{"uid":%q}}}`, pod, uid)
}
