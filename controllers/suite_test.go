package controllers

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/serverclock"
	"github.com/reboot-operator/reboot-operator/test/await"
)

var (
	apiServer *rest.Config
	scheme    *runtime.Scheme
	// k8s is what everybody but the operator uses.
	k8s client.Client
)

// TestStories runs the operator against a real API server.
func TestStories(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver")
	}
	scheme = testScheme(t)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RegisterFailHandler(Fail)
	RunSpecs(t, "Controllers")
}

var _ = BeforeSuite(func(ctx context.Context) {
	logf.SetLogger(zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true)))
	environment := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		CRDInstallOptions:     envtest.CRDInstallOptions{MaxTime: await.Limit},
	}
	environment.ControlPlaneStartTimeout, environment.ControlPlaneStopTimeout = await.Limit, await.Limit
	var err error
	apiServer, err = environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(environment.Stop)
	k8s, err = client.New(apiServer, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	Expect(k8s.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: testNamespace}})).To(Succeed())
})

// startOperator runs an operator until the end of the test, and sees what it asks of the API server.
func startOperator(options Options, clientOptions client.Options) *traffic {
	seen := &traffic{}
	cfg := rest.CopyConfig(apiServer)
	cfg.Wrap(seen.watch)
	if serverClock, is := options.Clock.(*serverclock.Clock); is {
		cfg.Wrap(serverClock.WrapTransport)
	}
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:     scheme,
		Cache:      CacheOptions(testNamespace, options.MaintenanceLeaseNamespaces...),
		Client:     clientOptions,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	Expect(err).NotTo(HaveOccurred())
	options.Namespace, options.lingering = testNamespace, time.Second
	seen.registry = prometheus.NewRegistry()
	options.Registry = seen.registry
	Expect(SetupWithManager(mgr, options)).To(Succeed())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		cancel()
		Eventually(done).Should(Receive(BeNil()))
		clearCluster()
	})
	return seen
}

// clearCluster removes what a test made, finalizers and all.
func clearCluster() {
	ctx := context.Background()
	var reboots v1alpha1.NodeRebootList
	Expect(k8s.List(ctx, &reboots)).To(Succeed())
	for i := range reboots.Items {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		Expect(client.IgnoreNotFound(k8s.Patch(ctx, &reboots.Items[i], patch))).To(Succeed())
	}
	for _, kind := range []client.Object{&v1alpha1.NodeReboot{}, &v1alpha1.RebootPolicy{}, &corev1.Node{}} {
		Expect(k8s.DeleteAllOf(ctx, kind)).To(Succeed())
	}
	for _, kind := range []client.Object{&corev1.ConfigMap{}, &corev1.Pod{}} {
		Expect(k8s.DeleteAllOf(ctx, kind, client.InNamespace(testNamespace), client.GracePeriodSeconds(0))).To(Succeed())
	}
}

// traffic is what an operator asks of the API server, watches left out, and how many passes it makes.
type traffic struct {
	registry *prometheus.Registry
	mu       sync.Mutex
	requests []string
	// watches are the paths of all watches but those of single nodes' pods.
	watches []string
	// podWatches is how many watches of single nodes' pods are open.
	podWatches atomic.Int32
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (t *traffic) watch(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		query := r.URL.Query()
		watching := query.Get("watch") != ""
		ofNode := strings.Contains(query.Get("fieldSelector"), "spec.nodeName")
		t.mu.Lock()
		switch {
		case !watching:
			t.requests = append(t.requests, r.Method+" "+r.URL.Path)
		case !ofNode:
			t.watches = append(t.watches, r.URL.Path)
		}
		t.mu.Unlock()
		response, err := next.RoundTrip(r)
		if err == nil && watching && ofNode {
			t.podWatches.Add(1)
			response.Body = &countedBody{ReadCloser: response.Body, open: &t.podWatches}
		}
		return response, err
	})
}

// countedBody counts down once when it is closed.
type countedBody struct {
	io.ReadCloser
	open *atomic.Int32
	once sync.Once
}

func (b *countedBody) Close() error {
	b.once.Do(func() { b.open.Add(-1) })
	return b.ReadCloser.Close()
}

func (t *traffic) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.requests)
}

// watched are the paths that are watched.
func (t *traffic) watched() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(t.watches)))
}

// since are the requests after the first so many.
func (t *traffic) since(count int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.requests[count:]...)
}

// passes is how many passes there were.
func (t *traffic) passes() uint64 {
	families, err := t.registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() == "reboot_operator_pass_seconds" {
			return family.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	return 0
}
