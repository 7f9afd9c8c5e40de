package v1alpha1

// CredentialsSecret is the Secret in the operator's namespace that gates take credentials from where they name no other. It is the only
// one that the manager may read as it is installed.
const CredentialsSecret = "reboot-operator-gates"

// AllowedHostsAnnotation on a Secret says which servers its credentials may go to: URLs without a path, separated by commas, such as
// https://prometheus.monitoring.svc:9090. An entry without a scheme means https. Without the annotation they go nowhere.
const AllowedHostsAnnotation = "reboot-operator.io/allowed-hosts"

// AlertState is the state in which an alert of Prometheus blocks.
//
// +k8s:enum
type AlertState string

const (
	// AlertFiring blocks while an alert fires.
	AlertFiring AlertState = "Firing"
	// AlertFiringOrPending blocks also while the alert's condition has not held for as long as its rule asks for.
	AlertFiringOrPending AlertState = "FiringOrPending"
)

// AlertMatch says how much of an alert's name an expression has to match.
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

// CertificateVerification says whether the certificate of a server is verified.
//
// +k8s:enum
type CertificateVerification string

const (
	// VerifyFull verifies the certificate's chain and the server's name.
	VerifyFull CertificateVerification = "Full"
	// VerifyNone takes every certificate: whoever answers in the server's place decides. Credentials cannot be sent.
	VerifyNone CertificateVerification = "None"
)

// ObjectExpectation says of which of the selected objects a gate's expression has to be true.
//
// +k8s:enum
type ObjectExpectation string

const (
	// ExpectAll holds while the expression is true of every object. That there is none is an error.
	ExpectAll ObjectExpectation = "All"
	// ExpectNone holds while the expression is true of no object; without an expression, while there is no object.
	ExpectNone ObjectExpectation = "None"
)

// GatesSpec says what must hold before a node starts. All gates must pass. They are asked about the nodes next in line only.
type GatesSpec struct {
	// pods keep the node that they run on from starting, for as long as they run there.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Pods []PodGate `json:"pods,omitempty"`

	// prometheus asks Prometheus, by a query or for alerts. Each row of the answer lets nothing start.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Prometheus []PrometheusGate `json:"prometheus,omitempty"`

	// alertmanager asks Alertmanager for alerts that are neither silenced nor inhibited. Each lets nothing start.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Alertmanager []AlertmanagerGate `json:"alertmanager,omitempty"`

	// objects of the cluster must satisfy an expression, or must not exist. Gates read the kinds that an administrator allows.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Objects []ObjectGate `json:"objects,omitempty"`

	// capacity Require starts a node only if the pods that would be evicted fit on the other schedulable nodes; Ignore does not look at room.
	// +optional
	// +kubebuilder:default=Ignore
	// +kubebuilder:validation:Enum=Ignore;Require
	Capacity Requirement `json:"capacity,omitempty"`
}

// PodGate selects pods that block the node that they run on.
//
// +kubebuilder:validation:XValidation:rule="(has(self.namespaces) && size(self.namespaces) > 0) || has(self.selector)",message="every pod would block its node for good: write a selector with matchLabels, matchExpressions or matchAnnotations, or namespaces"
type PodGate struct {
	// name of the gate, for messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// namespaces of the pods. Not set means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// selector of the pods, by their labels and annotations. Not set means all pods of the namespaces.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`
}

// PrometheusGate asks a Prometheus.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) != has(self.alerts)",message="write either query or alerts: a gate asks for one thing; write 'alerts: {}' for every alert that fires"
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !has(self.tls) || !has(self.tls.verification) || self.tls.verification != 'None'",message="credentials would go to whoever answers in the server's place: verify the server with tls.ca instead of 'verification: None', or leave auth out"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.url.startsWith('https://')",message="tls is about the certificate of a server that speaks https: write a url that begins with https://, or remove tls",fieldPath=".tls"
type PrometheusGate struct {
	// name of the gate, for messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// url that the API of Prometheus is below, such as http://prometheus.monitoring.svc:9090.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",message="url begins with http:// or https:// and ends before any query, such as http://prometheus.monitoring.svc:9090; credentials go to auth"
	URL string `json:"url,omitempty"`

	// query in PromQL. Each row of its answer blocks, whatever its value: write a comparison, such as up == 0.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query,omitempty"`

	// alerts that block. An empty one means every alert that fires.
	// +optional
	Alerts *AlertFilter `json:"alerts,omitempty"`

	GateConnection `json:",inline"`
}

