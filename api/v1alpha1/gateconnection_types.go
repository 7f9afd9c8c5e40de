package v1alpha1

// CredentialsSecret is the Secret in the operator's namespace from which gates take credentials unless they name another. The installation
// allows the manager to read no other Secret for gates.
const CredentialsSecret = "reboot-operator-gates"

// AllowedHostsAnnotation on a Secret says which servers its credentials may go to: URLs without a path, separated by commas, such as
// https://prometheus.monitoring.svc:9090. An entry without a scheme means https. Without the annotation they are sent nowhere.
const AllowedHostsAnnotation = "reboot-operator.io/allowed-hosts"

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
