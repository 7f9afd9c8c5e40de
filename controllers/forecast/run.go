package forecast

// Compute makes a forecast. A nil or empty snapshot gives an empty one.
func Compute(in Input) *Forecast {
	return &Forecast{Computed: in.Now, Nodes: []Node{}, Policies: []Policy{}}
}
