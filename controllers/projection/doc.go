// Package projection turns objects of the API into what a plan sees of them. It is pure: the manager's reader feeds it from a cache, and
// the kubectl plugin from lists or from a file, and both plan from the same facts.
//
// Plans read only what the functions named Strip keep of an object. It is what the manager keeps in memory, and what a saved snapshot
// holds.
package projection
