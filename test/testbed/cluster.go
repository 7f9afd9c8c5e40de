package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/edition"
)

// startTimeout bounds the start of the control plane, which takes about 6 seconds on an idle machine.
const startTimeout = 3 * time.Minute

// Options of a cluster. The zero value works.
type Options struct {
	// Log takes what happens.
	Log logr.Logger
	// WorkDir takes logs, data and kubeconfigs. It has to be empty or not to exist. "" means a temporary folder that Stop removes.
	WorkDir string
	// NodeMonitorGracePeriod is after which silence of a kubelet its node is unknown. 0 means the default of the controller manager.
	NodeMonitorGracePeriod time.Duration
	// Namespace is where Install installs the operator. Empty means the constant with that name.
	Namespace string
	// AdmissionConfiguration is an AdmissionConfiguration of the API server in YAML. Empty means what its plugins do by default.
	AdmissionConfiguration string
	// EvictionRequests are served, and helpers use them. That is there since Kubernetes 1.37.
	EvictionRequests bool
	// HelperTransport, if set, is put between a node's helper and the API server.
	HelperTransport func(node string, next http.RoundTripper) http.RoundTripper
	// Probes has the simulated kubelets probe containers as their manifests say, with the waits of real ones. Nil has them find a container
	// ready the moment that it is.
	Probes *Probes
	// BareAPI starts etcd and the API server alone: no controllers, no scheduler, no simulated kubelets. Nodes and pods are objects then,
	// and as many as one likes.
	BareAPI bool
	// Scheduler starts the scheduler although the rest of a BareAPI is not there.
	Scheduler bool
	// AuditBodies records what the operator sends as well; see Request.Body.
	AuditBodies bool
	// Clock is what the simulated nodes go by. Nil means the real one; the control plane has no other.
	Clock clock.WithTicker
}

// Cluster is a running control plane with simulated nodes.
type Cluster struct {
	log        logr.Logger
	clock      clock.WithTicker
	namespace  string
	workDir    string
	removeDir  bool
	plane      *controlPlane
	config     *rest.Config
	client     client.WithWatch
	kubernetes kubernetes.Interface
	kubelets   *kubelets
	managers   managers
	webhooks   *webhookService
	probes     *Probes

	edition          edition.Edition
	evictionRequests bool
	helperTransport  func(node string, next http.RoundTripper) http.RoundTripper
	bareAPI          bool

	background context.Context // ends with Stop
	cancel     context.CancelFunc

	mu    sync.Mutex
	hosts map[string]*Host
}

// Start starts a control plane without nodes. It blocks until the API server is ready and the controller manager works. The cluster
// outlives ctx; call Stop in the end.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Log.GetSink() == nil {
		options.Log = logr.Discard()
	}
	if options.Namespace == "" {
		options.Namespace = Namespace
	}
	assets, err := Assets(ctx, options.Log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cluster := &Cluster{
		log: options.Log, clock: options.Clock, namespace: options.Namespace, hosts: map[string]*Host{},
		evictionRequests: options.EvictionRequests, helperTransport: options.HelperTransport, probes: options.Probes,
		bareAPI: options.BareAPI,
	}
	cluster.background, cluster.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := cluster.start(ctx, options, assets); err != nil {
		cluster.removeDir = false // the error names logs in it
		return nil, errors.Join(err, cluster.Stop())
	}
	return cluster, nil
}

func (c *Cluster) start(ctx context.Context, options Options, assets string) error {
	begin := c.clock.Now()
	if err := c.makeWorkDir(options.WorkDir); err != nil {
		return err
	}
	c.plane = &controlPlane{assets: assets, dir: c.workDir}
	if err := c.plane.start(ctx, options); err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	if err := c.connect(); err != nil {
		return err
	}
	var err error
	if c.webhooks, err = startWebhookService(&c.managers); err != nil {
		return err
	}
	if err := c.startNodes(ctx); err != nil {
		return err
	}
	c.log.Info("the control plane is ready", "took", c.clock.Since(begin).Round(time.Millisecond).String(), "dir", c.workDir)
	return nil
}

// startNodes waits for the controller manager, and starts the simulated kubelets.
func (c *Cluster) startNodes(ctx context.Context) error {
	if c.bareAPI {
		return nil
	}
	if err := c.waitForServiceAccount(ctx, metav1.NamespaceDefault); err != nil {
		return errors.Join(fmt.Errorf("wait for the controller manager: %w", err), c.plane.firstDead())
	}
	c.kubelets = newKubelets(c)
	return c.kubelets.start(ctx)
}

