package testbed

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// KubeletCredentials are what a real kubelet needs to join a cluster, in PEM where it is not YAML.
type KubeletCredentials struct {
	// Kubeconfig identifies the kubelet to the API server.
	Kubeconfig []byte
	// Authority signed the certificates of all who may speak to the kubelet.
	Authority []byte
	// Certificate and Key are what the kubelet serves with.
	Certificate []byte
	Key         []byte
}

// KubeletCredentials makes the credentials of the node's kubelet, which reaches this machine by the address apiServer. The node is not one
// of the testbed's own, and the testbed does nothing to it.
func (c *Cluster) KubeletCredentials(node string, apiServer, address net.IP) (KubeletCredentials, error) {
	authority := c.plane.authority
	user, err := authority.client("system:node:"+node, "system:nodes")
	if err != nil {
		return KubeletCredentials{}, err
	}
	serving, err := authority.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{node},
		IPAddresses: []net.IP{address},
	})
	if err != nil {
		return KubeletCredentials{}, err
	}
	port, err := c.Port()
	if err != nil {
		return KubeletCredentials{}, err
	}
	info := &clientcmdapi.AuthInfo{ClientCertificateData: user.certificate, ClientKeyData: user.key}
	kubeconfig, err := clientcmd.Write(*newKubeconfig("https://"+net.JoinHostPort(apiServer.String(), port), authority.certificate, info))
	if err != nil {
		return KubeletCredentials{}, fmt.Errorf("encode a kubeconfig: %w", err)
	}
	return KubeletCredentials{
		Kubeconfig: kubeconfig, Authority: authority.certificate, Certificate: serving.certificate, Key: serving.key,
	}, nil
}

// RestartControllerManager restarts the controller manager with another grace period for nodes, as NodeMonitorGracePeriod of Options.
func (c *Cluster) RestartControllerManager(gracePeriod time.Duration) error {
	for i, process := range c.plane.processes {
		if process.name != controllerManagerProgram {
			continue
		}
		if err := process.kill(); err != nil {
			return err
		}
		c.plane.processes = slices.Delete(c.plane.processes, i, i+1)
		break
	}
	return c.plane.startControllerManager(gracePeriod)
}

// Port is where the API server listens on this machine.
func (c *Cluster) Port() (string, error) {
	parsed, err := url.Parse(c.plane.url)
	if err != nil {
		return "", fmt.Errorf("the address of the API server: %w", err)
	}
	return parsed.Port(), nil
}
