package testbed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/reboot-operator/reboot-operator/test/webhookurl"
)

const (
	// Namespace is where the operator is installed if Options name no other.
	Namespace = "reboot-operator-system"

	helperName  = "reboot-operator-helper"
	managerName = "reboot-operator-manager"
)

// Install renders config/default, or what is installed instead on this version of Kubernetes, and applies it: kinds, roles, admission
// policies, the helper's DaemonSet and the manager's Deployment. The helpers' code runs in the simulated hosts, with the identities of the
// DaemonSet's pods. The manager's Deployment is scaled to zero: StartManager runs the manager as a process, and the API server
// reaches the webhooks of whichever runs. Install returns when the kinds are served.
func (c *Cluster) Install(ctx context.Context) error {
	return c.install(ctx, false)
}

// install does that; the managers may be pods that run.
func (c *Cluster) install(ctx context.Context, managers bool) error {
	c.managers.arePods.Store(managers)
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	manifests, err := c.render(ctx, filepath.Join(root, c.edition.Manifests))
	if err != nil {
		return fmt.Errorf("render %s: %w", c.edition.Manifests, err)
	}
	if manifests, err = webhookurl.In(manifests, c.webhooks.address()); err != nil {
		return err
	}
	if err := c.Apply(ctx, manifests); err != nil {
		return fmt.Errorf("install the operator: %w", err)
	}
	if c.evictionRequests {
		if err := c.installEvictionRequests(ctx, root); err != nil {
			return err
		}
	}
	if !managers {
		if _, err := c.kubectl(ctx, nil, "scale", "--namespace", c.namespace, "deployment/"+managerName, "--replicas=0"); err != nil {
			return fmt.Errorf("scale the manager's Deployment: %w", err)
		}
	}
	_, err = c.kubectl(ctx, nil, "wait", "--for=condition=Established", "--timeout=60s",
		"crd/nodereboots.reboot-operator.io", "crd/rebootpolicies.reboot-operator.io")
	if err != nil {
		return fmt.Errorf("wait for the operator's kinds: %w", err)
	}
	if c.bareAPI {
		return nil
	}
	return c.waitForServiceAccount(ctx, c.namespace)
}

// installEvictionRequests applies the component that lets drains use EvictionRequests.
func (c *Cluster) installEvictionRequests(ctx context.Context, root string) error {
	for _, file := range []string{"role.yaml", "policy.yaml"} {
		content, err := os.ReadFile(filepath.Join(root, "config", "components", "eviction-requests", file))
		if err != nil {
			return fmt.Errorf("read a component: %w", err)
		}
		if err := c.Apply(ctx, bytes.ReplaceAll(content, []byte(Namespace), []byte(c.namespace))); err != nil {
			return fmt.Errorf("install a component: %w", err)
		}
	}
	return nil
}

// render renders a folder of manifests for the operator's namespace, by a kustomization as its users write it.
func (c *Cluster) render(ctx context.Context, folder string) ([]byte, error) {
	overlay := filepath.Join(c.workDir, "install")
	if err := os.MkdirAll(overlay, 0o755); err != nil {
		return nil, err
	}
	overlay, err := filepath.EvalSymlinks(overlay)
	if err != nil {
		return nil, err
	}
	base, err := filepath.Rel(overlay, folder)
	if err != nil {
		return nil, err
	}
	kustomization := fmt.Sprintf("namespace: %s\nresources: [%s]\nsortOptions: {order: legacy}\n", c.namespace, base)
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(kustomization), 0o600); err != nil {
		return nil, err
	}
	return c.kubectl(ctx, nil, "kustomize", overlay)
}

// WebhooksAt is the address at which the API server reaches the webhooks of whichever manager runs, see webhookurl.
func (c *Cluster) WebhooksAt() string { return c.webhooks.address() }

// Apply applies manifests in YAML on the server's side, as the administrator.
func (c *Cluster) Apply(ctx context.Context, manifests []byte) error {
	_, err := c.kubectl(ctx, manifests, "apply", "--server-side", "--force-conflicts", "--field-manager="+fieldManager, "-f", "-")
	return err
}

// kubectl runs kubectl as the administrator and returns what it prints.
func (c *Cluster) kubectl(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, c.Kubectl(), append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	command.Stdin = bytes.NewReader(input)
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), commandError(err))
	}
	return output, nil
}
