package webhooks

import (
	"fmt"
	"regexp"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
)

// helperUser matches the user name of the helper's ServiceAccount, in whatever namespace the operator runs. It is also in the match
// condition of the webhook, and in the admission policies.
var helperUser = regexp.MustCompile(`^system:serviceaccount:[^:]+:reboot-operator-helper$`)

// What a token of a pod says about itself, see k8s.io/apiserver/pkg/authentication/serviceaccount.
const (
	podNameKey  = "authentication.kubernetes.io/pod-name"
	podUIDKey   = "authentication.kubernetes.io/pod-uid"
	nodeNameKey = "authentication.kubernetes.io/node-name"
)

// nodeOf is the node of the pod that a token is bound to, empty for a token that is bound to no pod. A token that is bound to a Node also
// names a node, but anyone who may request tokens chooses which.
func nodeOf(user *authenticationv1.UserInfo) string {
	only := func(key string) string {
		if values := user.Extra[key]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	if only(podNameKey) == "" || only(podUIDKey) == "" {
		return ""
	}
	return only(nodeNameKey)
}

// removal is the removal of a pod that a helper asks for.
type removal struct {
	namespace, name string
	// uid is that of the only pod that the request removes; empty if it removes whatever has the name.
	uid types.UID
	// node is the helper's.
	node string
}

// confine says why a helper may not ask for the removal, whatever pod there is; empty if that depends on the pod.
func confine(asked removal) string {
	switch {
	case asked.node == "":
		return "This token of a helper is not bound to a pod on a node. Use a token that is bound to a helper's pod, " +
			"as the kubelet mounts it"
	case asked.name == "":
		return "A helper may remove one pod at a time, by its name"
	case asked.uid == "":
		// Between this answer and the eviction, the name may go to another pod on another node.
		return "A helper must say which pod it means: write the pod's UID into deleteOptions.preconditions.uid"
	}
	return ""
}

// confineTo says why a helper may not remove a pod; empty if it may. onNode is the UID of the pod with that name on the helper's node,
// empty if there is none. A pod never changes its node, so what holds of the UID holds until the pod is gone.
func confineTo(asked removal, onNode types.UID) string {
	switch {
	case onNode == "":
		return fmt.Sprintf("A helper may remove only pods of its own node, and pod %s/%s is not on node %s",
			asked.namespace, asked.name, asked.node)
	case onNode != asked.uid:
		return fmt.Sprintf("Pod %s/%s is a different pod now: its UID is not %s", asked.namespace, asked.name, asked.uid)
	}
	return ""
}
