// Package recorded has what a client saw of a rollout on the testbed, for tests of what shows rollouts. "go run ./hack/history" records it.
package recorded

import (
	_ "embed"
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

//go:embed middle.json
var middle []byte

//go:embed end.json
var end []byte

// Rollout is what a client saw at one moment.
type Rollout struct {
	Now      time.Time               `json:"now"`
	Policies []v1alpha1.RebootPolicy `json:"policies"`
	Reboots  []v1alpha1.NodeReboot   `json:"reboots"`
	Nodes    []corev1.Node           `json:"nodes"`
	Events   []eventsv1.Event        `json:"events"`
}

// Middle is a rollout in its middle: one zone is done, one is under way, one waits.
func Middle(t *testing.T) *Rollout { return read(t, middle) }

// End is the same rollout at its end.
func End(t *testing.T) *Rollout { return read(t, end) }

func read(t *testing.T, content []byte) *Rollout {
	t.Helper()
	var rollout Rollout
	if err := json.Unmarshal(content, &rollout); err != nil {
		t.Fatalf("read a recorded rollout: %v", err)
	}
	return &rollout
}

// Objects are all objects, for a client in memory.
func (r *Rollout) Objects() []client.Object {
	var all []client.Object
	for i := range r.Policies {
		all = append(all, &r.Policies[i])
	}
	for i := range r.Reboots {
		all = append(all, &r.Reboots[i])
	}
	for i := range r.Nodes {
		all = append(all, &r.Nodes[i])
	}
	for i := range r.Events {
		all = append(all, &r.Events[i])
	}
	return all
}
