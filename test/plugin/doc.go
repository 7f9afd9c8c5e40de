// Package plugin tries the kubectl plugin as people have it: the built program in a terminal, on a real API server.
package plugin
