package v1alpha1

// NotificationsSecret is the Secret in the operator's namespace from which notifications take their URLs unless they name another. The
// installation allows the manager to read no other Secret for notifications.
const NotificationsSecret = "reboot-operator-notifications"

// AllowedPoliciesAnnotation on a Secret says which RebootPolicies may send notifications with what is in it: names separated by commas, or
// * for every policy. Without the annotation no policy may.
const AllowedPoliciesAnnotation = "reboot-operator.io/allowed-policies"

// NotificationsName is the name of the ConfigMap in the operator's namespace that remembers what was sent.
const NotificationsName = "reboot-operator-notifications"

// NotificationEvent is something that people are notified about.
// ---
// The values are checked where the type is used, so that the message there can list them in their order.
//
// +kubebuilder:validation:MaxLength=32
type NotificationEvent string

const (
	// EventRolloutStarted is sent once when the first node of a rollout starts.
	EventRolloutStarted NotificationEvent = "RolloutStarted"
	// EventRolloutFinished is sent once at the end of a rollout, with a summary.
	EventRolloutFinished NotificationEvent = "RolloutFinished"
	// EventHalted is sent when the policy is halted.
	EventHalted NotificationEvent = "Halted"
	// EventNodeNotBack is sent when a node did not come back from its reboot in time.
	EventNodeNotBack NotificationEvent = "NodeNotBack"
	// EventDrainRefused is sent when the drain of a node has been refused for drainRefusedSeconds.
	EventDrainRefused NotificationEvent = "DrainRefused"
	// EventGateFailing is sent when an external gate has let no node start for gateFailingSeconds.
	EventGateFailing NotificationEvent = "GateFailing"
	// EventOverdue is sent when a node has needed a reboot for overdueSeconds.
	EventOverdue NotificationEvent = "Overdue"
	// EventWindowMissed is sent when a window closed in which nodes that already needed a reboot did not start.
	EventWindowMissed NotificationEvent = "WindowMissed"
	// EventApprovalNeeded is sent when nodes wait for an approval.
	EventApprovalNeeded NotificationEvent = "ApprovalNeeded"
)

// NotificationEvents are all events, in the order in which they are sent when several are due.
var NotificationEvents = []NotificationEvent{
	EventRolloutStarted, EventHalted, EventNodeNotBack, EventDrainRefused, EventGateFailing, EventOverdue, EventWindowMissed,
	EventApprovalNeeded, EventRolloutFinished,
}

// Notification sends messages about the policy to one receiver.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.webhook)",message="write either url, for a service such as Slack or email, or webhook, for a program of your own"
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || (!has(self.template) && !has(self.templates))",message="a webhook is sent JSON with every field of the event, so a template has no effect: remove template and templates, or write url instead of webhook"
type Notification struct {
	// name identifies the receiver in messages. A receiver with a new name first gets every event that applies at that time.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name consists of lowercase letters, digits and dashes, such as slack or on-call"
	Name string `json:"name,omitempty"`

	// url is the key of a URL in the syntax of shoutrrr, such as slack://hook:...@webhook: the syntax of kured's --notify-url. The URL is in a
	// Secret because it contains tokens or passwords.
	// +optional
	URL *NotificationKey `json:"url,omitempty"`

	// webhook is a server of your own that receives documented JSON, signed if hmacKey is set.
	// +optional
	Webhook *NotificationWebhook `json:"webhook,omitempty"`

	// events lists the events to send. If not set, all are sent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=9
	// +kubebuilder:validation:items:XValidation:rule="self in ['RolloutStarted', 'RolloutFinished', 'Halted', 'NodeNotBack', 'DrainRefused', 'GateFailing', 'Overdue', 'WindowMissed', 'ApprovalNeeded']",message="write one of the events RolloutStarted, RolloutFinished, Halted, NodeNotBack, DrainRefused, GateFailing, Overdue, WindowMissed or ApprovalNeeded"
	Events []NotificationEvent `json:"events,omitempty"`

	// template is a Go text/template for the message of every event that has none in templates. If not set, the message is in English.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Template string `json:"template,omitempty"`

	// templates are the templates of single events.
	// +optional
	// +listType=map
	// +listMapKey=event
	// +kubebuilder:validation:MaxItems=9
	Templates []NotificationTemplate `json:"templates,omitempty"`

	// drainRefusedSeconds is for how many seconds the drain of a node must have been refused before DrainRefused is sent. Defaults to 600 (10
	// minutes).
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] && self >= 0 && self <= 604800",message="must be a number of seconds from 0 to 604800: write 1800 for 30m"
	DrainRefusedSeconds *int32 `json:"drainRefusedSeconds,omitempty"`

	// gateFailingSeconds is for how many seconds an external gate must have let no node start before GateFailing is sent. Defaults to 900 (15
	// minutes).
	// +optional
	// +kubebuilder:default=900
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] && self >= 0 && self <= 604800",message="must be a number of seconds from 0 to 604800: write 1800 for 30m"
	GateFailingSeconds *int32 `json:"gateFailingSeconds,omitempty"`

	// overdueSeconds is for how many seconds a reboot must have been required before Overdue is sent. If not set, schedule.maxDeferralSeconds
	// applies; if neither is set, Overdue is never sent.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] && self >= 60 && self <= 31536000",message="must be a number of seconds from 60 to 31536000: write 1800 for 30m"
	OverdueSeconds *int32 `json:"overdueSeconds,omitempty"`
}

// NotificationTemplate is the template of the message for one event.
type NotificationTemplate struct {
	// event is the event that the template is for.
	// +required
	// +kubebuilder:validation:XValidation:rule="self in ['RolloutStarted', 'RolloutFinished', 'Halted', 'NodeNotBack', 'DrainRefused', 'GateFailing', 'Overdue', 'WindowMissed', 'ApprovalNeeded']",message="write one of the events RolloutStarted, RolloutFinished, Halted, NodeNotBack, DrainRefused, GateFailing, Overdue, WindowMissed or ApprovalNeeded"
	Event NotificationEvent `json:"event,omitempty"`

	// text is the Go text/template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Text string `json:"text,omitempty"`
}

// NotificationWebhook is a server that receives JSON by POST. docs/notifications.md describes the body and how to verify its signature.
type NotificationWebhook struct {
	// url is the key of the URL, which begins with https:// or http://.
	// +required
	URL NotificationKey `json:"url,omitempty,omitzero"`

	// hmacKey is the key of the secret that signs bodies (HMAC-SHA256). If not set, bodies are not signed.
	// +optional
	HMACKey *NotificationKey `json:"hmacKey,omitempty"`

	// ca is the key of the PEM certificates of the authorities that verify the server's certificate. If not set, the well-known authorities
	// do.
	// +optional
	CA *NotificationKey `json:"ca,omitempty"`
}

// NotificationKey is a key in a Secret of the operator's namespace. Only policies that its annotation reboot-operator.io/allowed-policies
// names may use it.
type NotificationKey struct {
	// secret is the name of the Secret. The manager may read reboot-operator-notifications; to use another Secret, grant it that right.
	// Defaults to reboot-operator-notifications.
	// +optional
	// +kubebuilder:default=reboot-operator-notifications
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Secret string `json:"secret,omitempty"`

	// key is the key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}
