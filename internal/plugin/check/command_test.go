package check_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/config/crd"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/check"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

// cluster is what a check looks at.
type cluster struct {
	// version that the API server says; empty if it does not answer.
	version string
	objects []client.Object
	// fails names the kinds, or kinds and names, that cannot be read, and denied the rights that the user lacks.
	fails, denied []string
	// asked are the rights that were asked for.
	asked []string
	// kubeconfig of the person; empty is one that is fine.
	kubeconfig string
	// out is where the report goes; nil if it is kept.
	out io.Writer
}

var errBroken = errors.New("the disk is full")

// kinds of the project, as they are installed.
func kinds(t *testing.T) []client.Object {
	t.Helper()
	definitions, err := crd.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	var all []client.Object
	for _, definition := range definitions {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(definition)
		if err != nil {
			t.Fatal(err)
		}
		kind := &unstructured.Unstructured{Object: object}
		kind.SetAPIVersion("apiextensions.k8s.io/v1")
		kind.SetKind("CustomResourceDefinition")
		all = append(all, kind)
	}
	return all
}

// admission policies, each with a binding of another name.
func admission() []client.Object {
	var all []client.Object
	for _, name := range []string{"reboot-operator-approval", "reboot-operator-helper", "reboot-operator-size", "reboot-operator-status"} {
		all = append(all, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}},
			&admissionregistrationv1.ValidatingAdmissionPolicyBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "binding-of-" + name},
				Spec:       admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name},
			})
	}
	return all
}

func running(component string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: component, Image: "ghcr.io/reboot-operator/reboot-operator:v0.3.0",
	}}}}
}

func operatorMeta(name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "reboot-operator-system", Name: name, Labels: map[string]string{
		"app.kubernetes.io/name": "reboot-operator", "app.kubernetes.io/component": component,
	}}
}

// complete is a cluster in which nothing is missing.
func complete(t *testing.T) *cluster {
	t.Helper()
	p := &v1alpha1.RebootPolicy{ObjectMeta: metav1.ObjectMeta{Name: "linux"}}
	p.Status.Summary, p.Status.Nodes = "InForce", 1
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInForce,
		LastTransitionTime: metav1.NewTime(plugintest.Now)}}
	renewed := metav1.NewMicroTime(plugintest.Now.Add(-2 * time.Second))
	objects := append(kinds(t), admission()...)
	return &cluster{version: "v1.37.2", objects: append(objects, p,
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
		&appsv1.Deployment{
			ObjectMeta: operatorMeta("manager", "manager"),
			Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](2), Template: running("manager")},
			Status:     appsv1.DeploymentStatus{ReadyReplicas: 2},
		},
		&appsv1.DaemonSet{
			ObjectMeta: operatorMeta("helper", "helper"), Spec: appsv1.DaemonSetSpec{Template: running("helper")},
			Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, NumberReady: 1, UpdatedNumberScheduled: 1},
		},
		&corev1.Pod{ObjectMeta: operatorMeta("helper-a", "helper"), Spec: corev1.PodSpec{NodeName: "a"}},
		&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: "reboot-operator-system", Name: "reboot-operator"},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("manager-1"), RenewTime: &renewed},
		},
	)}
}

// without objects whose names contain a text.
func (c *cluster) without(text string) {
	c.objects = slices.DeleteFunc(c.objects, func(o client.Object) bool { return strings.Contains(o.GetName(), text) })
}

// change the definition of a kind.
func (c *cluster) change(name string, change func(object map[string]any)) {
	for _, o := range c.objects {
		if u, is := o.(*unstructured.Unstructured); is && u.GetName() == name {
			change(u.Object)
		}
	}
}

func (c *cluster) fail(what string) error {
	if slices.Contains(c.fails, what) {
		return errBroken
	}
	return nil
}

// create answers the reviews of rights.
func (c *cluster) create(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.CreateOption) error {
	review, is := object.(*authorizationv1.SelfSubjectAccessReview)
	if !is {
		return errors.New("a check writes something")
	}
	of := review.Spec.ResourceAttributes
	right := strings.Join([]string{of.Verb, of.Group, of.Resource, of.Namespace, of.Name}, " ")
	c.asked = append(c.asked, right)
	review.Status.Allowed = !slices.Contains(c.denied, right)
	return c.fail("rights")
}

