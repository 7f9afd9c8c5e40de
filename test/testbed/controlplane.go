package testbed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// admissionFile has the configuration of the API server's admission plugins.
const admissionFile = "admission.yaml"

// controlPlane is the four upstream programs and what it takes to reach them.
type controlPlane struct {
	assets    string
	dir       string
	url       string
	etcdURL   string
	authority *authority

	mu        sync.Mutex
	processes []*process
	// apiServer is the API server that was started last, and apiServerArgs what it is started with.
	apiServer     *process
	apiServerArgs []string
	// gates are flags with feature gates, and served are flags of the API server for what it serves in addition.
	gates, served []string
	// admission is the flag of the API server with the configuration of its admission plugins.
	admission []string
}

// start starts everything and returns once the API server is ready. Call kill in every case.
func (cp *controlPlane) start(ctx context.Context, options Options) error {
	if err := cp.writePKI(options.Clock.Now()); err != nil {
		return err
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	cp.url = fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	if err := cp.writeKubeconfigs(); err != nil {
		return err
	}
	cp.etcdURL = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	if err := cp.startEtcd(ctx, cp.etcdURL, fmt.Sprintf("http://127.0.0.1:%d", ports[1])); err != nil {
		return err
	}
	if err := cp.configure(&options); err != nil {
		return err
	}
	if err := cp.startAPIServer(ctx, ports[2]); err != nil {
		return err
	}
	if !options.BareAPI {
		if err := cp.startControllerManager(options.NodeMonitorGracePeriod); err != nil {
			return err
		}
	}
	if options.BareAPI && !options.Scheduler {
		return nil
	}
	return cp.startScheduler()
}

// configure writes what the API server reads, and notes what it is given.
func (cp *controlPlane) configure(options *Options) error {
	if err := os.WriteFile(cp.path(auditPolicyFile), []byte(auditPolicy(options)), 0o600); err != nil {
		return fmt.Errorf("write the audit policy: %w", err)
	}
	if options.AdmissionConfiguration != "" {
		cp.admission = []string{"--admission-control-config-file", cp.path(admissionFile)}
		if err := os.WriteFile(cp.path(admissionFile), []byte(options.AdmissionConfiguration), 0o600); err != nil {
			return fmt.Errorf("write the admission configuration: %w", err)
		}
	}
	if options.EvictionRequests {
		cp.gates = []string{"--feature-gates", "EvictionRequestAPI=true"}
		cp.served = []string{"--runtime-config", "lifecycle.k8s.io/v1alpha1=true"}
	}
	return nil
}

func (cp *controlPlane) kill() error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	var errs []error
	for i := len(cp.processes) - 1; i >= 0; i-- {
		errs = append(errs, cp.processes[i].kill())
	}
	return errors.Join(errs...)
}

func (cp *controlPlane) path(name string) string { return filepath.Join(cp.dir, name) }

func (cp *controlPlane) writePKI(now time.Time) error {
	authority, err := newAuthority(now)
	if err != nil {
		return err
	}
	cp.authority = authority
	serving, err := authority.serving()
	if err != nil {
		return err
	}
	_, accountKey, err := newKey()
	if err != nil {
		return err
	}
	return errors.Join(
		authority.write(cp.dir, "ca"),
		serving.write(cp.dir, "apiserver"),
		os.WriteFile(cp.path("service-accounts.key"), accountKey, 0o600),
	)
}

func (cp *controlPlane) writeKubeconfigs() error {
	users := []struct {
		file, user string
		groups     []string
	}{
		{file: "admin", user: "testbed-admin", groups: []string{"system:masters"}},
		{file: controllerManagerProgram, user: "system:kube-controller-manager"},
		{file: schedulerProgram, user: "system:kube-scheduler"},
	}
	for _, user := range users {
		identity, err := cp.authority.client(user.user, user.groups...)
		if err != nil {
			return err
		}
		info := &clientcmdapi.AuthInfo{ClientCertificateData: identity.certificate, ClientKeyData: identity.key}
		if err := writeKubeconfig(cp.path(user.file+".kubeconfig"), cp.url, cp.authority.certificate, info); err != nil {
			return err
		}
	}
	return nil
}

func (cp *controlPlane) startEtcd(ctx context.Context, clientURL, peerURL string) error {
	etcd, err := cp.run(etcdProgram,
		"--data-dir", cp.path("etcd"),
		"--unsafe-no-fsync",
		"--listen-client-urls", clientURL, "--advertise-client-urls", clientURL,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL,
		"--initial-cluster", "default="+peerURL,
		"--quota-backend-bytes", "4294967296",
	)
	if err != nil {
		return err
	}
	return etcd.waitFor(ctx, httpReady(http.DefaultClient, clientURL+"/health"))
}

