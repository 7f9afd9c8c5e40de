package v1alpha1

// AlertState is the state in which an alert of Prometheus blocks.
//
// +k8s:enum
type AlertState string

const (
	// AlertFiring blocks while an alert fires.
	AlertFiring AlertState = "Firing"
	// AlertFiringOrPending also blocks while an alert is pending: its condition holds, but not yet for as long as its rule requires.
	AlertFiringOrPending AlertState = "FiringOrPending"
)

// AlertMatch says how much of an alert's name an expression must match.
//
// +k8s:enum
type AlertMatch string

const (
	// AlertMatchWholeName matches the whole name, as Prometheus does: Disk does not match DiskFull.
	AlertMatchWholeName AlertMatch = "WholeName"
	// AlertMatchAnywhere matches any part of the name, as kured does: Disk matches DiskFull, and ^Disk$ only Disk.
	AlertMatchAnywhere AlertMatch = "Anywhere"
)

// MatchType is how a matcher compares, in the notation of Prometheus.
//
// +k8s:enum
type MatchType string

const (
	// MatchEqual is true for exactly this value.
	MatchEqual MatchType = "="
	// MatchNotEqual is true for every other value, and where the label is not set.
	MatchNotEqual MatchType = "!="
	// MatchRegexp is true where the regular expression matches the whole value.
	MatchRegexp MatchType = "=~"
	// MatchNotRegexp is true where it does not.
	MatchNotRegexp MatchType = "!~"
)

// PrometheusGate queries a Prometheus server.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) != has(self.alerts)",message="write either query or alerts: a gate asks for one thing; write 'alerts: {}' for every alert that fires"
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !has(self.tls) || !has(self.tls.verification) || self.tls.verification != 'None'",message="credentials would go to any server that answers in its place: verify the server with tls.ca instead of 'verification: None', or leave auth out"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.url.startsWith('https://')",message="tls is about the certificate of a server that speaks https: write a url that begins with https://, or remove tls",fieldPath=".tls"
type PrometheusGate struct {
	// name identifies the gate in messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// url is the base URL of the Prometheus API, such as http://prometheus.monitoring.svc:9090.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",message="url begins with http:// or https:// and ends before any query, such as http://prometheus.monitoring.svc:9090; credentials go to auth"
	URL string `json:"url,omitempty"`

	// query is a PromQL expression. Each row of its answer blocks, whatever its value: write a comparison, such as up == 0.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query,omitempty"`

	// alerts says which alerts block. The empty value, {}, means every alert that fires.
	// +optional
	Alerts *AlertFilter `json:"alerts,omitempty"`

	GateConnection `json:",inline"`
}

// AlertFilter says which alerts of Prometheus block.
type AlertFilter struct {
	// match says how much of an alert's name ignore and only must match: WholeName, or Anywhere for any part of it, as in kured. Defaults to
	// WholeName.
	// +optional
	// +kubebuilder:default=WholeName
	Match AlertMatch `json:"match,omitempty"`

	// ignore is a regular expression (RE2) for the names of alerts that do not block. match says how much of a name it must match. If not set,
	// no alert is ignored.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="\"\".matches(self) || !\"\".matches(self)",message="ignore is a regular expression (RE2) that matches whole names, such as Watchdog|InfoInhibitor, or parts of them with 'match: Anywhere'"
	Ignore string `json:"ignore,omitempty"`

	// only is a regular expression (RE2) for the names of alerts that block. match says how much of a name it must match. If not set, all
	// alerts block.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="\"\".matches(self) || !\"\".matches(self)",message="only is a regular expression (RE2) that matches whole names, such as Ceph.*, or parts of them with 'match: Anywhere'"
	Only string `json:"only,omitempty"`

	// matchers must all match an alert's labels for the alert to block.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Matchers []LabelMatcher `json:"matchers,omitempty"`

	// state says which alerts block: Firing, or FiringOrPending for pending alerts, too. Defaults to Firing.
	// +optional
	// +kubebuilder:default=Firing
	State AlertState `json:"state,omitempty"`
}

// LabelMatcher compares one label of an alert.
//
// +kubebuilder:validation:XValidation:rule="!self.matchType.endsWith('~') || \"\".matches(self.value) || !\"\".matches(self.value)",message="value is a regular expression (RE2) that matches whole values, such as critical|warning",fieldPath=".value"
type LabelMatcher struct {
	// name is the name of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_][a-zA-Z0-9_]*$`
	Name string `json:"name,omitempty"`

	// matchType is one of "=", "!=", "=~" and "!~". Defaults to "=".
	// +optional
	// +kubebuilder:default="="
	MatchType MatchType `json:"matchType,omitempty"`

	// value is what the label is compared with. A label that is not set has the empty value. Defaults to the empty value.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	Value *string `json:"value,omitempty"`
}

// AlertmanagerGate queries an Alertmanager for alerts that are neither silenced nor inhibited.
//
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !has(self.tls) || !has(self.tls.verification) || self.tls.verification != 'None'",message="credentials would go to any server that answers in its place: verify the server with tls.ca instead of 'verification: None', or leave auth out"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.url.startsWith('https://')",message="tls is about the certificate of a server that speaks https: write a url that begins with https://, or remove tls",fieldPath=".tls"
type AlertmanagerGate struct {
	// name identifies the gate in messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// url is the base URL of the Alertmanager API, such as http://alertmanager.monitoring.svc:9093.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",message="url begins with http:// or https:// and ends before any query, such as http://alertmanager.monitoring.svc:9093; credentials go to auth"
	URL string `json:"url,omitempty"`

	// matchers must all match an alert's labels for the alert to block; alertname is one of the labels. If not set, every alert blocks.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Matchers []LabelMatcher `json:"matchers,omitempty"`

	GateConnection `json:",inline"`
}
