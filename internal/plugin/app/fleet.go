package app

import (
	"context"
	"errors"
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// Fleet is what most commands look at, in the order of names.
type Fleet struct {
	Policies []v1alpha1.RebootPolicy
	Reboots  []v1alpha1.NodeReboot
	Nodes    []corev1.Node
}

// errNotInstalled says what a cluster without the kinds lacks.
var errNotInstalled = errors.New("reboot-operator is not installed in this cluster: it has no kinds RebootPolicy and NodeReboot")

// ReadFleet reads all policies, NodeReboots and nodes.
func ReadFleet(ctx context.Context, c client.Reader) (*Fleet, error) {
	var (
		policies v1alpha1.RebootPolicyList
		reboots  v1alpha1.NodeRebootList
		nodes    corev1.NodeList
	)
	for what, list := range map[string]client.ObjectList{"RebootPolicies": &policies, "NodeReboots": &reboots, "Nodes": &nodes} {
		if err := c.List(ctx, list); err != nil {
			return nil, ReadError(what, err)
		}
	}
	return &Fleet{Policies: policies.Items, Reboots: reboots.Items, Nodes: nodes.Items}, nil
}

// ReadError says what could not be read, and what to do about it.
func ReadError(what string, err error) error {
	switch {
	case meta.IsNoMatchError(err):
		return errNotInstalled
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you may not read %s; "+
			"a cluster administrator can give you the roles reboot-operator-viewer and reboot-operator-plugin: %w", what, err)
	}
	var unreachable *net.OpError
	if errors.As(err, &unreachable) {
		return fmt.Errorf("the cluster cannot be reached; choose another one with --context or --kubeconfig: read %s: %w", what, err)
	}
	return fmt.Errorf("read %s: %w", what, err)
}
