package dashboard

// Document is what the page shows. Times are milliseconds since 1970; 0 means unknown.
type Document struct {
	// Full says that the page forgets what it had; else only what is there has changed.
	Full bool `json:"full,omitempty"`
	// Stream is this run of the command, and Seq counts its changes.
	Stream string `json:"stream,omitempty"`
	Seq    uint64 `json:"seq"`
	// Server says whether the command sees the cluster.
	Server *Server `json:"server,omitempty"`
	*Head
	// Rows that are new or have changed, and the names of nodes whose rows are gone.
	Rows []Row    `json:"rows,omitempty"`
	Gone []string `json:"gone,omitempty"`
	// Details of nodes, in a file. A page that a command serves asks for them.
	Details map[string]Detail `json:"details,omitempty"`
}

// Server says whether the command sees the cluster, since when it does not, and why.
type Server struct {
	Live  bool   `json:"live"`
	Since int64  `json:"since,omitempty"`
	Why   string `json:"why,omitempty"`
}

// Head is everything but the rows.
type Head struct {
	At      int64  `json:"at"`
	Cluster string `json:"cluster"`
	// From and To are the time that is known.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Zones in their order; the empty name is that of nodes without a zone.
	Zones    []string `json:"zones"`
	Policies []Policy `json:"policies"`
	Shades   []Shade  `json:"shades"`
	Notes    []string `json:"notes"`
}

// Policy is the card of a policy.
type Policy struct {
	Name    string `json:"name"`
	Summary string `json:"summary,omitempty"`
	Nodes   int    `json:"nodes"`
	// The numbers of nodes by what became of their last reboot.
	Proved   int `json:"proved"`
	UnderWay int `json:"underWay"`
	Waiting  int `json:"waiting"`
	Failed   int `json:"failed"`
	// Finish is when the last node is back in half of the forecasts, and FinishLate in nine of ten. Never is how many nodes are not known to
	// be.
	Finish     int64 `json:"finish,omitempty"`
	FinishLate int64 `json:"finishLate,omitempty"`
	Never      int   `json:"never,omitempty"`
	// Window is Open, Closed or Frozen, or empty without a schedule.
	Window string `json:"window,omitempty"`
	Freeze string `json:"freeze,omitempty"`
	Opens  int64  `json:"opens,omitempty"`
	Closes int64  `json:"closes,omitempty"`
}

// Shade is a window or a freeze.
type Shade struct {
	Policy string `json:"policy"`
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
}

// Row is a node.
type Row struct {
	Node         string `json:"node"`
	Zone         string `json:"zone,omitempty"`
	Policy       string `json:"policy,omitempty"`
	ControlPlane bool   `json:"controlPlane,omitempty"`
	// NoNode says that there is no Node with the name.
	NoNode bool `json:"noNode,omitempty"`
	// State of its last NodeReboot: Idle without one, Waiting, Draining, Rebooting, Recovering, RolledBack, Failed, Proved, Cancelled or
	// Unknown.
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Warn says that someone has to do something.
	Warn bool `json:"warn,omitempty"`
	// Open says that the NodeReboot has not ended.
	Open bool `json:"open,omitempty"`
	// Until is when time alone ends what it waits for, and Ended when it was over.
	Until int64 `json:"until,omitempty"`
	Ended int64 `json:"ended,omitempty"`
	// PodsLeft are to be evicted.
	PodsLeft int `json:"podsLeft,omitempty"`
	// Queue is its place among Of waiting nodes of its policy and zone.
	Queue int `json:"queue,omitempty"`
	Of    int `json:"of,omitempty"`
	// Start and Back are expected, and Late is by when it is back in nine of ten forecasts. Obstacle is why that is not known.
	Start    int64  `json:"start,omitempty"`
	Back     int64  `json:"back,omitempty"`
	Late     int64  `json:"late,omitempty"`
	Obstacle string `json:"obstacle,omitempty"`
	Bars     []Bar  `json:"bars,omitempty"`
	Marks    []Mark `json:"marks,omitempty"`
	// version of the NodeReboot: its details change with it.
	Version string `json:"version,omitempty"`
}

// Bar is a span of time of a row. One that lasts has no end.
type Bar struct {
	Kind     string `json:"kind"`
	Forecast bool   `json:"forecast,omitempty"`
	From     int64  `json:"from"`
	To       int64  `json:"to,omitempty"`
	Result   string `json:"result,omitempty"`
	Note     string `json:"note,omitempty"`
}

// Mark is a moment of a row.
type Mark struct {
	Kind string `json:"kind"`
	At   int64  `json:"at"`
}

// Detail is what the panel of a node shows.
type Detail struct {
	Why      string   `json:"why,omitempty"`
	Commands []string `json:"commands,omitempty"`
	Story    []Entry  `json:"story"`
}

// Entry is a sentence of a story.
type Entry struct {
	At      int64  `json:"at"`
	Text    string `json:"text"`
	Warning bool   `json:"warning,omitempty"`
}
