// Package copies lets tests share objects.
package copies

import "sigs.k8s.io/controller-runtime/pkg/client"

// Of objects, one of each. A fake cluster writes a resource version into the objects that it is given. Tests that run beside each other can
// share objects when each gives copies to its own cluster.
func Of(objects []client.Object) []client.Object {
	copies := make([]client.Object, 0, len(objects))
	for _, object := range objects {
		if duplicate, is := object.DeepCopyObject().(client.Object); is {
			copies = append(copies, duplicate)
		}
	}
	return copies
}
