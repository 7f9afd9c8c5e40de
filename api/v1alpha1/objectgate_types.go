package v1alpha1

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
