//go:build !linux

package hostexec

import "errors"

func inNamespaces(string, func() error) error {
	return errors.New("only Linux has namespaces")
}
