package docs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/edition"
	"github.com/reboot-operator/reboot-operator/test/testbed"
	"github.com/reboot-operator/reboot-operator/test/webhookurl"
)

// usualPolicies are there unless a page says otherwise.
var usualPolicies = []string{"linux", "workers"}

// bed is a cluster with the nodes that pages name.
type bed struct {
	*testbed.Cluster
	t *testing.T
	// clone is a folder with what a clone of the repository has after make build-installer and make push-to.
	clone string
	// programs has kubectl, its plugin and helm.
	programs string
}

// nodes are those that pages name, over three zones.
func nodes() []testbed.NodeOptions {
	zones := map[string]string{
		"control-a1": "a", "worker-1": "a", "worker-2": "b", "worker-3": "c", "worker-7": "a", "worker-a1": "a", "worker-a2": "a",
		"worker-b1": "b", "worker-b5": "b", "worker-c1": "c", "worker-c2": "c",
	}
	var all []testbed.NodeOptions
	for _, name := range slices.Sorted(maps.Keys(zones)) {
		node := testbed.NodeOptions{
			Name: name, Zone: zones[name], RebootDuration: 500 * time.Millisecond, ControlPlane: strings.HasPrefix(name, "control"),
		}
		if name == "worker-1" {
			node.Labels = map[string]string{"example.com/pool": "batch"}
		}
		all = append(all, node)
	}
	return all
}

// theBed is the cluster with the operator that the tests share, from the first one on that asks for it.
var theBed *bed

