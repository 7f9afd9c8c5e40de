package projection

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stripMeta keeps what names and versions an object. DeletionTimestamp says that it is going.
func stripMeta(meta *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: meta.Namespace, Name: meta.Name, UID: meta.UID,
		ResourceVersion: meta.ResourceVersion, Generation: meta.Generation, DeletionTimestamp: meta.DeletionTimestamp,
	}
}

const (
	// maxText is how many bytes are kept of a text that the API server takes in any length.
	maxText = 253
	// maxSelector is how many bytes the selector of a PodDisruptionBudget takes that is kept.
	maxSelector = 8 << 10
)

// beginning of a text, in whole characters, which does not hold on to the rest.
func beginning(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.Clone(strings.ToValidUTF8(text[:maxText], ""))
}
