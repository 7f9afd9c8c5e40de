package objects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
)

var now = plugintest.Now

// fleet is a cluster with one of everything that a plan depends on.
func fleet() []client.Object {
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name)}
	}
	own := func(component string) map[string]string {
		return map[string]string{v1alpha1.ComponentLabel: component, "app.kubernetes.io/name": "reboot-operator"}
	}
	policy := &v1alpha1.RebootPolicy{ObjectMeta: meta("", "workers")}
	policy.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "keep": "this"}
	policy.Spec.Nodes, policy.Spec.Drain.VolumeDetachSeconds = v1alpha1.NodesAll, ptr.To[int32](60)
	policy.Spec.Notifications = []v1alpha1.Notification{{Name: "team"}}
	reboot := &v1alpha1.NodeReboot{ObjectMeta: meta("", "worker-1-0")}
	reboot.Spec.NodeName = "worker-1"
	reboot.Status.Attempt = &v1alpha1.Attempt{Number: 1, DrainOrderedTime: ptr.To(metav1.NewMicroTime(now))}
	node := &corev1.Node{ObjectMeta: meta("", "worker-1")}
	node.Annotations = map[string]string{"secret": "of-a-node"}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Message: "posting"}}
	helper := &corev1.Pod{ObjectMeta: meta("ops", "helper-1")}
	helper.Labels, helper.Spec.NodeName = own("helper"), "worker-1"
	helper.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	leader := &corev1.Pod{ObjectMeta: meta("ops", "manager-1")}
	leader.Labels, leader.Spec.NodeName = own("manager"), "worker-1"
	pod := &corev1.Pod{ObjectMeta: meta("apps", "web-1")}
	pod.Labels = map[string]string{"app": "web"}
	pod.Spec.NodeName = "worker-1"
	pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "image-of-web", Env: []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}}}}
	pending := pod.DeepCopy()
	pending.Name, pending.Spec.NodeName = "web-2", ""
	manager := &appsv1.Deployment{ObjectMeta: meta("ops", "reboot-operator-manager")}
	manager.Labels = own("manager")
	manager.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "manager", Args: []string{"--max-unavailable=2", "--maintenance-lease-namespaces=leases", "--token=hunter2"},
	}}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: meta("apps", "web")}
	budget.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set := &appsv1.DaemonSet{ObjectMeta: meta("ops", "reboot-operator-helper")}
	set.Labels = own("helper")
	lease := &coordinationv1.Lease{ObjectMeta: meta("ops", "reboot-operator")}
	lease.Spec.HolderIdentity = ptr.To("manager-1_uid_random")
	maintained := &coordinationv1.Lease{ObjectMeta: meta("leases", "node-worker-1")}
	maintained.Spec.HolderIdentity, maintained.Spec.LeaseDurationSeconds = ptr.To("someone"), ptr.To[int32](60)
	maintained.Spec.RenewTime = ptr.To(metav1.NewMicroTime(now))
	attachment := &storagev1.VolumeAttachment{ObjectMeta: meta("", "v")}
	attachment.Spec.NodeName = "worker-1"
	slots := &corev1.ConfigMap{ObjectMeta: meta("ops", v1alpha1.SlotsName)}
	slots.Data = map[string]string{"worker-1": `{"nodeReboot":"worker-1-0","uid":"uid-worker-1-0","attempt":1}`}
	return []client.Object{
		policy, reboot, node, helper, leader, pod, pending, manager, budget, set, lease, maintained, attachment, slots,
		&appsv1.StatefulSet{ObjectMeta: meta("apps", "db")},
		&corev1.ConfigMap{ObjectMeta: meta("ops", "other"), Data: map[string]string{"password": "hunter2"}},
		&corev1.Secret{ObjectMeta: meta("ops", "secret"), Data: map[string][]byte{"password": []byte("hunter2")}},
	}
}

