package v1alpha1

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
