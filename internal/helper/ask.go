package helper

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// ask makes the NodeReboot that the host's need lacks, under the first of the names that no NodeReboot of another node has. Nil asks for
// nothing.
func (a *agent) ask(ctx context.Context, reboot *v1alpha1.NodeReboot, names []string) error {
	if reboot == nil {
		a.nameless.Store(nil)
		return nil
	}
	taken := map[string]string{}
	defer func() { a.taken = taken }()
	for _, name := range names {
		owner, err := a.create(ctx, reboot, name)
		if err != nil {
			return err
		}
		if owner == a.NodeName {
			a.nameless.Store(nil)
			return nil
		}
		if a.taken[name] != owner {
			a.Log.Error(nil, "The name is taken by a NodeReboot of another node, trying the next one", "nodeReboot", name, "node", owner)
		}
		taken[name] = owner
	}
	why := "the host asks for a reboot, and other NodeReboots use all the names that are possible for it: delete those of the node that " +
		"have ended"
	if len(taken) > 0 {
		why = "the host asks for a reboot, and other NodeReboots use all the names that are possible for it: delete those of other " +
			"nodes: " + tellTaken(taken)
	}
	a.nameless.Store(&why)
	return errors.New(why)
}

// create makes the NodeReboot under a name, and returns the node of the NodeReboot that has the name now. It is the helper's own if the
// NodeReboot was made, or if there was one before that the watch has not brought yet: then another pass looks at it.
func (a *agent) create(ctx context.Context, reboot *v1alpha1.NodeReboot, name string) (owner string, err error) {
	named := reboot.DeepCopy()
	named.Name = name
	err = a.api.Create(ctx, named)
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "finalizers") {
		named.Finalizers = nil // An admission policy that is older than this helper. The manager adds it then.
		err = a.api.Create(ctx, named)
	}
	if err == nil {
		a.Log.Info("Created a NodeReboot", "nodeReboot", name, "reason", named.Spec.Reason)
		return named.Spec.NodeName, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("create NodeReboot %s: %w", name, err)
	}
	found, err := a.api.Find(ctx, name)
	if err != nil {
		return "", fmt.Errorf("look for NodeReboot %s: %w", name, err)
	}
	if found == nil {
		return "", fmt.Errorf("NodeReboot %s was deleted while it was looked at", name)
	}
	return found.Spec.NodeName, nil
}

// tellTaken says which names NodeReboots of other nodes have, for people.
func tellTaken(taken map[string]string) string {
	var parts []string
	for i, name := range slices.Sorted(maps.Keys(taken)) {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more", len(taken)-maxNamed))
			break
		}
		parts = append(parts, fmt.Sprintf("NodeReboot %s is of node %s", name, taken[name]))
	}
	return strings.Join(parts, ", ")
}
