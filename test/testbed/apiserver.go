package testbed

import (
	"context"
	"syscall"
)

// APIServerURL is where the API server listens.
func (c *Cluster) APIServerURL() string { return c.plane.url }

// EtcdURL is where etcd serves its clients, without a certificate. What is read there is in the order of all changes, and no API server is
// needed for it.
func (c *Cluster) EtcdURL() string { return c.plane.etcdURL }

// PauseAPIServer stops the API server where it is, so that it takes connections and answers nothing, until ContinueAPIServer.
func (c *Cluster) PauseAPIServer() error { return c.plane.currentAPIServer().signal(syscall.SIGSTOP) }

// ContinueAPIServer undoes PauseAPIServer.
func (c *Cluster) ContinueAPIServer() error {
	return c.plane.currentAPIServer().signal(syscall.SIGCONT)
}

// KillAPIServer ends the API server at once.
func (c *Cluster) KillAPIServer() error { return c.plane.currentAPIServer().kill() }

// StartAPIServer starts it again after KillAPIServer, and returns once it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error { return c.plane.runAPIServer(ctx) }
