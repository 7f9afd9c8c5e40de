package v1alpha1

// CredentialsSecret is the Secret in the operator's namespace from which gates take credentials unless they name another. The installation
// allows the manager to read no other Secret for gates.
const CredentialsSecret = "reboot-operator-gates"

// AllowedHostsAnnotation on a Secret says which servers its credentials may go to: URLs without a path, separated by commas, such as
// https://prometheus.monitoring.svc:9090. An entry without a scheme means https. Without the annotation they are sent nowhere.
const AllowedHostsAnnotation = "reboot-operator.io/allowed-hosts"

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

// CertificateVerification says whether the certificate of a server is verified.
//
// +k8s:enum
type CertificateVerification string

const (
	// VerifyFull verifies the certificate's chain and the server's name.
	VerifyFull CertificateVerification = "Full"
	// VerifyNone accepts any certificate, so that any server that answers in its place decides. It cannot be combined with credentials.
	VerifyNone CertificateVerification = "None"
)

// ObjectExpectation says for which of the selected objects a gate's expression must be true.
//
// +k8s:enum
type ObjectExpectation string

const (
	// ExpectAll holds while the expression is true for every object. If no object is selected, that is an error.
	ExpectAll ObjectExpectation = "All"
	// ExpectNone holds while the expression is true for no object or, without an expression, while no object exists.
	ExpectNone ObjectExpectation = "None"
)

// GatesSpec says what must hold before a node starts. All gates must pass. They are evaluated only for the nodes next in line.
type GatesSpec struct {
	// pods lists gates on pods: a node does not start while a selected pod runs on it.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Pods []PodGate `json:"pods,omitempty"`

	// prometheus lists queries to Prometheus, by an expression or for alerts. Nothing starts while an answer has a row.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Prometheus []PrometheusGate `json:"prometheus,omitempty"`

	// alertmanager lists queries to Alertmanager for alerts that are neither silenced nor inhibited. Nothing starts while there is such an
	// alert.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Alertmanager []AlertmanagerGate `json:"alertmanager,omitempty"`

	// objects lists objects of the cluster that must satisfy an expression, or must not exist. Gates can read only the kinds that an
	// administrator allows.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Objects []ObjectGate `json:"objects,omitempty"`

	// capacity says whether a node's pods must fit elsewhere: Require starts a node only if the pods to evict fit on the other schedulable
	// nodes; Ignore does not check. Defaults to Ignore.
	// +optional
	// +kubebuilder:default=Ignore
	// +kubebuilder:validation:Enum=Ignore;Require
	Capacity Requirement `json:"capacity,omitempty"`
}

// PodGate selects pods that block the node that they run on.
//
// +kubebuilder:validation:XValidation:rule="(has(self.namespaces) && size(self.namespaces) > 0) || has(self.selector)",message="every pod would block its node forever: write a selector with matchLabels, matchExpressions or matchAnnotations, or namespaces"
type PodGate struct {
	// name identifies the gate in messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// namespaces are the namespaces of the pods. If not set, pods of all namespaces count.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// selector selects the pods by their labels and annotations. If not set, all pods of the namespaces count.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`
}

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

// GateConnection says how to query a server.
type GateConnection struct {
	// timeoutSeconds is how many seconds the server may take to answer. Defaults to 10.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 60",message="must be a number of seconds from 1 to 60: write 30 for 30s"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onError says what happens if the server gives no answer, or one that cannot be used: Require lets nothing start without an answer;
	// Ignore skips the gate. Defaults to Require.
	// +optional
	// +kubebuilder:default=Require
	// +kubebuilder:validation:XValidation:rule="self in ['Require', 'Ignore']",message="write Require or Ignore (Block is now Require)"
	OnError Requirement `json:"onError,omitempty"`

	// auth is the manager's credentials for the server. If not set, the manager sends none.
	// +optional
	Auth *GateAuth `json:"auth,omitempty"`

	// tls says how to verify the certificate of an https server. If not set, the well-known authorities verify it.
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
	// secret is the name of the Secret. The manager may read reboot-operator-gates; to use another Secret, grant it that right. Defaults to
	// reboot-operator-gates.
	// +optional
	// +kubebuilder:default=reboot-operator-gates
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Secret string `json:"secret,omitempty"`

	// key is the key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// GateTLS says how the certificate of a server is verified.
//
// +kubebuilder:validation:XValidation:rule="!has(self.verification) || self.verification != 'None' || !has(self.ca)",message="verification None looks at no authority: remove ca, or write 'verification: Full'",fieldPath=".ca"
type GateTLS struct {
	// ca is the key of the PEM certificates of the authorities that verify the server's certificate. If not set, the well-known authorities
	// do.
	// +optional
	CA *SecretKey `json:"ca,omitempty"`

	// serverName is the name that the server's certificate must be valid for. If not set, it is the host in url.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`

	// verification says whether the server's certificate is verified: Full does; None accepts any certificate, so that any server that answers
	// in its place decides what may start. None cannot be combined with auth. Defaults to Full.
	// +optional
	// +kubebuilder:default=Full
	Verification CertificateVerification `json:"verification,omitempty"`
}

// ObjectGate holds if an expression is true for every object that it selects, or for none.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.objectName) && has(self.selector))",message="write either objectName or selector: one object by its name, or all that have the labels"
// +kubebuilder:validation:XValidation:rule="has(self.expression) || (has(self.expect) && self.expect == 'None')",message="write an expression that is true for every object in the state that you require, such as object.status.health == 'Green', or 'expect: None' if there must be no such object"
// +kubebuilder:validation:XValidation:rule="self.apiVersion != 'v1' || self.kind != 'Secret'",message="gates do not read Secrets, whose content could be guessed with expressions: write what matters into a custom resource or a ConfigMap"
type ObjectGate struct {
	// name identifies the gate in messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// apiVersion is the API version of the objects, such as apps/v1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the kind of the objects, such as StatefulSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// namespace is the namespace of the objects. If not set, objects of all namespaces are selected, or objects that have no namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// objectName selects the one object with this name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ObjectName string `json:"objectName,omitempty"`

	// selector selects objects by their labels. If neither selector nor objectName is set, all objects of the kind are selected.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// expect says for which objects the expression must be true: All of them, or None. With All, it is an error if no object is selected. With
	// None and no expression, no object may be selected. Defaults to All.
	// +optional
	// +kubebuilder:default=All
	Expect ObjectExpectation `json:"expect,omitempty"`

	// expression is a CEL expression about one object, such as object.status.health == 'Green'. The variable object is that object.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`

	// timeoutSeconds is how many seconds it may take to read the objects and evaluate the expression. Defaults to 10.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 60",message="must be a number of seconds from 1 to 60: write 30 for 30s"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onError says what happens if the objects cannot be read, if there is none although expect is All, or if the expression fails: Require
	// lets nothing start without an answer; Ignore skips the gate. Defaults to Require.
	// +optional
	// +kubebuilder:default=Require
	// +kubebuilder:validation:XValidation:rule="self in ['Require', 'Ignore']",message="write Require or Ignore (Block is now Require)"
	OnError Requirement `json:"onError,omitempty"`
}
