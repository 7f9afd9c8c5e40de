package bench

import "github.com/reboot-operator/reboot-operator/test/testbed"

// kubeletProbes tells whether the testbed's kubelets can probe as real ones do.
const kubeletProbes = false

// plannerBenchmarks are run for plans by size.
const plannerBenchmarks = "^Benchmark(Scale|Compute)$"

// plannerSlice are those that continuous integration runs.
const plannerSlice = "^BenchmarkCompute$/^(1000|5000)$"

// options of the testbed.
func (s scenario) options() testbed.Options { return testbed.Options{} }