// serve answers for the version of the API server.
func (c *cluster) serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/version" || c.version == "" {
			http.Error(w, "there is no answer", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"gitVersion": c.version}) // the client says what it lacks
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// run the command against the cluster.
func (c *cluster) run(t *testing.T, columns int, args ...string) (code int, out, errOut string) {
	t.Helper()
	terminal := plugintest.New(t, columns, c.objects...)
	watched := interceptor.NewClient(terminal.Client, interceptor.Funcs{
		Create: c.create,
		Get: func(ctx context.Context, under client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if err := c.fail(key.Name); err != nil {
				return err
			}
			return under.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, under client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			gvk, err := under.GroupVersionKindFor(list)
			if err != nil {
				return err
			}
			return errors.Join(c.fail(gvk.Kind), under.List(ctx, list, options...))
		},
	})
	terminal.Connect = func() (client.WithWatch, error) { return watched, c.fail("connection") }
	if c.out != nil {
		terminal.App.Out = c.out
	}
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte(cmp.Or(c.kubeconfig, "apiVersion: v1\nkind: Config\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	terminal.Config.KubeConfig, terminal.Config.CacheDir = &kubeconfig, ptr.To(t.TempDir())
	terminal.Config.APIServer = ptr.To(c.serve(t))
	return terminal.Run(plugin.Run, append([]string{"check"}, args...)...)
}

// lines of the check that are not OK.
func (c *cluster) lines(t *testing.T) (troubles []check.Line, code int) {
	t.Helper()
	code, out, errOut := c.run(t, 0, "-o", "json")
	var all []check.Line
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("it ended with %d: %v: %s%s", code, err, out, errOut)
	}
	return slices.DeleteFunc(all, func(line check.Line) bool { return line.Status == check.OK }), code
}

func TestACheckFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for columns, file := range map[int]string{40: "check40.golden", 80: "check80.golden", 120: "check120.golden"} {
		for name, change := range map[string]func(*cluster){
			"": func(*cluster) {}, "bad": func(c *cluster) { c.without("reboot-operator-helper"); c.denied = []string{"watch  nodes  "} },
		} {
			c := complete(t)
			change(c)
			_, out, errOut := c.run(t, columns, "--no-color")
			golden.Compare(t, filepath.Join("testdata", name+file), out+errOut)
		}
	}
}

func TestACheckEndsWithACode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*cluster)
		args   []string
		code   int
		says   string
	}{
		"nothing is missing": {code: app.ExitOK},
		"a line is WARN":     {change: func(c *cluster) { c.version = "" }, code: app.ExitOK, says: "WARN"},
		"a line is FAIL":     {change: func(c *cluster) { c.without("linux"); c.version = "v1.30.1" }, code: app.ExitNo, says: "FAIL"},
		"a line is FAIL, as JSON": {change: func(c *cluster) { c.version = "v1.30.1" }, args: []string{"-o", "json"}, code: app.ExitNo,
			says: `"FAIL"`},
		"an unknown form": {args: []string{"-o", "yaml"}, code: app.ExitUsage, says: "write -o json"},
		"an argument":     {args: []string{"a"}, code: app.ExitUsage, says: "unknown command"},
		"there is no cluster": {change: func(c *cluster) { c.fails = []string{"connection"} }, code: app.ExitFailed,
			says: errBroken.Error()},
		"another namespace is checked": {args: []string{"-n", "elsewhere"}, code: app.ExitNo, says: "in namespace elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := complete(t)
			if test.change != nil {
				test.change(c)
			}
			code, out, errOut := c.run(t, 300, append(test.args, "--no-color")...)
			if code != test.code || !strings.Contains(out+errOut, test.says) {
				t.Errorf("it ended with %d, want %d, and says %s%s, want %q", code, test.code, out, errOut, test.says)
			}
		})
	}
}

const schemaPath = "rebootpolicies.reboot-operator.io"

