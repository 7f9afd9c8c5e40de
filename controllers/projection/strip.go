package projection

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/internal/shorten"
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

// beginning of a text, as much as is kept.
func beginning(text string) string { return shorten.Beginning(text, maxText) }