func (cp *controlPlane) startAPIServer(ctx context.Context, port int) error {
	args := []string{
		"--etcd-servers", cp.etcdURL,
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", fmt.Sprint(port),
		"--endpoint-reconciler-type", "none", // the service kubernetes may not point to a loopback address
		"--tls-cert-file", cp.path("apiserver.crt"), "--tls-private-key-file", cp.path("apiserver.key"),
		"--client-ca-file", cp.path("ca.crt"),
		"--service-account-key-file", cp.path("service-accounts.key"),
		"--service-account-signing-key-file", cp.path("service-accounts.key"),
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-cluster-ip-range", "10.96.0.0/16",
		"--authorization-mode", "Node,RBAC",
		"--enable-admission-plugins", "NodeRestriction",
		"--allow-privileged",
		"--audit-policy-file", cp.path(auditPolicyFile), "--audit-log-path", cp.path(auditLog),
		"--max-requests-inflight", "4000", "--max-mutating-requests-inflight", "2000", // hundreds of kubelets in one process
	}
	cp.apiServerArgs = slices.Concat(args, cp.gates, cp.served, cp.admission)
	return cp.runAPIServer(ctx)
}

// runAPIServer starts the API server, or starts it again, and returns once it is ready.
func (cp *controlPlane) runAPIServer(ctx context.Context) error {
	server, err := cp.run(apiServerProgram, cp.apiServerArgs...)
	if err != nil {
		return err
	}
	cp.mu.Lock()
	cp.apiServer = server
	cp.mu.Unlock()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cp.authority.certificate)
	probe := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
	defer probe.CloseIdleConnections()
	return server.waitFor(ctx, httpReady(probe, cp.url+"/readyz"))
}

func (cp *controlPlane) currentAPIServer() *process {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	return cp.apiServer
}

func (cp *controlPlane) startControllerManager(gracePeriod time.Duration) error {
	kubeconfig := cp.path(controllerManagerProgram + ".kubeconfig")
	args := []string{
		"--kubeconfig", kubeconfig,
		"--service-account-private-key-file", cp.path("service-accounts.key"),
		"--root-ca-file", cp.path("ca.crt"),
		"--use-service-account-credentials",
		"--leader-elect=false",
		"--secure-port", "0",
		"--kube-api-qps", "2000", "--kube-api-burst", "4000",
	}
	if gracePeriod > 0 {
		args = append(args, "--node-monitor-grace-period", gracePeriod.String())
	}
	_, err := cp.run(controllerManagerProgram, slices.Concat(args, cp.gates)...)
	return err
}

func (cp *controlPlane) startScheduler() error {
	_, err := cp.run(schedulerProgram,
		"--kubeconfig", cp.path(schedulerProgram+".kubeconfig"),
		"--leader-elect=false",
		"--secure-port", "0",
		"--kube-api-qps", "2000", "--kube-api-burst", "4000",
	)
	return err
}

func (cp *controlPlane) run(program string, args ...string) (*process, error) {
	started, err := startProcess(cp.dir, program, filepath.Join(cp.assets, program), nil, args...)
	if err != nil {
		return nil, err
	}
	cp.mu.Lock()
	defer cp.mu.Unlock()
	cp.processes = append(cp.processes, started)
	return started, nil
}

// firstDead returns an error if one of the programs has ended.
func (cp *controlPlane) firstDead() error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	for _, process := range cp.processes {
		select {
		case <-process.exited:
			return process.failure(fmt.Errorf("ended: %w", process.endError()))
		default:
		}
	}
	return nil
}

// httpReady asks url and expects status 200.
func httpReady(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("make a request: %w", err)
		}
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("ask whether it is ready: %w", err)
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, tailBytes))
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return fmt.Errorf("read the answer of %s: %w", url, err)
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
		}
		return nil
	}
}

// Ports from firstPort on, lastPort not included, are for programs. Above are those that Linux gives to connections, and to listeners that
// ask for any: such a port may be in use by another program before the program listens on it.
const firstPort, lastPort = 20000, 32768

// freePorts returns loopback ports that nobody listens on.
func freePorts(count int) ([]int, error) {
	var ports []int
	var listeners []net.Listener // closed only when all are found, so that no two are the same
	var errs []error
	for range lastPort - firstPort {
		if len(ports) == count {
			break
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			ports, listeners = append(ports, port), append(listeners, listener)
		}
	}
	for _, listener := range listeners {
		errs = append(errs, listener.Close())
	}
	if len(ports) < count {
		errs = append(errs, fmt.Errorf("%d of %d", len(ports), count))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("find free ports: %w", err)
	}
	return ports, nil
}
