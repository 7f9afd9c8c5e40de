// Package crd has the definitions of the kinds, for programs that check objects without a cluster.
package crd

import "embed"

// Bases are the definitions as controller-gen writes them, in the folder bases.
//
//go:embed bases/*.yaml
var Bases embed.FS
