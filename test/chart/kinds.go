//go:build kinds

// Nothing is built of this: it keeps the module in go.mod whose kinds the tests apply.

package chart

import _ "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