// AlertFilter says which alerts of Prometheus block.
type AlertFilter struct {
	// match says how much of a name ignore and only have to match: the WholeName, or a part of it Anywhere, as with kured.
	// +optional
	// +kubebuilder:default=WholeName
	Match AlertMatch `json:"match,omitempty"`

	// ignore is a regular expression for the names of alerts that do not block. It has to match as match says.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="\"\".matches(self) || !\"\".matches(self)",message="ignore is a regular expression (RE2) that matches whole names, such as Watchdog|InfoInhibitor, or parts of them with 'match: Anywhere'"
	Ignore string `json:"ignore,omitempty"`

	// only is a regular expression for the names of alerts that block. It has to match as match says. Not set means all.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="\"\".matches(self) || !\"\".matches(self)",message="only is a regular expression (RE2) that matches whole names, such as Ceph.*, or parts of them with 'match: Anywhere'"
	Only string `json:"only,omitempty"`

	// matchers all have to match an alert's labels for it to block.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Matchers []LabelMatcher `json:"matchers,omitempty"`

	// state says whether alerts that are pending block, too.
	// +optional
	// +kubebuilder:default=Firing
	State AlertState `json:"state,omitempty"`
}

// LabelMatcher compares one label of an alert.
//
// +kubebuilder:validation:XValidation:rule="!self.matchType.endsWith('~') || \"\".matches(self.value) || !\"\".matches(self.value)",message="value is a regular expression (RE2) that matches whole values, such as critical|warning",fieldPath=".value"
type LabelMatcher struct {
	// name of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_][a-zA-Z0-9_]*$`
	Name string `json:"name,omitempty"`

	// matchType is one of "=", "!=", "=~" and "!~".
	// +optional
	// +kubebuilder:default="="
	MatchType MatchType `json:"matchType,omitempty"`

	// value that the label is compared with. The empty value is that of a label that is not set.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	Value *string `json:"value,omitempty"`
}

// AlertmanagerGate asks an Alertmanager for alerts that are neither silenced nor inhibited.
//
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !has(self.tls) || !has(self.tls.verification) || self.tls.verification != 'None'",message="credentials would go to whoever answers in the server's place: verify the server with tls.ca instead of 'verification: None', or leave auth out"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.url.startsWith('https://')",message="tls is about the certificate of a server that speaks https: write a url that begins with https://, or remove tls",fieldPath=".tls"
type AlertmanagerGate struct {
	// name of the gate, for messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// url that the API of Alertmanager is below, such as http://alertmanager.monitoring.svc:9093.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",message="url begins with http:// or https:// and ends before any query, such as http://alertmanager.monitoring.svc:9093; credentials go to auth"
	URL string `json:"url,omitempty"`

	// matchers all have to match an alert's labels for it to block; alertname is one of the labels. Not set means that every alert blocks.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Matchers []LabelMatcher `json:"matchers,omitempty"`

	GateConnection `json:",inline"`
}

// GateConnection says how a server is asked.
type GateConnection struct {
	// timeoutSeconds is how long the server may take to answer.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 60",message="this is a number of seconds from 1 to 60: write 30 for 30s"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onError says what it means that the server gives no answer, or one that cannot be used: Require lets nothing start without an answer,
	// Ignore goes on without the gate.
	// +optional
	// +kubebuilder:default=Require
	// +kubebuilder:validation:XValidation:rule="self in ['Require', 'Ignore']",message="write Require or Ignore (Block is now Require)"
	OnError Requirement `json:"onError,omitempty"`

	// auth is what the manager proves with that it may ask. Not set means nothing.
	// +optional
	Auth *GateAuth `json:"auth,omitempty"`

	// tls says how the certificate of an https server is verified. Not set means with the well-known authorities.
	// +optional
	TLS *GateTLS `json:"tls,omitempty"`
}

