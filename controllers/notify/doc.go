// Package notify decides of what the receivers of a policy are notified: it is a function of the objects as they are
// stored, of what was sent before, and of the time. It has no client, clock or logger. Package notifier sends.
//
// # What is due
//
// A rollout begins when a node of the policy starts and none is going on. It ends when no node is under way and none is about to start: the
// nodes that remain wait for something that is not the rollout's own pace, such as a window, an approval or a person; what is in the way
// unexpectedly, such as a gate or a refused drain, ends it only after nothing has started for an hour. RolloutStarted and RolloutFinished
// are sent once for each rollout and receiver. A receiver that shows the rollout in a message that it can change gets the first event again
// as the rollout continues.
//
// Every other event is about instances: a halt, nodes, gates, a window. Each instance has a key. An event is due when there is an instance
// that the receiver was not notified of. It then names all of them. The receiver gets the same event again after ten minutes or more.
// So what happens to many nodes at once is one message.
//
// # What is remembered
//
// A State per policy, which is stored when something was sent: the rollout, and by receiver the keys that it was notified of. What ended is
// forgotten. What could not be delivered is not recorded, so the next leader finds it due again.
package notify
