package v1alpha1

// NotificationsSecret is the Secret in the operator's namespace that notifications take their URLs from where they name no other. It is the
// only one that the manager may read for that as it is installed.
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
	// EventDrainRefused is sent when a node has not let itself be drained for drainRefusedSeconds.
	EventDrainRefused NotificationEvent = "DrainRefused"
	// EventGateFailing is sent when an external gate has let no node start for gateFailingSeconds.
	EventGateFailing NotificationEvent = "GateFailing"
	// EventOverdue is sent when a node has needed a reboot for overdueSeconds.
	EventOverdue NotificationEvent = "Overdue"
	// EventWindowMissed is sent when a window closed and nodes that needed a reboot before did not start in it.
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
	// name of the receiver, for messages. A receiver with a new name first gets everything that is going on.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name has lowercase letters, digits and dashes, such as slack or on-call"
	Name string `json:"name,omitempty"`

	// url is the key of a URL in the syntax of shoutrrr, such as slack://hook:...@webhook: the same that kured takes as --notify-url. URLs
	// have tokens and passwords in them, so they are in a Secret.
	// +optional
	URL *NotificationKey `json:"url,omitempty"`

	// webhook is a receiver of JSON that is documented and signed.
	// +optional
	Webhook *NotificationWebhook `json:"webhook,omitempty"`

	// events that are sent. Not set means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=9
	// +kubebuilder:validation:items:XValidation:rule="self in ['RolloutStarted', 'RolloutFinished', 'Halted', 'NodeNotBack', 'DrainRefused', 'GateFailing', 'Overdue', 'WindowMissed', 'ApprovalNeeded']",message="an event is written RolloutStarted, RolloutFinished, Halted, NodeNotBack, DrainRefused, GateFailing, Overdue, WindowMissed or ApprovalNeeded"
	Events []NotificationEvent `json:"events,omitempty"`

	// template is a Go text/template of the message for every event that templates has none for. Not set means a message in English.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Template string `json:"template,omitempty"`

	// templates are those of single events.
	// +optional
	// +listType=map
	// +listMapKey=event
	// +kubebuilder:validation:MaxItems=9
	Templates []NotificationTemplate `json:"templates,omitempty"`

	// drainRefusedSeconds is how long a node may not let itself be drained before DrainRefused is sent.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] && self >= 0 && self <= 604800",message="this is a number of seconds from 0 to 604800: write 1800 for 30m"
	DrainRefusedSeconds *int32 `json:"drainRefusedSeconds,omitempty"`

	// gateFailingSeconds is how long an external gate may let no node start before GateFailing is sent.
	// +optional
	// +kubebuilder:default=900
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] && self >= 0 && self <= 604800",message="this is a number of seconds from 0 to 604800: write 1800 for 30m"
	GateFailingSeconds *int32 `json:"gateFailingSeconds,omitempty"`

	// overdueSeconds is how long a reboot may be required before Overdue is sent. Not set means schedule.maxDeferralSeconds; without either
	// it is never sent.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) in [int] && self >= 60 && self <= 31536000",message="this is a number of seconds from 60 to 31536000: write 1800 for 30m"
	OverdueSeconds *int32 `json:"overdueSeconds,omitempty"`
}

// NotificationTemplate is the template of the message for one event.
type NotificationTemplate struct {
	// event that the template is for.
	// +required
	// +kubebuilder:validation:XValidation:rule="self in ['RolloutStarted', 'RolloutFinished', 'Halted', 'NodeNotBack', 'DrainRefused', 'GateFailing', 'Overdue', 'WindowMissed', 'ApprovalNeeded']",message="an event is written RolloutStarted, RolloutFinished, Halted, NodeNotBack, DrainRefused, GateFailing, Overdue, WindowMissed or ApprovalNeeded"
	Event NotificationEvent `json:"event,omitempty"`

	// text is the Go text/template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Text string `json:"text,omitempty"`
}

// NotificationWebhook is a server that takes JSON by POST. docs/notifications.md describes the body and how to verify its signature.
type NotificationWebhook struct {
	// url is the key of the URL, which begins with https:// or http://.
	// +required
	URL NotificationKey `json:"url,omitempty,omitzero"`

	// hmacKey is the key of the secret that bodies are signed with (HMAC-SHA256). Not set means that they are not signed.
	// +optional
	HMACKey *NotificationKey `json:"hmacKey,omitempty"`

	// ca is the key of the certificates of the authorities, in PEM, that the server's certificate is verified with. Not set means the
	// well-known ones.
	// +optional
	CA *NotificationKey `json:"ca,omitempty"`
}

// NotificationKey is a key in a Secret of the operator's namespace. Only policies that its annotation reboot-operator.io/allowed-policies
// names may use it.
type NotificationKey struct {
	// secret is the name of the Secret. The manager may read reboot-operator-notifications; for another one it has to be given the right.
	// +optional
	// +kubebuilder:default=reboot-operator-notifications
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Secret string `json:"secret,omitempty"`

	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}
