package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ForecastPrecision says how thorough a forecast is.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type ForecastPrecision string

const (
	// ForecastFull is a forecast that took everything into account that it could.
	ForecastFull ForecastPrecision = "Full"
	// ForecastCoarse is a forecast of a large cluster that left something out to save time.
	ForecastCoarse ForecastPrecision = "Coarse"
)

// ForecastStatus is when the nodes of a policy are expected to be done.
type ForecastStatus struct {
	// finishTime is when the last node is expected to be back: half of the forecast runs do not exceed it.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	FinishTime *metav1.Time `json:"finishTime,omitempty"`

	// finishTimeP90 is the time that nine of ten forecast runs do not exceed. It is not set if there were too few runs, or if too few reboots
	// were measured to tell the runs apart.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	FinishTimeP90 *metav1.Time `json:"finishTimeP90,omitempty"`

	// computedTime is when the forecast was made. It is written again only when finishTime has moved by more than a tenth of the time that
	// remained, and every few minutes at most.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	ComputedTime *metav1.Time `json:"computedTime,omitempty"`

	// nodesWithoutTime is how many nodes need a reboot and had no known end when the forecast was made, because of an obstacle that does not
	// end by time alone. finishTime is for the other nodes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	NodesWithoutTime int32 `json:"nodesWithoutTime"`

	// precision is Full, or Coarse if the cluster is so large that the forecast left something out, such as the runs for finishTimeP90.
	// +optional
	Precision ForecastPrecision `json:"precision,omitempty"`
}
