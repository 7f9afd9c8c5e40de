// Package controllers is everything around the planner of package plan: it watches the cluster, reads it into a snapshot, has a plan made
// and carries the plan out.
//
//	watches.go, predicates.go            -> one work-queue key, one worker
//	snapshot.go, pods.go, nodepods.go    the only readers
//	observed.go                          when this manager first saw what others say
//	plan.Compute                         pure; decides everything
//	execute.go, slots.go, patches.go     the only writers
//	events.go, metrics.go                tell people what was written
//
// Because there is one key and one worker, no two plans are ever made at once in one process. Against a second process that believes it
// leads, the write of the slots object is the fence (slots.go).
package controllers
