package v1alpha1

// AlertSilence silences alerts in an Alertmanager while a node of the policy is under way: from the grant of its slot until the reboot is
// proved. It ends at once when the attempt fails or is rolled back, and expires if the operator dies.
//
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !has(self.tls) || !has(self.tls.verification) || self.tls.verification != 'None'",message="credentials would go to any server that answers in its place: verify the server with tls.ca instead of 'verification: None', or leave auth out"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || self.url.startsWith('https://')",message="tls is about the certificate of a server that speaks https: write a url that begins with https://, or remove tls",fieldPath=".tls"
type AlertSilence struct {
	// name identifies the entry in messages and in the silences themselves.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name consists of lowercase letters, digits and hyphens, and begins and ends with a letter or digit, such as node-alerts"
	Name string `json:"name,omitempty"`

	// url is the base URL of the Alertmanager API, such as http://alertmanager.monitoring.svc:9093. In a cluster of Alertmanagers, one of them
	// is enough: they share silences.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",message="url begins with http:// or https:// and ends before any query, such as http://alertmanager.monitoring.svc:9093; credentials go to auth"
	URL string `json:"url,omitempty"`

	// matchers must all match an alert's labels for the alert to be silenced; alertname is one of the labels. A value may have the
	// placeholders {{ .Node }}, {{ .Zone }} and {{ .Policy }}, the names of the node, its zone and the policy; in a regular expression they
	// stand for exactly that text.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.exists(m, m.matchType == '=' ? m.value != '' : m.matchType == '=~' && ['^(?:' + m.value + ')$'].all(re, !''.matches(re) && ![['~~~~~~~~~'], ['Watchdog', 'KubeDown'], ['kubelet', 'etcd'], ['critical', 'warning', 'info'], ['a-1:9100', '1.2.3.4:9']].exists(values, values.all(v, v.matches(re)))))",message="these matchers would silence nearly every alert: write at least one with matchType = or =~ and a value that only some alerts have, such as name: node, value: \"{{ .Node }}\""
	// +kubebuilder:validation:XValidation:rule="self.all(m, m.value.matches('^([^{]|[{][^{]|[{][{] *[.](Node|Zone|Policy) *[}][}])*[{]?$'))",message="a placeholder is {{ .Node }}, {{ .Zone }} or {{ .Policy }}: write one of these, and no other text between {{ and }}"
	// +kubebuilder:validation:XValidation:rule=`self.all(m, !(m.matchType in ['=~', '!~']) || !m.value.matches(r'[\\][{][{]|(^|[^\\])\[[^\]]*[{][{]|[\\]Q.*[{][{]'))`,message="in a regular expression a placeholder stands for exactly its text: write it where any text may stand, not behind a backslash, between brackets or behind \\Q"
	Matchers []LabelMatcher `json:"matchers,omitempty"`

	// durationSeconds is for how many seconds a silence is created; it is renewed when half of that time is over. If the operator dies, alerts
	// stay silenced for at most this long. Defaults to 600 (10 minutes).
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 120 && self <= 3600",message="must be a number of seconds from 120 to 3600: write 600 for 10m"
	DurationSeconds *int32 `json:"durationSeconds,omitempty"`

	// lingerSeconds is for how many seconds a silence stays after the proof, for alerts that take a while to notice that the node is back. It
	// may be longer than durationSeconds. After a failure no silence stays. Defaults to 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 3600",message="must be a number of seconds from 0 to 3600: write 120 for 2m"
	LingerSeconds *int32 `json:"lingerSeconds,omitempty"`

	// timeoutSeconds is how many seconds the server may take to answer. Only silences wait for it, never a reboot. Defaults to 10.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 60",message="must be a number of seconds from 1 to 60: write 30 for 30s"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// auth is the manager's credentials for creating silences. If not set, the manager sends none.
	// +optional
	Auth *GateAuth `json:"auth,omitempty"`

	// tls says how to verify the certificate of an https server. If not set, the well-known authorities verify it.
	// +optional
	TLS *GateTLS `json:"tls,omitempty"`
}
