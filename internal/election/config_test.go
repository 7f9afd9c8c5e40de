package election

import (
	"testing"

	"k8s.io/client-go/rest"
)

// The manager makes its caches with the same configuration: with a timeout they never fill in a large cluster.
func TestALockLeavesTheConfigurationOfTheManagerAsItIs(t *testing.T) {
	t.Parallel()
	config := &rest.Config{Host: "https://127.0.0.1:1", UserAgent: "manager"}
	if _, err := New(config, Options{Namespace: "operator", Name: "lease", PodName: "p", PodUID: "u"}); err != nil {
		t.Fatal(err)
	}
	if config.Timeout != 0 || config.UserAgent != "manager" {
		t.Errorf("every request of the manager ends after %s and is from %q", config.Timeout, config.UserAgent)
	}
}
