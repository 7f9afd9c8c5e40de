package scale

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/manifests"
)

const (
	// smallMemory is what the manager may use in the small cluster, most of it for the program itself. largeMemory is the limit in a cluster
	// of largeNodes, where it used up to 148 MiB when this was written, and the goal is 150.
	smallMemory = 100 << 20
	largeMemory = 165 << 20
	// roomMemory is the limit there while room for pods is looked for, which takes all pods of the cluster. It used up to 193 MiB.
	roomMemory = 205 << 20
	largeNodes = 5000
)

// number is a setting of `make scale`, or what it is without.
func number(t *testing.T, name string, without int) int {
	t.Helper()
	value := os.Getenv("SCALE_" + name)
	if value == "" {
		return without
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		t.Fatalf("%s=%s: write a whole number that is not negative, such as %d", name, value, without)
	}
	return n
}

// collection is what config/ tells the garbage collector of the manager.
func collection(t *testing.T) []string {
	t.Helper()
	objects, err := manifests.Render("default")
	if err != nil {
		t.Fatal(err)
	}
	container, err := objects.Container("manager")
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, variable := range container.Env {
		if variable.Name == "GOMEMLIMIT" || variable.Name == "GOGC" {
			env = append(env, variable.Name+"="+variable.Value)
		}
	}
	if len(env) != 2 {
		t.Fatalf("the manager is given %v, want GOMEMLIMIT and GOGC", env)
	}
	return env
}

func TestAManagerIsSmallAndSilentInALargeCluster(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS does not name a folder with etcd and kube-apiserver")
	}
	nodes := number(t, "NODES", 200)
	options := Options{
		Log: testr.New(t), Nodes: nodes, Pods: number(t, "PODS", 2000),
		Succeeded: number(t, "SUCCEEDED", 1), Failed: number(t, "FAILED", 1),
		Needs: min(number(t, "NEEDS", 30), nodes), Watches: number(t, "WATCHES", 50),
		Idle: time.Duration(number(t, "IDLE", 5)) * time.Second, Capacity: v1alpha1.Ignore,
		Env: collection(t),
	}
	if os.Getenv("SCALE_CAPACITY") != "" {
		options.Capacity = v1alpha1.Require
	}
	result, err := Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("measured:\n%s", result.Table())
	limit := int64(smallMemory)
	if nodes > 1000 {
		limit = largeMemory
		if options.Capacity == v1alpha1.Require {
			limit = roomMemory
		}
		limit = limit * int64(max(nodes, largeNodes)) / largeNodes
	}
	for name, part := range map[string]Usage{"start": result.Start, "idle": result.Idle, "rollout": result.Rollout} {
		if part.Peak > limit {
			t.Errorf("%s: the manager used up to %d MiB, want at most %d", name, part.Peak>>20, limit>>20)
		}
	}
	if result.IdleWrites > 0 || result.Idle.Passes > 0 {
		t.Errorf("idle: %d writes, %d passes, want none", result.IdleWrites, result.Idle.Passes)
	}
}
