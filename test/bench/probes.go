package bench

import "github.com/reboot-operator/reboot-operator/test/testbed"

// options of the testbed.
func (s scenario) options() testbed.Options {
	var options testbed.Options
	if s.kubelet {
		options.Probes = &testbed.Probes{Seed: 1}
	}
	return options
}
