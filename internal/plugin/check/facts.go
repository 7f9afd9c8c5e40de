package check

import (
	"time"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/install"
)

// Facts are what an installation is judged by.
type Facts struct {
	Now  time.Time
	Zone *time.Location
	// Plugin is the version of this program, Kubernetes that of the API server; KubernetesError says why it is not known.
	Plugin          string
	Kubernetes      string
	KubernetesError error
	// Fleet is what could be read of policies, NodeReboots and nodes; FleetError says why not.
	Fleet      *app.Fleet
	FleetError error
	// Kinds says about each kind how it is installed.
	Kinds map[string]Kind
	// AdmissionPolicies, and those that are bound; AdmissionError says why they are not known.
	AdmissionPolicies, AdmissionBindings map[string]bool
	AdmissionError                       error
	// EvictionRole is whether helpers have the role that they need before Kubernetes 1.36; EvictionError says why that is not known.
	EvictionRole  bool
	EvictionError error
	Installed     *install.Installation
	// Rights of the user: those that are missing.
	Missing     []Right
	RightsError error
}

// Kind is how a kind is installed.
type Kind struct {
	// Found: it is there. Fresh: it is that of this plugin.
	Found, Fresh bool
	Err          error
}

// Status of a line.
type Status string

// The statuses.
const (
	OK   Status = "OK"
	Warn Status = "WARN"
	Fail Status = "FAIL"
)

// Line is what is known of one part of the installation.
type Line struct {
	Check   string `json:"check"`
	Status  Status `json:"status"`
	Message string `json:"message"`
	// Type is what to type.
	Type []string `json:"type,omitempty"`
}
