// Package projection turns objects of the API into what a plan sees of them. It is pure: the manager's reader feeds it from a cache, and
// the kubectl plugin from lists or from a file, and both plan from the same facts.
//
// What the functions named Strip leave of an object is all that any plan reads of it. It is what the manager keeps in memory, and what a
// saved snapshot holds.
package projection
