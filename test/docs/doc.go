// Package docs reads the pages of the documentation as their readers do: it finds every command and every example. Its tests type the
// commands into a shell that has a cluster of the testbed, and have the API server judge the examples.
package docs
