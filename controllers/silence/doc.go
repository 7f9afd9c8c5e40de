// Package silence decides which silences there are to be in Alertmanagers, from policies and NodeReboots, what is to be done about those
// that there are, and whose an alert is that one of them hides. Like the plan it has no client, context, logger, clock or randomness.
//
// Nothing is stored about a silence: its author and its comment say what it is for, so every leader finds it by listing.
package silence
