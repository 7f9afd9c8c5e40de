//go:build !linux

package machine

import "errors"

func inNamespaces(string, func() error) error {
	return errors.New("only Linux has namespaces")
}
