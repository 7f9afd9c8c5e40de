// Package edition knows what differs between the versions of Kubernetes that the tests run on, all of it.
package edition

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// Edition is how the operator is installed on a version of Kubernetes.
type Edition struct {
	// Version is that of Kubernetes, such as v1.36.3.
	Version string
	// Manifests is the folder that is installed, from the top of the repository.
	Manifests string
	// DrainsAsNode says that a helper takes on its node's identity to list and evict pods. Else it does so with its own, which the
	// manager's webhook confines to its node.
	DrainsAsNode bool
}

// Of asks an API server for its version.
func Of(config *rest.Config) (Edition, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return Edition{}, fmt.Errorf("make a client: %w", err)
	}
	info, err := client.ServerVersion()
	if err != nil {
		return Edition{}, fmt.Errorf("ask for the version of the API server: %w", err)
	}
	return For(info)
}

// For is the edition for what an API server says about itself. Constrained impersonation is there since 1.36.
func For(info *version.Info) (Edition, error) {
	minor, err := strconv.Atoi(strings.TrimSuffix(info.Minor, "+"))
	if err != nil || info.Major != "1" {
		return Edition{}, fmt.Errorf("the API server's version is %q.%q", info.Major, info.Minor)
	}
	if minor < 36 {
		return Edition{Version: info.GitVersion, Manifests: filepath.Join("config", "overlays", "before-1.36")}, nil
	}
	return Edition{Version: info.GitVersion, Manifests: filepath.Join("config", "default"), DrainsAsNode: true}, nil
}
