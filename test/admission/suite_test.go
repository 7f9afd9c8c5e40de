// Package admission tries what config/default allows each actor, and what it does not, with real tokens on a real API server.
package admission

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/edition"
	"github.com/reboot-operator/reboot-operator/test/webhookurl"
)

const (
	namespace = "reboot-operator-system"
	helper    = "reboot-operator-helper"
	manager   = "reboot-operator-manager"
	gates     = "reboot-operator-gates"
)

var (
	// adminConfig reaches the API server as its administrator, and so does admin.
	adminConfig *rest.Config
	admin       client.Client
	// kubectl acts as the person who installed the operator.
	kubectl func(args ...string) (stdout, stderr io.Reader, err error)
	// installed is what is installed on this version of Kubernetes.
	installed edition.Edition
	// stopWebhooks ends those that are served.
	stopWebhooks func() error
)

func TestMain(m *testing.M) {
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	log.SetLogger(logr.Discard())
	// The kinds are in config/default as well, but only envtest waits until they are served.
	env := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		CRDInstallOptions:     envtest.CRDInstallOptions{MaxTime: await.Limit},
	}
	env.ControlPlaneStartTimeout, env.ControlPlaneStopTimeout = await.Limit, await.Limit
	env.ControlPlane.GetAPIServer().Configure().
		Set("authorization-mode", "Node,RBAC").
		Append("enable-admission-plugins", "NodeRestriction")
	config, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	defer func() {
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
	}()
	adminConfig = config
	if err := prepare(context.Background(), env); err != nil {
		fmt.Fprintln(os.Stderr, "prepare the cluster:", err)
		return 1
	}
	code := m.Run()
	if err := stopWebhooks(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the webhooks:", err)
		return 1
	}
	return code
}

// prepare installs the operator and makes two nodes, each with a pod of the helper and another one.
func prepare(ctx context.Context, env *envtest.Environment) error {
	user, err := env.AddUser(envtest.User{Name: "installer", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return fmt.Errorf("add a user: %w", err)
	}
	found, err := user.Kubectl()
	if err != nil {
		return fmt.Errorf("find kubectl: %w", err)
	}
	kubectl = found.Run
	if installed, err = edition.Of(adminConfig); err != nil {
		return err
	}
	if err := chooseWebhookAddress(); err != nil {
		return err
	}
	if err := install(); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("register kinds: %w", err)
	}
	if admin, err = client.New(adminConfig, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	objects := []client.Object{}
	for _, node := range []string{"n1", "n2"} {
		objects = append(objects, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}},
			newPod(namespace, "helper-"+node, node, helper), newPod("default", "app-"+node, node, ""))
	}
	for _, object := range objects {
		if err := admin.Create(ctx, object); err != nil {
			return fmt.Errorf("create %T %s: %w", object, object.GetName(), err)
		}
	}
	if stopWebhooks, err = startWebhooks(ctx, webhookAddress); err != nil {
		return err
	}
	return waitUntilInForce(ctx)
}

// install applies what is installed, with the webhooks where this process serves them.
func install() error {
	stdout, stderr, err := kubectl("kustomize", filepath.Join("..", "..", installed.Manifests))
	if err != nil {
		message, _ := io.ReadAll(stderr)
		return fmt.Errorf("render %s: %w: %s", installed.Manifests, err, message)
	}
	manifests, err := io.ReadAll(stdout)
	if err != nil {
		return err
	}
	if manifests, err = webhookurl.In(manifests, webhookAddress); err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "admission-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	file := filepath.Join(directory, "install.yaml")
	if err := os.WriteFile(file, manifests, 0o600); err != nil {
		return err
	}
	if _, stderr, err := kubectl("apply", "--server-side", "-f", file); err != nil {
		message, _ := io.ReadAll(stderr)
		return fmt.Errorf("apply %s: %w: %s", installed.Manifests, err, message)
	}
	return nil
}