func readAll(t *testing.T, c client.Reader) *Cluster {
	t.Helper()
	cluster, err := Read(t.Context(), c, "", now)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func saved(t *testing.T, cluster *Cluster) string {
	t.Helper()
	var out bytes.Buffer
	if err := cluster.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAClusterThatWasSavedIsThePlannersSame(t *testing.T) {
	t.Parallel()
	cluster := readAll(t, plugintest.New(t, 0, fleet()...).Client)
	text := saved(t, cluster)
	loaded, err := Load(strings.NewReader(text), "cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !loaded.Taken.Equal(now) || loaded.Namespace != "ops" || len(loaded.Unknown) > 0 {
		t.Errorf("it is of %s in %s, with %q", loaded.Taken, loaded.Namespace, loaded.Unknown)
	}
	want, got := cluster.Snapshot(now), loaded.Snapshot(now)
	ignore := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(metav1.TypeMeta{}, "Kind", "APIVersion")}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("snapshot (-cluster +file):\n%s", diff)
	}
	node := got.Nodes[0]
	if !node.HelperReady || len(node.OtherMaintenance) != 1 || len(node.Volumes) != 1 ||
		len(got.ManagerPods) != 1 || len(got.Pods["worker-1"]) != 3 {
		t.Errorf("the node is %+v, with pods %v", node, got.Pods)
	}
	if got.LeaderNode != "worker-1" || got.Slots["worker-1"].Attempt != 1 ||
		got.Slots["worker-1"].Gone || got.ClusterMaxUnavailable.IntValue() != 2 {
		t.Errorf("the leader is on %q, slots are %v, and the limit is %v", got.LeaderNode, got.Slots, got.ClusterMaxUnavailable)
	}
	if again := saved(t, loaded); again != text {
		t.Errorf("saved again it is another file:\n%s", cmp.Diff(text, again))
	}
}

func TestAFileHasNoSecrets(t *testing.T) {
	t.Parallel()
	objects := fleet()
	for _, object := range objects {
		if object.GetName() == "web-1" {
			object.SetAnnotations(map[string]string{
				corev1.LastAppliedConfigAnnotation: `{"spec":{"containers":[{"env":[{"name":"PASSWORD","value":"hunter2"}],"name":"c"}]}}`,
			})
		}
	}
	text := saved(t, readAll(t, plugintest.New(t, 0, objects...).Client))
	for _, secret := range []string{"hunter2", "PASSWORD", "image-of-web", "of-a-node", "posting", "last-applied", "team", "web-2"} {
		if strings.Contains(text, secret) {
			t.Errorf("it has %q", secret)
		}
	}
	if !strings.Contains(text, `"keep":"this"`) {
		t.Error("annotations of policies are missing")
	}
}

func TestAFileHasOnlyAnnotationsOfPodsThatAPolicyLooksAt(t *testing.T) {
	t.Parallel()
	objects := fleet()
	looking := func(name, key string) *v1alpha1.RebootPolicy {
		policy := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
		policy.Spec.Drain.Selector = &v1alpha1.PodSelector{MatchAnnotations: map[string]v1alpha1.AnnotationValue{key: "yes"}}
		return policy
	}
	objects[0] = looking("workers", "example.com/keep")
	for _, object := range objects {
		if pod, is := object.(*corev1.Pod); is && pod.Name != "web-2" {
			pod.Annotations = map[string]string{
				"example.com/token": "hunter2", "example.com/keep": "yes", corev1.MirrorPodAnnotationKey: "hunter2",
				corev1.LastAppliedConfigAnnotation: "hunter2",
			}
		}
	}
	text := saved(t, readAll(t, plugintest.New(t, 0, objects...).Client))
	if strings.Contains(text, "hunter2") || strings.Contains(text, "last-applied") {
		t.Errorf("the file has annotations that nobody looks at:\n%s", text)
	}
	loaded, err := Load(strings.NewReader(text), "f")
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range loaded.Pods {
		_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
		if pod.Annotations["example.com/keep"] != "yes" || !mirror {
			t.Errorf("pod %s has the annotations %v", pod.Name, pod.Annotations)
		}
	}
	if again := saved(t, loaded); again != text {
		t.Errorf("saved again it is another file:\n%s", cmp.Diff(text, again))
	}
	if said := loaded.Missing([]*v1alpha1.RebootPolicy{looking("workers", "example.com/keep")}); len(said) > 0 {
		t.Errorf("of a policy with the same selector it says %q", said)
	}
	said := loaded.Missing([]*v1alpha1.RebootPolicy{looking("other", "example.com/token")})
	if len(said) != 1 || !strings.Contains(said[0], "example.com/token, which RebootPolicy other uses") {
		t.Errorf("of a policy with another selector it says %q", said)
	}
}