func (c *Cluster) makeWorkDir(dir string) error {
	if dir == "" {
		temporary, err := os.MkdirTemp("", "testbed-")
		if err != nil {
			return fmt.Errorf("create the cluster's folder: %w", err)
		}
		c.workDir, c.removeDir = temporary, true
		return nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the cluster's folder: %w", err)
	}
	if err := os.MkdirAll(absolute, 0o755); err != nil {
		return fmt.Errorf("create the cluster's folder: %w", err)
	}
	if entries, err := os.ReadDir(absolute); err != nil || len(entries) > 0 {
		return errors.Join(fmt.Errorf("the cluster's folder %s is not empty", absolute), err)
	}
	c.workDir = absolute
	return nil
}

// connect makes the clients. They are not limited, as one process acts for many kubelets.
func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.QPS = -1
	c.config = config
	if c.kubernetes, err = kubernetes.NewForConfig(config); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	types, err := Scheme()
	if err != nil {
		return err
	}
	if c.client, err = client.NewWithWatch(config, client.Options{Scheme: types}); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	c.edition, err = edition.Of(config)
	return err
}

// Scheme knows the kinds of Kubernetes and of this project.
func Scheme() (*runtime.Scheme, error) {
	types := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(types), v1alpha1.AddToScheme(types)); err != nil {
		return nil, fmt.Errorf("register kinds: %w", err)
	}
	return types, nil
}

// Stop ends the helpers, the managers and the control plane at once.
func (c *Cluster) Stop() error {
	c.cancel()
	errs := []error{c.managers.killAll()}
	for _, host := range c.Hosts() {
		host.helper.stop()
		host.managers.hostDown(false)
	}
	if c.kubelets != nil {
		c.kubelets.stop()
	}
	if c.plane != nil {
		errs = append(errs, c.plane.kill())
	}
	if c.webhooks != nil {
		errs = append(errs, c.webhooks.stop())
	}
	if c.removeDir {
		errs = append(errs, os.RemoveAll(c.workDir))
	}
	return errors.Join(errs...)
}

// Config is the administrator's connection, for the caller to keep.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// Client is an administrator's client without a cache. It knows the kinds of Kubernetes and of this project.
func (c *Cluster) Client() client.WithWatch { return c.client }

// Kubernetes is an administrator's typed client.
func (c *Cluster) Kubernetes() kubernetes.Interface { return c.kubernetes }

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.workDir, "admin.kubeconfig") }

// WorkDir is the folder with the logs of every program.
func (c *Cluster) WorkDir() string { return c.workDir }

// Kubectl is the path of a kubectl of the control plane's version.
func (c *Cluster) Kubectl() string { return filepath.Join(c.plane.assets, kubectlProgram) }

// Namespace is where the operator is installed.
func (c *Cluster) Namespace() string { return c.namespace }

// APIServerPID is the process of the API server, to measure what it uses.
func (c *Cluster) APIServerPID() int {
	for _, process := range c.plane.processes {
		if process.name == apiServerProgram {
			return process.command.Process.Pid
		}
	}
	return 0
}

// Host returns the host of a node, or nil.
func (c *Cluster) Host(name string) *Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts[name]
}

// Hosts returns all hosts by name, those of deleted nodes included.
func (c *Cluster) Hosts() []*Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := make([]*Host, 0, len(c.hosts))
	for _, host := range c.hosts {
		hosts = append(hosts, host)
	}
	slices.SortFunc(hosts, func(a, b *Host) int { return strings.Compare(a.Name(), b.Name()) })
	return hosts
}

// waitForServiceAccount waits until pods can be made in the namespace.
func (c *Cluster) waitForServiceAccount(ctx context.Context, namespace string) error {
	return waitForObject(ctx, c.kubernetes.CoreV1().RESTClient(), "serviceaccounts", namespace, "default",
		func(*corev1.ServiceAccount) bool { return true })
}

// waitForObject watches one object until holds is true of it.
func waitForObject[T any, P interface {
	*T
	runtime.Object
}](ctx context.Context, getter cache.Getter, resource, namespace, name string, holds func(P) bool) error {
	one := cache.NewListWatchFromClient(getter, resource, namespace, fields.OneTermEqualSelector("metadata.name", name))
	_, err := watchtools.UntilWithSync(ctx, one, P(new(T)), nil, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(P)
		return ok && event.Type != watch.Deleted && holds(object), nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s %s/%s: %w", resource, namespace, name, err)
	}
	return nil
}
