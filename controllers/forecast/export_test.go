package forecast

// ComputeInFull shows the planner every node, however many there are.
func ComputeInFull(in Input) *Forecast { return compute(in, true) }
