package bench

import "github.com/reboot-operator/reboot-operator/test/testbed"

// kubeletProbes tells whether the testbed's kubelets can probe as real ones do.
const kubeletProbes = false

// options of the testbed.
func (s scenario) options() testbed.Options { return testbed.Options{} }