func TestListsAreReadPageByPage(t *testing.T) {
	t.Parallel()
	var nodes []client.Object
	for i := range 1200 {
		nodes = append(nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n-%04d", i)}})
	}
	lists, expired := 0, false
	c := interceptor.NewClient(plugintest.New(t, 0).Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			typed, is := list.(*corev1.NodeList)
			if !is {
				return c.List(ctx, list, options...)
			}
			lists++
			asked := (&client.ListOptions{}).ApplyOptions(options)
			from := 0
			if asked.Continue != "" {
				from, _ = strconv.Atoi(asked.Continue)
			}
			if from > 600 && !expired {
				expired = true
				return apierrors.NewResourceExpired("the list is too old")
			}
			for i := from; i < min(from+int(asked.Limit), len(nodes)); i++ {
				typed.Items = append(typed.Items, *nodes[i].(*corev1.Node))
			}
			if from += int(asked.Limit); from < len(nodes) {
				typed.Continue = strconv.Itoa(from)
			}
			return nil
		},
	})
	cluster := readAll(t, c)
	if len(cluster.Nodes) != len(nodes) || lists != 6 || cluster.Nodes[700].Name != "n-0700" {
		t.Errorf("%d nodes in %d lists", len(cluster.Nodes), lists)
	}
}

func TestWhatMayNotBeReadIsStatedOrReported(t *testing.T) {
	t.Parallel()
	for kind, fatal := range map[string]bool{
		"Node": true, "RebootPolicy": true, "NodeReboot": true, "Pod": false, "Deployment": false, "StatefulSet": false, "DaemonSet": false,
		"PodDisruptionBudget": false, "VolumeAttachment": false, "ConfigMap": false, "Lease": false,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			refuse := func(object any) error {
				if strings.HasSuffix(strings.TrimSuffix(fmt.Sprintf("%T", object), "List"), "."+kind) {
					return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", errors.New("no role"))
				}
				return nil
			}
			c := interceptor.NewClient(plugintest.New(t, 0, fleet()...).Client, interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					return orElse(refuse(list), func() error { return c.List(ctx, list, options...) })
				},
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
					return orElse(refuse(o), func() error { return c.Get(ctx, key, o, options...) })
				},
			})
			cluster, err := Read(t.Context(), c, "", now)
			switch {
			case fatal && (err == nil || !strings.Contains(err.Error(), "you may not read")):
				t.Errorf("the error is %v", err)
			case !fatal && err != nil:
				t.Error(err)
			case !fatal && (len(cluster.Unknown) == 0 || !strings.HasPrefix(cluster.Unknown[0], "You may not read ")):
				t.Errorf("it says %q", cluster.Unknown)
			case kind == "Pod":
				s := cluster.Snapshot(now)
				if loaded, err := Load(strings.NewReader(saved(t, cluster)), "f"); err != nil || !loaded.PodsUnknown || len(loaded.Unknown) == 0 {
					t.Errorf("the file says %+v, %v", loaded, err)
				}
				if s.Pods != nil || !s.Nodes[0].HelperReady {
					t.Errorf("pods are %v", s.Pods)
				}
			}
		})
	}
}

func orElse(err error, or func() error) error {
	if err != nil {
		return err
	}
	return or()
}

