package plugin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/certificates"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/webhooks"
	"github.com/reboot-operator/reboot-operator/test/await"
	"github.com/reboot-operator/reboot-operator/test/edition"
	"github.com/reboot-operator/reboot-operator/test/webhookurl"
)

// installation is an API server with everything of config/default, and the manager's webhooks.
type installation struct {
	t     *testing.T
	env   *envtest.Environment
	admin client.WithWatch
	stop  func()
}

// newInstallation starts one. It skips the test where there is no API server.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no API server; make test-envtest builds one")
	}
	ctrl.SetLogger(logr.Discard())
	env := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}, ErrorIfCRDPathMissing: true,
		CRDInstallOptions: envtest.CRDInstallOptions{MaxTime: await.Limit},
	}
	env.ControlPlaneStartTimeout, env.ControlPlaneStopTimeout = await.Limit, await.Limit
	env.ControlPlane.GetAPIServer().Configure().Set("authorization-mode", "Node,RBAC")
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{t: t, env: env}
	t.Cleanup(func() {
		if i.stop != nil {
			i.stop()
		}
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	i.admin = i.client(config)
	address := freeAddress(t)
	i.install(config, address)
	i.serve(config, address)
	return i
}

// freeAddress is an address to listen on later. Its port is below the ports that systems assign, so it stays free.
func freeAddress(t *testing.T) string {
	t.Helper()
	const lowest, count, tries = 20000, 12000, 100
	var last error
	for range tries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(count)))
		listener, err := net.Listen("tcp", address)
		if err == nil {
			err = listener.Close()
		}
		if err == nil {
			return address
		}
		last = err
	}
	t.Fatalf("no port is free: %v", last)
	return ""
}

func (i *installation) client(config *rest.Config) client.WithWatch {
	i.t.Helper()
	scheme, err := app.Scheme()
	if err != nil {
		i.t.Fatal(err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		i.t.Fatal(err)
	}
	return c
}

// install applies what is installed on this version of Kubernetes.
func (i *installation) install(config *rest.Config, address string) {
	i.t.Helper()
	user, err := i.env.AddUser(envtest.User{Name: "installer", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	kubectl, err := user.Kubectl()
	if err != nil {
		i.t.Fatal(err)
	}
	installed, err := edition.Of(config)
	if err != nil {
		i.t.Fatal(err)
	}
	run := func(args ...string) []byte {
		i.t.Helper()
		stdout, stderr, err := kubectl.Run(args...)
		if err != nil {
			said, _ := io.ReadAll(stderr)
			i.t.Fatalf("kubectl %v: %v: %s", args, err, said)
		}
		out, err := io.ReadAll(stdout)
		if err != nil {
			i.t.Fatal(err)
		}
		return out
	}
	manifests, err := webhookurl.In(run("kustomize", filepath.Join("..", "..", installed.Manifests)), address)
	if err != nil {
		i.t.Fatal(err)
	}
	file := filepath.Join(i.t.TempDir(), "install.yaml")
	if err := os.WriteFile(file, manifests, 0o600); err != nil {
		i.t.Fatal(err)
	}
	run("apply", "--server-side", "-f", file)
}

// serve serves the webhooks with the rights of the manager, and waits until they and the policies are in force.
func (i *installation) serve(config *rest.Config, address string) {
	i.t.Helper()
	const namespace = "reboot-operator-system"
	token := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reboot-operator-manager"}}
	if err := i.admin.SubResource("token").Create(i.t.Context(), account, token); err != nil {
		i.t.Fatal(err)
	}
	of := rest.AnonymousClientConfig(config)
	of.BearerToken = token.Status.Token
	mgr, err := ctrl.NewManager(of, ctrl.Options{
		Scheme: i.admin.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		i.t.Fatal(err)
	}
	kept := certificates.New(certificates.Options{
		Namespace: namespace, Webhooks: true, MetricsService: "reboot-operator-metrics", Clock: clock.RealClock{},
	})
	if err := kept.AddToManager(mgr); err != nil {
		i.t.Fatal(err)
	}
	if err := webhooks.AddToManager(mgr, webhooks.Options{BindAddress: address, Certificate: kept.Get, Clock: clock.RealClock{}}); err != nil {
		i.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	i.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			i.t.Error(err)
		}
	}
	i.await("the webhooks and the admission policies are in force", func(ctx context.Context) bool {
		r := &v1alpha1.NodeReboot{ObjectMeta: metav1.ObjectMeta{Name: "in-force"}, Spec: v1alpha1.NodeRebootSpec{NodeName: "n"}}
		if i.admin.Create(ctx, r, client.DryRunAll) != nil || r.Spec.RequestedBy == "" {
			return false
		}
		r.Spec.RequestedBy, r.ResourceVersion, r.UID = "someone else", "", ""
		return i.admin.Create(ctx, r, client.DryRunAll) != nil
	})
}

func (i *installation) await(what string, is func(context.Context) bool) {
	i.t.Helper()
	err := wait.PollUntilContextTimeout(i.t.Context(), 20*time.Millisecond, await.Limit, true,
		func(ctx context.Context) (bool, error) { return is(ctx), nil })
	if err != nil {
		i.t.Fatalf("wait until %s: %v", what, err)
	}
}

func (i *installation) put(objects ...client.Object) {
	i.t.Helper()
	for _, object := range objects {
		if err := i.admin.Create(i.t.Context(), object); err != nil {
			i.t.Fatal(err)
		}
	}
}

// person is a user of the plugin with roles.
type person struct {
	i    *installation
	name string
	c    client.WithWatch
}

func (i *installation) person(name string, roles ...string) *person {
	i.t.Helper()
	user, err := i.env.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	for _, role := range roles {
		i.put(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: "User", Name: name}},
		})
	}
	p := &person{i: i, name: name, c: i.client(user.Config())}
	i.await("the roles of "+name+" are in force", func(ctx context.Context) bool {
		return p.c.List(ctx, &v1alpha1.NodeRebootList{}) == nil
	})
	return p
}

// does runs a command line, and expects an exit code and texts in what is written.
func (p *person) does(line string, code int, texts ...string) string {
	p.i.t.Helper()
	out, errOut := &bytes.Buffer{}, &bytes.Buffer{}
	a := &app.App{
		IOStreams: genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: out, ErrOut: errOut},
		Config:    genericclioptions.NewConfigFlags(false), Clock: clock.RealClock{}, Zone: time.UTC,
		Connect: func() (client.WithWatch, error) { return p.c, nil },
		Size:    func() (int, int) { return 0, 0 },
	}
	got := plugin.Run(p.i.t.Context(), a, strings.Fields(line))
	said := out.String() + errOut.String()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			p.i.t.Errorf("%s: %s: %q is missing in\n%s", p.name, line, text, said)
		}
	}
	if got != code {
		p.i.t.Errorf("%s: %s ended with %d, want %d:\n%s", p.name, line, got, code, said)
	}
	return strings.TrimSpace(out.String())
}

// looks writes the status of a NodeReboot, as the manager does.
func (i *installation) looks(name string, change func(*v1alpha1.NodeReboot)) {
	i.t.Helper()
	i.await(fmt.Sprintf("the status of %s is written", name), func(ctx context.Context) bool {
		r := &v1alpha1.NodeReboot{}
		if err := i.admin.Get(ctx, client.ObjectKey{Name: name}, r); err != nil {
			return false
		}
		r.Status.ObservedGeneration, r.Status.PolicyName = r.Generation, "workers"
		change(r)
		return i.admin.Status().Update(ctx, r) == nil
	})
}
