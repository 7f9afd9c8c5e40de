// Package helpers knows what is wrong with the pods of helpers, and on which nodes their DaemonSets put none. It is pure: the manager asks
// it about its cache, and the plugin about what it reads.
package helpers
