package testbed

import (
	"cmp"
	"slices"
)

// RequestKind is what requests have in common that are counted together.
type RequestKind struct {
	// Actor is the name of the ServiceAccount.
	Actor string
	Verb  string
	// Resource with its subresource.
	Resource string
}

// Kind of the request.
func (r *Request) Kind() RequestKind {
	return RequestKind{Actor: r.Actor, Verb: r.Verb, Resource: r.Resource}
}

// Writes says that requests of the kind change something. To ask what one may do changes nothing.
func (k RequestKind) Writes() bool {
	return !slices.Contains([]string{"get", "list", "watch"}, k.Verb) && k.Resource != "selfsubjectaccessreviews"
}

// Evicts says that requests of the kind evict pods, of which there are as many as a node has pods to move.
func (k RequestKind) Evicts() bool { return k.Resource == "pods/eviction" }

// Lease says that requests of the kind are for the leader's lease, which is renewed whether or not there is anything to do.
func (k RequestKind) Lease() bool { return k.Resource == "leases" }

// CountRequests counts requests by kind, without those for the leader's lease. A watch counts once, when it begins.
func CountRequests(requests []Request) map[RequestKind]int {
	counts := map[RequestKind]int{}
	for i := range requests {
		request := &requests[i]
		if kind := request.Kind(); !kind.Lease() && (kind.Verb != "watch" || request.Began) {
			counts[kind]++
		}
	}
	return counts
}

// SortedKinds are the kinds of a count by actor, verb and resource, the writes first.
func SortedKinds(counts map[RequestKind]int) []RequestKind {
	kinds := make([]RequestKind, 0, len(counts))
	for kind := range counts {
		kinds = append(kinds, kind)
	}
	reads := func(k RequestKind) int {
		if k.Writes() {
			return 0
		}
		return 1
	}
	slices.SortFunc(kinds, func(a, b RequestKind) int {
		return cmp.Or(cmp.Compare(reads(a), reads(b)), cmp.Compare(a.Actor, b.Actor), cmp.Compare(a.Verb, b.Verb),
			cmp.Compare(a.Resource, b.Resource))
	})
	return kinds
}