// waitUntilInForce waits until the policies refuse, the node authorizer has seen the pods, and the manager's roles are seen. None tells
// when that is so.
func waitUntilInForce(ctx context.Context) error {
	own, err := clientOf(ctx, namespace, helper, "helper-n1")
	if err != nil {
		return err
	}
	drainer := own
	if installed.DrainsAsNode {
		if drainer, err = clientOf(ctx, namespace, helper, "helper-n1", impersonating("system:node:n1")); err != nil {
			return err
		}
	}
	order := right{verb: "order", group: "reboot-operator.io", resource: "nodereboots", subresource: "status"}
	slots := right{verb: "get", resource: "configmaps", namespace: namespace, name: "reboot-operator-slots"}
	uid, err := uidOf(ctx, "default", "app-n1")
	if err != nil {
		return err
	}
	var refused, evicted, pretended error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, await.Limit, true, func(ctx context.Context) (bool, error) {
		refused = own.Create(ctx, newReboot("n2-0", "n2"), client.DryRunAll)
		evicted = drainer.SubResource("eviction").Create(ctx, newPod("default", "app-n1", "", ""), evictionOfUID(uid), client.DryRunAll)
		// So is a name of someone else, and it is filled in.
		asked := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "in-force"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "n1"}}
		if pretended = admin.Create(ctx, asked, client.DryRunAll); pretended != nil || asked.Spec.RequestedBy == "" {
			return false, nil
		}
		asked.Spec.RequestedBy = "x"
		asked.ResourceVersion, asked.UID = "", ""
		pretended = admin.Create(ctx, asked, client.DryRunAll)
		byPolicy := apierrors.IsForbidden(pretended) && // and the helper not because a right is missing
			apierrors.IsForbidden(refused) && strings.Contains(refused.Error(), ownNodeOnly)
		for _, of := range []right{order, slots} {
			if allowed, err := mayDo(ctx, namespace, manager, of); !allowed || err != nil {
				return false, err
			}
		}
		return byPolicy && evicted == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait until a create is refused and an eviction is not: %w", errors.Join(err, refused, evicted, pretended))
	}
	return nil
}

// clientOf makes a client that holds a token of the ServiceAccount, bound to the pod unless that is empty.
func clientOf(ctx context.Context, namespace, serviceAccount, pod string, options ...func(*rest.Config)) (client.Client, error) {
	var bound *authenticationv1.BoundObjectReference
	if pod != "" {
		bound = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod}
	}
	return clientBoundTo(ctx, namespace, serviceAccount, bound, options...)
}

// clientBoundTo makes a client that holds a token of the ServiceAccount, bound to an object unless that is nil.
func clientBoundTo(
	ctx context.Context, namespace, serviceAccount string, bound *authenticationv1.BoundObjectReference, options ...func(*rest.Config),
) (client.Client, error) {
	request := &authenticationv1.TokenRequest{}
	request.Spec.BoundObjectRef = bound
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serviceAccount}}
	if err := admin.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("ask for a token of %s: %w", serviceAccount, err)
	}
	config := rest.AnonymousClientConfig(adminConfig)
	config.BearerToken = request.Status.Token
	for _, option := range options {
		option(config)
	}
	made, err := client.New(config, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", serviceAccount, err)
	}
	return made, nil
}

// mustClientOf is clientOf in a test.
func mustClientOf(t *testing.T, namespace, serviceAccount, pod string, options ...func(*rest.Config)) client.Client {
	t.Helper()
	made, err := clientOf(t.Context(), namespace, serviceAccount, pod, options...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func impersonating(user string) func(*rest.Config) {
	return func(config *rest.Config) { config.Impersonate.UserName = user }
}

// uidOf is the UID of a pod.
func uidOf(ctx context.Context, namespace, name string) (types.UID, error) {
	pod := &corev1.Pod{}
	err := admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod)
	return pod.UID, err
}

// evictionOfUID is what a helper asks for.
func evictionOfUID(uid types.UID) *policyv1.Eviction {
	return &policyv1.Eviction{DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}}}
}

func newPod(namespace, name, node, serviceAccount string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			NodeName:           node,
			ServiceAccountName: serviceAccount,
			Containers:         []corev1.Container{{Name: "main", Image: "none"}},
		},
	}
}

// newReboot is what a helper makes for a sentinel.
func newReboot(name, node string) *v1alpha1.NodeReboot {
	return &v1alpha1.NodeReboot{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.NodeRebootSpec{NodeName: node, Trigger: v1alpha1.TriggerSentinel, BootID: "b1"},
	}
}