func TestMain(m *testing.M) {
	code := m.Run()
	if theBed != nil {
		if err := theBed.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// sharedBed has the operator installed.
func sharedBed(t *testing.T) *bed {
	t.Helper()
	if os.Getenv(testbed.AssetsVariable) == "" {
		t.Skip("starts a control plane: " + testbed.AssetsVariable + " is not set; make test-envtest sets it")
	}
	if theBed == nil {
		b := startBed(t)
		theBed = b
		programs, err := b.Programs(t.Context())
		b.check(err)
		b.programs = programs
		helm := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(programs, "helm"), "helm.sh/helm/v4/cmd/helm")
		helm.Dir = filepath.Join(root, "test", "chart")
		if out, err := helm.CombinedOutput(); err != nil {
			t.Fatalf("build helm: %v: %s", err, out)
		}
		b.makeClone(b.WebhooksAt())
		b.install()
	}
	return &bed{Cluster: theBed.Cluster, t: t, clone: theBed.clone, programs: theBed.programs}
}

// emptyBed is a cluster of its own in which nothing is installed.
func emptyBed(t *testing.T) *bed {
	t.Helper()
	b := startBed(t)
	t.Cleanup(func() { b.check(b.Stop()) })
	b.programs = theBed.programs
	b.makeClone("")
	b.check(b.RunManagers(t.Context()))
	return b
}

// startBed starts a cluster with nodes.
func startBed(t *testing.T) *bed {
	t.Helper()
	log.SetLogger(logr.Discard())
	cluster, err := testbed.Start(t.Context(), testbed.Options{Log: logr.FromSlogHandler(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{Cluster: cluster, t: t, clone: filepath.Join(cluster.WorkDir(), "clone")}
	for _, node := range nodes() {
		_, err := cluster.AddNode(t.Context(), node)
		b.check(err)
	}
	return b
}

func (b *bed) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// install installs the operator as a reader does, and waits until its managers serve.
func (b *bed) install() {
	b.t.Helper()
	b.check(b.RunManagers(b.t.Context()))
	apply := exec.CommandContext(b.t.Context(), b.Kubectl(), "apply", "--server-side", "-f", filepath.Join(b.clone, "dist", "install.yaml"))
	apply.Env = append(os.Environ(), "KUBECONFIG="+b.Kubeconfig())
	if out, err := apply.CombinedOutput(); err != nil {
		b.t.Fatalf("install the operator: %v: %s", err, out)
	}
	await.True(b.t, "the managers are ready", func() bool {
		var deployment appsv1.Deployment
		key := client.ObjectKey{Namespace: testbed.Namespace, Name: "reboot-operator-manager"}
		b.check(b.Client().Get(b.t.Context(), key, &deployment))
		return deployment.Status.ObservedGeneration >= deployment.Generation && deployment.Status.ReadyReplicas == *deployment.Spec.Replicas
	})
	b.inForce()
}

// inForce waits until the webhooks and admission policies judge what is written.
func (b *bed) inForce() {
	b.t.Helper()
	await.True(b.t, "the webhook names who asks", func() bool {
		r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "in-force"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "worker-1"}}
		return b.Client().Create(b.t.Context(), r, client.DryRunAll) == nil && r.Spec.RequestedBy != ""
	})
}

// makeClone has the folders that commands name. What config/default renders to is in its place, with the webhooks at an address at which
// the API server of the testbed reaches them, if there is one.
func (b *bed) makeClone(webhooks string) {
	b.t.Helper()
	top, err := filepath.Abs(root)
	b.check(err)
	b.check(os.MkdirAll(filepath.Join(b.clone, "dist"), 0o755))
	b.check(os.Symlink(filepath.Join(top, "charts"), filepath.Join(b.clone, "charts")))
	b.check(os.CopyFS(filepath.Join(b.clone, "config"), os.DirFS(filepath.Join(top, "config"))))
	installed, err := edition.Of(b.Config())
	b.check(err)
	manifests, err := exec.CommandContext(b.t.Context(), b.Kubectl(), "kustomize", filepath.Join(top, installed.Manifests)).Output()
	b.check(err)
	if webhooks != "" {
		manifests, err = webhookurl.In(manifests, webhooks)
		b.check(err)
	}
	role, err := os.ReadFile(filepath.Join(top, "config", "components", "before-1.36", "role.yaml"))
	b.check(err)
	for path, content := range map[string][]byte{
		"config/default/kustomization.yaml": []byte("resources: [install.yaml]\nsortOptions: {order: legacy}\n"),
		"config/default/install.yaml":       manifests,
		"dist/install.yaml":                 manifests,
		"dist/before-1.36.yaml":             role,
		"dist/values.yaml":                  []byte("image:\n  repository: registry.example.com/team/reboot-operator\n  tag: v0\n"),
	} {
		b.check(os.WriteFile(filepath.Join(b.clone, path), content, 0o600))
	}
}

// reset brings the cluster back to what a page begins with.
func (b *bed) reset(policies, reboots []string) {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	for _, host := range b.Hosts() {
		host.WithdrawReboot()
	}
	b.forget()
	b.check(b.Client().DeleteAllOf(ctx, &v1alpha1.RebootPolicy{}))
	b.check(b.Client().DeleteAllOf(ctx, &v1alpha1.NodeReboot{}))
	await.True(b.t, "policies and NodeReboots are gone", func() bool {
		var policies v1alpha1.RebootPolicyList
		var reboots v1alpha1.NodeRebootList
		b.check(b.Client().List(ctx, &policies))
		b.check(b.Client().List(ctx, &reboots))
		return len(policies.Items)+len(reboots.Items) == 0
	})
	for _, name := range policies {
		content, err := os.ReadFile(filepath.Join("testdata", "policies", name+".yaml"))
		b.check(err)
		policy := &v1alpha1.RebootPolicy{}
		b.check(yaml.UnmarshalStrict(content, policy))
		b.check(b.Client().Create(ctx, policy))
		await.True(b.t, "policy "+name+" is in force", func() bool {
			b.check(b.Client().Get(ctx, client.ObjectKeyFromObject(policy), policy))
			return meta.IsStatusConditionTrue(policy.Status.Conditions, "Ready")
		})
	}
	for _, name := range reboots {
		b.require(name)
	}
}

// require has a NodeReboot whose node is the longest one that its name begins with, and waits until the manager has looked at it.
func (b *bed) require(name string) {
	b.t.Helper()
	node := ""
	for _, host := range b.Hosts() {
		if strings.HasPrefix(name, host.Name()+"-") && len(host.Name()) > len(node) {
			node = host.Name()
		}
	}
	if node == "" {
		b.t.Fatalf("%s: NodeReboot %s begins with the name of no node of the testbed", tableFile, name)
	}
	reboot := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.NodeRebootSpec{NodeName: node}}
	b.check(b.Client().Create(b.t.Context(), reboot))
	await.True(b.t, "NodeReboot "+name+" is looked at", func() bool {
		b.check(b.Client().Get(b.t.Context(), client.ObjectKeyFromObject(reboot), reboot))
		return reboot.Status.Reason != ""
	})
}

// fail has the host of a node ask for a reboot and refuse it, and waits until its NodeReboot backs off.
func (b *bed) fail(node string) {
	b.t.Helper()
	host := b.Host(node)
	host.SetFault(testbed.FaultRebootRefused)
	host.RequireReboot()
	await.True(b.t, "the reboot of "+node+" fails", func() bool {
		var reboots v1alpha1.NodeRebootList
		b.check(b.Client().List(b.t.Context(), &reboots))
		for i := range reboots.Items {
			reboot := &reboots.Items[i]
			if reboot.Spec.NodeName != node {
				continue
			}
			if reboot.Spec.Approval != v1alpha1.ApprovalGiven {
				given := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"approval":"Given"}}`))
				b.check(b.Client().Patch(b.t.Context(), reboot, given))
			}
			return reboot.Status.Reason == v1alpha1.ReasonBackingOff
		}
		return false
	})
	host.SetFault(testbed.FaultNone)
}

// forget removes what earlier pages did to nodes, and created with kubectl create.
func (b *bed) forget() {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	var nodes corev1.NodeList
	b.check(b.Client().List(ctx, &nodes))
	for i := range nodes.Items {
		node := &nodes.Items[i]
		_, skipped := node.Labels[v1alpha1.SkipLabel]
		if node.Annotations[testbed.RebootRequiredAnnotation] == "" && !skipped && !node.Spec.Unschedulable {
			continue
		}
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:null},"annotations":{%q:null}},"spec":{"unschedulable":null}}`,
			v1alpha1.SkipLabel, testbed.RebootRequiredAnnotation)
		b.check(b.Client().Patch(ctx, node, client.RawPatch("application/merge-patch+json", []byte(patch))))
	}
	for _, list := range []client.ObjectList{&corev1.SecretList{}, &corev1.ConfigMapList{}, &rbacv1.ClusterRoleBindingList{}} {
		b.check(b.Client().List(ctx, list))
		b.check(meta.EachListItem(list, func(object runtime.Object) error {
			created := object.(client.Object)
			byHand := func(entry metav1.ManagedFieldsEntry) bool { return entry.Manager == "kubectl-create" }
			if !slices.ContainsFunc(created.GetManagedFields(), byHand) {
				return nil
			}
			return b.Client().Delete(ctx, created)
		}))
	}
}

// folder is one that the commands of a page run in: what they write stays there.
func (b *bed) folder() string {
	b.t.Helper()
	folder := b.t.TempDir()
	for _, name := range []string{"config", "charts", "dist"} {
		b.check(os.Symlink(filepath.Join(b.clone, name), filepath.Join(folder, name)))
	}
	return folder
}

// write writes the files of a state of a page into the folder.
func (b *bed) write(folder string, page *Page, files map[string]file) {
	b.t.Helper()
	for name, file := range files {
		text := file.Text
		switch {
		case file.Example > 0:
			text = example(b.t, page, file.Example)
		case file.Repository != "":
			content, err := os.ReadFile(filepath.Join(root, file.Repository))
			b.check(err)
			text = string(content)
		}
		path := filepath.Join(folder, name)
		b.check(os.MkdirAll(filepath.Dir(path), 0o755))
		b.check(os.WriteFile(path, []byte(text), 0o600))
	}
}

// example is the nth example in YAML of a page.
func example(t *testing.T, page *Page, number int) string {
	t.Helper()
	var text bytes.Buffer
	for i := range page.Blocks {
		if page.Blocks[i].Language != "yaml" {
			continue
		}
		if number--; number == 0 {
			text.WriteString(page.Blocks[i].Text)
		}
	}
	if text.Len() == 0 {
		t.Fatalf("%s: %s has fewer examples in YAML", tableFile, page.Path)
	}
	return text.String()
}