func TestWhatAClusterLacksIsFound(t *testing.T) {
	t.Parallel()
	spec := func(object map[string]any) map[string]any { return object["spec"].(map[string]any) }
	first := func(object map[string]any) map[string]any {
		return spec(object)["versions"].([]any)[0].(map[string]any)
	}
	for name, test := range map[string]struct {
		change func(*cluster)
		check  string
		status check.Status
		says   string
	}{
		"the API server does not say its version": {func(c *cluster) { c.version = "" }, "kubernetes", check.Warn,
			"is not known: an error on the server"},
		"an older Kubernetes without the role": {func(c *cluster) { c.version = "v1.35.9" }, "kubernetes", check.Fail,
			"need a role of their own"},
		"a kubeconfig that makes no sense": {func(c *cluster) { c.kubeconfig = "[" }, "kubernetes", check.Warn, "is not known: "},
		"a role that cannot be read": {func(c *cluster) { c.fails = []string{"reboot-operator-helper-drain"} }, "kubernetes", check.Warn,
			"whether helpers have the roles for it is not known: the disk is full"},
		"a role that nobody needs": {func(c *cluster) {
			c.objects = append(c.objects, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "reboot-operator-helper-drain"}})
		}, "kubernetes", check.Warn, "does not need"},
		"a kind is missing": {func(c *cluster) { c.without(schemaPath) }, "kind RebootPolicy", check.Fail, "not installed"},
		"a kind cannot be read": {func(c *cluster) { c.fails = []string{schemaPath} }, "kind RebootPolicy", check.Warn,
			"is not known: the disk is full"},
		"a kind without a version": {func(c *cluster) { c.change(schemaPath, func(o map[string]any) { spec(o)["versions"] = []any{} }) },
			"kind RebootPolicy", check.Warn, "not of this plugin"},
		"a kind with another version": {func(c *cluster) {
			c.change(schemaPath, func(o map[string]any) { spec(o)["versions"] = append(spec(o)["versions"].([]any), first(o)) })
		}, "kind RebootPolicy", check.Warn, "not of this plugin"},
		"a kind with another schema": {func(c *cluster) { c.change(schemaPath, func(o map[string]any) { delete(first(o), "schema") }) },
			"kind RebootPolicy", check.Warn, "not of this plugin"},
		"a kind that makes no sense": {func(c *cluster) { c.change(schemaPath, func(o map[string]any) { spec(o)["versions"] = "none" }) },
			"kind RebootPolicy", check.Warn, "is not known: "},
		"an admission policy": {func(c *cluster) { c.without("reboot-operator-size") }, "admission", check.Fail,
			"ValidatingAdmissionPolicy reboot-operator-size, ValidatingAdmissionPolicyBinding reboot-operator-size:"},
		"a binding": {func(c *cluster) { c.without("binding-of-reboot-operator-size") }, "admission", check.Fail,
			"missing are ValidatingAdmissionPolicyBinding reboot-operator-size:"},
		"admission policies that cannot be read": {func(c *cluster) { c.fails = []string{"ValidatingAdmissionPolicyList"} }, "admission",
			check.Warn,
			"is not known: the disk is full"},
		"bindings that cannot be read": {func(c *cluster) { c.fails = []string{"ValidatingAdmissionPolicyBindingList"} }, "admission", check.Warn,
			"is not known: the disk is full"},
		"rights that nobody says": {func(c *cluster) { c.fails = []string{"rights"} }, "permissions", check.Warn,
			"is not known: ask for the right to list rebootpolicies.reboot-operator.io: the disk is full"},
		"a right to look at the operator": {func(c *cluster) { c.denied = []string{"list  pods reboot-operator-system "} }, "permissions",
			check.Warn,
			"you may not list pods: "},
		"policies that cannot be read": {func(c *cluster) { c.fails = []string{"RebootPolicyList"} }, "policies", check.Fail,
			"read RebootPolicies: the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := complete(t)
			test.change(c)
			lines, _ := c.lines(t)
			if len(lines) != 1 || lines[0].Check != test.check || lines[0].Status != test.status || !strings.Contains(lines[0].Message, test.says) {
				t.Errorf("these lines are not OK: %+v; want one of %s that is %s and says %q", lines, test.check, test.status, test.says)
			}
		})
	}
}

func TestAnOlderKubernetesWithTheRoleForItIsOK(t *testing.T) {
	t.Parallel()
	c := complete(t)
	c.version = "v1.35.9"
	c.objects = append(c.objects, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "reboot-operator-helper-drain"}})
	if lines, code := c.lines(t); len(lines) > 0 || code != app.ExitOK {
		t.Errorf("it ended with %d: %+v", code, lines)
	}
}

func TestRightsAreAskedForWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	c := complete(t)
	c.run(t, 0)
	const own = "reboot-operator.io"
	want := []string{
		"list " + own + " rebootpolicies  ", "watch " + own + " rebootpolicies  ", "list " + own + " nodereboots  ", "watch " + own +
			" nodereboots  ",
		"list  nodes  ", "watch  nodes  ", "list  pods reboot-operator-system ", "list apps daemonsets reboot-operator-system ",
		"list apps deployments reboot-operator-system ", "get coordination.k8s.io leases reboot-operator-system reboot-operator",
		"list policy poddisruptionbudgets  ", "list  pods  ", "create " + own + " nodereboots  ", "delete " + own + " nodereboots  ",
		"patch " + own + " nodereboots  ", "approve " + own + " nodereboots  ", "patch " + own + " rebootpolicies  ", "patch  nodes  ",
	}
	if !slices.Equal(c.asked, want) {
		t.Errorf("the rights are %q, want %q", c.asked, want)
	}
}

// full is a disk that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errBroken }

func TestAReportThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	for _, output := range []string{"", "json"} {
		c := complete(t)
		c.out = full{}
		if code, _, errOut := c.run(t, 0, "-o", output); code != app.ExitFailed || !strings.Contains(errOut, errBroken.Error()) {
			t.Errorf("-o %s ended with %d: %s", output, code, errOut)
		}
	}
}

func TestAReportForProgramsKeepsTheLettersOfAMessage(t *testing.T) {
	t.Parallel()
	c := complete(t)
	c.version = "v1.37<2"
	const want = "[\n  {\n    \"check\": \"kubernetes\",\n    \"status\": \"OK\",\n    \"message\": \"Kubernetes v1.37<2 is supported\"\n  " +
		"},\n"
	if _, out, _ := c.run(t, 0, "-o", "json"); !strings.HasPrefix(out, want) {
		t.Errorf("%s", out)
	}
}
