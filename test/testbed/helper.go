package testbed

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/reboot-operator/reboot-operator/internal/helper"
)

const (
	// helperPollInterval is the slow check behind the sentinel's hints.
	helperPollInterval = 10 * time.Second
	// helperRestartDelay is the pause before a helper that ended with an error is started again.
	helperRestartDelay = time.Second
	tokenLifetime      = time.Hour
)

// isHelper reports whether a pod is one of the helper's DaemonSet.
func (c *Cluster) isHelper(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return pod.Namespace == c.namespace && owner != nil && owner.Kind == "DaemonSet" && owner.Name == helperName
}

// podKey is one pod, permanently.
type podKey struct {
	name           string
	uid            types.UID
	serviceAccount string
}

// helperRunner runs the helper of one host while its pod runs, with that pod's identity.
type helperRunner struct {
	host *Host

	mu      sync.Mutex
	wanted  bool
	pod     podKey // the running pod; zero without one
	running podKey // the pod as which the helper runs; zero while it does not run
	cancel  context.CancelFunc
	ended   chan struct{}

	// What a step of the helper itself may use, while others wait for its end.
	crash  atomic.Pointer[context.CancelFunc] // ends the run of now; nil before the first one
	offset atomic.Int64                       // of the clock of runs that begin from now on
}

func newHelperRunner(host *Host, wanted bool) *helperRunner {
	return &helperRunner{host: host, wanted: wanted}
}

func (r *helperRunner) isWanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wanted
}

// want starts or stops the helper.
func (r *helperRunner) want(wanted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = wanted
	r.applyLocked()
}

// podRunning notes that the kubelet runs a pod of the helper.
func (r *helperRunner) podRunning(pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pod = podKey{name: pod.Name, uid: pod.UID, serviceAccount: pod.Spec.ServiceAccountName}
	r.applyLocked()
}

// podGone notes that a pod was deleted.
func (r *helperRunner) podGone(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pod.uid == uid {
		r.pod = podKey{}
		r.applyLocked()
	}
}

// hostDown ends the helper with its host. The kubelet reports the pod again after the boot.
func (r *helperRunner) hostDown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pod = podKey{}
	r.applyLocked()
}

// stop ends the helper permanently.
func (r *helperRunner) stop() { r.want(false) }

// applyLocked makes what runs what should run. It returns when a helper that should not run has ended.
func (r *helperRunner) applyLocked() {
	should := r.pod
	if !r.wanted {
		should = podKey{}
	}
	if r.running == should {
		return
	}
	if r.running != (podKey{}) {
		r.cancel()
		<-r.ended
	}
	r.running = should
	if should == (podKey{}) {
		return
	}
	ctx, cancel := context.WithCancel(r.host.cluster.background)
	r.cancel, r.ended = cancel, make(chan struct{})
	go r.run(ctx, should, r.ended)
}

// run keeps the helper running, as a kubelet does with a container that ends.
func (r *helperRunner) run(ctx context.Context, pod podKey, ended chan<- struct{}) {
	defer close(ended)
	log := r.host.log.WithName("helper")
	for {
		run, crash := context.WithCancel(ctx)
		r.crash.Store(&crash)
		offset := time.Duration(r.offset.Load())
		err := helper.Run(run, helper.Options{
			NodeName:         r.host.Name(),
			Config:           r.host.cluster.helperConfig(run, r.host.Name(), pod),
			PodNamespace:     r.host.cluster.namespace,
			PodName:          pod.name,
			Host:             &hostOfRun{Host: r.host, run: run, offset: offset},
			Sentinel:         r.host.sentinel,
			Log:              log,
			PollInterval:     helperPollInterval,
			EvictionRequests: r.host.cluster.evictionRequests,
			Clock:            offClock{WithTicker: r.host.cluster.clock, offset: offset},
		})
		crashed := run.Err() != nil
		crash()
		if ctx.Err() != nil {
			return
		}
		if !crashed {
			log.Error(err, "the helper ended and is started again")
		}
		select {
		case <-ctx.Done():
			return
		case <-r.host.cluster.clock.After(helperRestartDelay):
		}
	}
}

func (r *helperRunner) crashNow() {
	if crash := r.crash.Load(); crash != nil {
		(*crash)()
	}
}

// helperConfig is the connection of a helper: what its pod holds, and nothing of the administrator's.
func (c *Cluster) helperConfig(run context.Context, node string, pod podKey) *rest.Config {
	config := rest.AnonymousClientConfig(c.config)
	config.UserAgent = helperName
	config.WrapTransport = transport.TokenSourceWrapTransport(transport.NewCachedTokenSource(&podTokens{cluster: c, pod: pod}))
	if c.helperTransport != nil {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return c.helperTransport(node, next) })
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &transportOfRun{run: run, next: next} })
	return config
}

// podTokens asks for tokens that are bound to a helper's pod, as a kubelet does for the pod's volume. It implements oauth2.TokenSource.
type podTokens struct {
	cluster *Cluster
	pod     podKey
}

// Token asks for one.
func (t *podTokens) Token() (*oauth2.Token, error) {
	return t.cluster.token(t.cluster.background, t.pod.serviceAccount, tokenLifetime, &authenticationv1.BoundObjectReference{
		APIVersion: "v1", Kind: "Pod", Name: t.pod.name, UID: t.pod.uid,
	})
}

// token asks for a token of a ServiceAccount in the operator's namespace.
func (c *Cluster) token(
	ctx context.Context, account string, lifetime time.Duration, bound *authenticationv1.BoundObjectReference,
) (*oauth2.Token, error) {
	seconds := int64(lifetime / time.Second)
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds, BoundObjectRef: bound},
	}
	answer, err := c.kubernetes.CoreV1().ServiceAccounts(c.namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("request a token of ServiceAccount %s: %w", account, err)
	}
	// A while before its end, so that no request is sent with a token that has just expired.
	expiry := answer.Status.ExpirationTimestamp.Add(-lifetime / 5)
	return &oauth2.Token{AccessToken: answer.Status.Token, Expiry: expiry}, nil
}