func TestAPolicyThatCannotBeReadIsSavedAsItIs(t *testing.T) {
	t.Parallel()
	raw := `{"apiVersion":"reboot-operator.io/v1alpha1","kind":"RebootPolicy",` +
		`"metadata":{"name":"odd","uid":"u"},"spec":{"nodes":"All","priority":"high",` +
		`"notifications":[{"name":"team","webhook":{"urlFrom":{"name":"hunter2"}}}]}}`
	gone := false
	var odd v1alpha1.RebootPolicy
	if err := json.Unmarshal([]byte(raw), &odd); err != nil || len(odd.Unreadable) == 0 {
		t.Fatalf("it can be read: %v", err)
	}
	c := interceptor.NewClient(plugintest.New(t, 0, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}).Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if typed, is := list.(*v1alpha1.RebootPolicyList); is {
				typed.Items = []v1alpha1.RebootPolicy{odd}
				return nil
			}
			return c.List(ctx, list, options...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if whole, is := o.(*unstructured.Unstructured); is {
				if gone {
					return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
				}
				return json.Unmarshal([]byte(raw), &whole.Object)
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	text := saved(t, readAll(t, c))
	if !strings.Contains(text, `"priority":"high"`) || strings.Contains(text, "notifications") || strings.Contains(text, "hunter2") {
		t.Fatalf("the file is:\n%s", text)
	}
	loaded, err := Load(strings.NewReader(text), "f")
	if err != nil || !loaded.Policies[0].SetAside() {
		t.Errorf("it is not set aside: %v", err)
	}
	gone = true
	if cluster := readAll(t, c); len(cluster.Policies) > 0 || !strings.Contains(saved(t, cluster), `"kind":"Node"`) {
		t.Error("a policy that was deleted meanwhile is in the file")
	}
}

func TestAFileOfKubectlIsReadAsWell(t *testing.T) {
	t.Parallel()
	const list = `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata:
    name: a
    annotations: {}
- apiVersion: v1
  kind: Service
  metadata:
    name: s
    namespace: apps
- apiVersion: apps/v1
  kind: DaemonSet
  metadata: {name: other, namespace: apps}
`
	for name, content := range map[string]string{
		"a list": list,
		"documents": "---\n" + list + "---\n# nothing\n---\n" +
			"{\"apiVersion\":\"v1\",\"kind\":\"Pod\"," +
			"\"metadata\":{\"name\":\"p\",\"namespace\":\"x\"},\"spec\":{\"nodeName\":\"a\"}}\n",
		"windows": strings.ReplaceAll(list, "\n", "\r\n"),
		"mixed lists": "kind: List\napiVersion: v1\nitems:\n" +
			"- {\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"}}\n" +
			"- apiVersion: v1\n  kind: Service\n  metadata: {name: s}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, err := Load(strings.NewReader(content), "f.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if len(cluster.Nodes) != 1 || cluster.Namespace != DefaultNamespace || !cluster.Taken.IsZero() || len(cluster.HelperSets) > 0 {
				t.Errorf("it is %+v", cluster)
			}
			if len(cluster.Unknown) == 0 || !strings.HasPrefix(cluster.Unknown[0], "f.yaml has 1 object that no plan depends on") {
				t.Errorf("it says %q", cluster.Unknown)
			}
			unknown, hasPods := strings.Join(cluster.Unknown, "\n"), name == "documents"
			if strings.Contains(unknown, "f.yaml has no Pods: every node is assumed to have a helper") == hasPods ||
				cluster.PodsUnknown == hasPods || cluster.Snapshot(now).Nodes[0].HelperReady == hasPods ||
				!strings.Contains(unknown, "f.yaml has no PodDisruptionBudgets: ") {
				t.Errorf("of what is missing it says %q", cluster.Unknown)
			}
		})
	}
}

func TestAFileThatIsNoSnapshotIsReportedWithTheLine(t *testing.T) {
	t.Parallel()
	node := "- {\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"}}\n"
	for name, test := range map[string]struct{ content, want string }{
		"empty":          {"", "f.yaml has no Nodes, RebootPolicies or NodeReboots; write one with: kubectl reboots snapshot -o FILE"},
		"another object": {"apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n", "f.yaml has no Nodes"},
		"no YAML":        {"---\na: b: c\n", "f.yaml: line 2: this is not YAML"},
		"a text":         {"\n\nhello\n", "f.yaml: line 3: this is not a Kubernetes object"},
		"no kind":        {"apiVersion: v1\n", "f.yaml: line 1: an object has no apiVersion or no kind"},
		"no name":        {"apiVersion: v1\nkind: Node\n", "f.yaml: line 1: an object of kind Node has no name"},
		"an object twice": {
			"kind: List\napiVersion: v1\nitems:\n" + node + node, "f.yaml: line 5: Node a appears twice; the first one is in line 4",
		},
		"a wrong type": {
			"kind: List\napiVersion: v1\nitems:\n" + strings.Replace(node, "}}", "},\"spec\":7}", 1), "f.yaml: line 4: Node a cannot be read: ",
		},
		"half a line": {"kind: List\napiVersion: v1\nitems:\n" + node + node[:30], "f.yaml: line 5: this is not YAML"},
		"a wrong time": {
			"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kubectl-reboots-snapshot\ndata:\n  taken: today\n",
			"f.yaml: line 1: ConfigMap kubectl-reboots-snapshot cannot be read: data.taken is not a time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(strings.NewReader(test.content), "f.yaml")
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("it says %v, want %q", err, test.want)
			}
		})
	}
}
