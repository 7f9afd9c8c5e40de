package edition

import (
	"golang.org/x/mod/semver"
)

// EvictionRequests is what a version of Kubernetes does about them.
type EvictionRequests struct {
	// Served says that the API server can serve them.
	Served bool
	// Handled says that the controller manager has controllers for them.
	Handled bool
}

// EvictionRequestsOf a version such as v1.36.3.
func EvictionRequestsOf(version string) EvictionRequests {
	return EvictionRequests{Served: semver.Compare(version, "v1.37.0-alpha.1") > 0, Handled: semver.Compare(version, "v1.38.0-alpha.1") > 0}
}
