package why

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
)

// readAbout reads all policies, since any of them may own a node, and of Nodes and NodeReboots only what an explanation looks at. A large
// cluster has tens of thousands of NodeReboots.
func readAbout(ctx context.Context, c client.Reader, asked []string) (*app.Fleet, error) {
	var policies v1alpha1.RebootPolicyList
	if err := c.List(ctx, &policies); err != nil {
		return nil, app.ReadError("RebootPolicies", err)
	}
	r := &reader{c: c, fleet: &app.Fleet{Policies: policies.Items}}
	for _, one := range asked {
		var err error
		switch named := app.ParseName(one); {
		case named.Unknown != "" || named.Kind == app.PolicyKind:
		case named.Kind == app.RebootKind:
			err = r.reboot(ctx, named.Name)
		default:
			err = r.node(ctx, named)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.fleet, nil
}

type reader struct {
	c     client.Reader
	fleet *app.Fleet
}

func (r *reader) reboot(ctx context.Context, name string) error {
	var reboot v1alpha1.NodeReboot
	found, err := r.get(ctx, "NodeReboots", name, &reboot)
	if found {
		r.fleet.Reboots = append(r.fleet.Reboots, reboot)
	}
	return err
}

// node reads a Node and its NodeReboots. If there are none, the name may be that of a NodeReboot.
func (r *reader) node(ctx context.Context, named app.Named) error {
	name := named.Name
	var node corev1.Node
	found, err := r.get(ctx, "Nodes", name, &node)
	if err != nil {
		return err
	}
	if found {
		r.fleet.Nodes = append(r.fleet.Nodes, node)
	}
	var reboots v1alpha1.NodeRebootList
	if err := r.c.List(ctx, &reboots, client.MatchingFields{"spec.nodeName": name}); err != nil {
		return app.ReadError("NodeReboots", err)
	}
	r.fleet.Reboots = append(r.fleet.Reboots, reboots.Items...)
	if !found && len(reboots.Items) == 0 && named.Kind.Empty() {
		return r.reboot(ctx, name)
	}
	return nil
}

func (r *reader) get(ctx context.Context, kind, name string, object client.Object) (found bool, err error) {
	if name == "" || len(content.IsPathSegmentName(name)) > 0 {
		return false, nil
	}
	err = r.c.Get(ctx, client.ObjectKey{Name: name}, object)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, app.ReadError(kind, err)
	}
	return true, nil
}