// GateAuth is a bearer token, or a name and a password.
//
// +kubebuilder:validation:XValidation:rule="has(self.bearerToken) != has(self.basic)",message="write either bearerToken or basic: a request carries one of them"
type GateAuth struct {
	// bearerToken is the key of the token.
	// +optional
	BearerToken *SecretKey `json:"bearerToken,omitempty"`

	// basic is a name and the key of its password.
	// +optional
	Basic *BasicAuth `json:"basic,omitempty"`
}

// BasicAuth is a name and a password.
type BasicAuth struct {
	// username is the name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Username string `json:"username,omitempty"`

	// password is the key of the password.
	// +required
	Password SecretKey `json:"password,omitempty,omitzero"`
}

// SecretKey is a key in a Secret of the operator's namespace. Credentials go only to the servers that its annotation
// reboot-operator.io/allowed-hosts lists.
type SecretKey struct {
	// secret is the name of the Secret. The manager may read reboot-operator-gates; for another one it has to be given the right.
	// +optional
	// +kubebuilder:default=reboot-operator-gates
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Secret string `json:"secret,omitempty"`

	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// GateTLS says how the certificate of a server is verified.
//
// +kubebuilder:validation:XValidation:rule="!has(self.verification) || self.verification != 'None' || !has(self.ca)",message="verification None looks at no authority: remove ca, or write 'verification: Full'",fieldPath=".ca"
type GateTLS struct {
	// ca is the key of the certificates of the authorities, in PEM, that the server's certificate is verified with. Not set means
	// the well-known ones.
	// +optional
	CA *SecretKey `json:"ca,omitempty"`

	// serverName is the name that the server's certificate must be for. Not set means that of the url.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`

	// verification None takes every certificate. Whoever answers in the server's place then decides what may start. It cannot be combined
	// with auth.
	// +optional
	// +kubebuilder:default=Full
	Verification CertificateVerification `json:"verification,omitempty"`
}

// ObjectGate holds if an expression is true of every object that it selects, or of none.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.objectName) && has(self.selector))",message="write either objectName or selector: one object by its name, or all that have the labels"
// +kubebuilder:validation:XValidation:rule="has(self.expression) || (has(self.expect) && self.expect == 'None')",message="write an expression that is true of every object as it has to be, such as object.status.health == 'Green', or 'expect: None' if there must be no such object"
// +kubebuilder:validation:XValidation:rule="self.apiVersion != 'v1' || self.kind != 'Secret'",message="gates do not read Secrets, whose content could be guessed with expressions: write what matters into a custom resource or a ConfigMap"
type ObjectGate struct {
	// name of the gate, for messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// apiVersion of the objects, such as apps/v1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion,omitempty"`

	// kind of the objects, such as StatefulSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// namespace of the objects. Not set means all, or objects that have no namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// objectName selects the one object of this name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ObjectName string `json:"objectName,omitempty"`

	// selector selects objects by their labels. Not set, nor objectName, means all of the kind.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// expect says of which objects the expression has to be true: All of them, or None. With All, that no object is selected is an error.
	// With None and no expression, no object may be selected.
	// +optional
	// +kubebuilder:default=All
	Expect ObjectExpectation `json:"expect,omitempty"`

	// expression in CEL about an object, such as object.status.health == 'Green'. The object is the variable object.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`

	// timeoutSeconds is how long reading the objects and the expression may take.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 60",message="this is a number of seconds from 1 to 60: write 30 for 30s"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onError says what it means that the objects cannot be read, that there is none although expect is All, or that the expression fails:
	// Require lets nothing start without an answer, Ignore goes on without the gate.
	// +optional
	// +kubebuilder:default=Require
	// +kubebuilder:validation:XValidation:rule="self in ['Require', 'Ignore']",message="write Require or Ignore (Block is now Require)"
	OnError Requirement `json:"onError,omitempty"`
}
