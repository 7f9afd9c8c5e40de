// Package crd has the schemas of the kinds, for programs that check an object without a cluster.
package crd

import _ "embed" // the files below bases

// RebootPolicies is the CustomResourceDefinition of RebootPolicy.
//
//go:embed bases/reboot-operator.io_rebootpolicies.yaml
var RebootPolicies []byte
