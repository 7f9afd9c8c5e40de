package dashboard

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// hub has the newest document, and knows since when each of its rows is as it is. So it can tell any page what that page lacks, however
// much happened since it asked last.
type hub struct {
	stream string

	mu      sync.Mutex
	input   *Input
	seq     uint64
	head    versioned[*Head]
	server  versioned[*Server]
	rows    map[string]versioned[[]byte]
	gone    map[string]uint64
	changed chan struct{}
}

// versioned is a value, and the sequence at which it became what it is.
type versioned[T any] struct {
	value T
	seq   uint64
}

// event is a document, or what changed of it, as it is sent.
type event struct {
	Full   bool    `json:"full,omitempty"`
	Stream string  `json:"stream,omitempty"`
	Seq    *uint64 `json:"seq,omitempty"`
	Server *Server `json:"server,omitempty"`
	*Head
	Rows []json.RawMessage `json:"rows,omitempty"`
	Gone []string          `json:"gone,omitempty"`
}

func newHub() *hub {
	return &hub{stream: secret(), rows: map[string]versioned[[]byte]{}, gone: map[string]uint64{}, changed: make(chan struct{})}
}

// publish makes the input what pages show. It sends what differs from before.
func (h *hub) publish(in *Input) {
	doc := Build(in)
	encoded := make(map[string][]byte, len(doc.Rows))
	for i := range doc.Rows {
		encoded[doc.Rows[i].Node], _ = json.Marshal(&doc.Rows[i]) // Texts and numbers always can be.
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.input = in
	next := h.seq + 1
	changed := h.replaceRows(encoded, next)
	if h.head.value == nil || !sameHead(h.head.value, doc.Head) {
		h.head, changed = versioned[*Head]{doc.Head, next}, true
	}
	if changed {
		h.seq = next
		h.wake()
	}
}

func (h *hub) replaceRows(encoded map[string][]byte, next uint64) (changed bool) {
	for node, row := range encoded {
		if !bytes.Equal(h.rows[node].value, row) {
			h.rows[node], changed = versioned[[]byte]{row, next}, true
			delete(h.gone, node)
		}
	}
	for node := range h.rows {
		if _, found := encoded[node]; !found {
			delete(h.rows, node)
			h.gone[node], changed = next, true
		}
	}
	return changed
}

// sameHead leaves out when the head was made.
func sameHead(a, b *Head) bool {
	one, other := *a, *b
	one.At, other.At = 0, 0
	return reflect.DeepEqual(one, other)
}

// setServer says whether the command sees the cluster.
func (h *hub) setServer(state Server) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.server.value != nil && *h.server.value == state {
		return
	}
	h.seq++
	h.server = versioned[*Server]{&state, h.seq}
	h.wake()
}

// wake lets all streams look again.
func (h *hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// since is what a page lacks that had everything up to an ID, the ID of that, and what is closed at the next change. The event is nil if
// nothing is lacking.
func (h *hub) since(last string) (message []byte, id string, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id, changed = position(h.stream, h.seq), h.changed
	if last == id {
		return nil, id, changed
	}
	from, partial := h.known(last)
	made := event{}
	if !partial || h.server.seq > from {
		made.Server = h.server.value
	}
	if h.input == nil {
		// Nothing was read yet. The page gets everything when it is.
		id = ""
	} else {
		h.fill(&made, from, partial)
	}
	message, _ = json.Marshal(&made) // Texts, numbers and rows that were encoded always can be.
	return message, id, changed
}

func (h *hub) fill(made *event, from uint64, partial bool) {
	seq := h.seq
	made.Seq, made.Full = &seq, !partial
	if !partial {
		made.Stream = h.stream
	}
	if !partial || h.head.seq > from {
		made.Head = h.head.value
	}
	for _, row := range h.rows {
		if !partial || row.seq > from {
			made.Rows = append(made.Rows, row.value)
		}
	}
	for node, seq := range h.gone {
		if partial && seq > from {
			made.Gone = append(made.Gone, node)
		}
	}
}

// known says up to which sequence a page has everything, if it had it from this stream.
func (h *hub) known(last string) (seq uint64, partial bool) {
	stream, text, _ := strings.Cut(last, ".")
	if stream != h.stream {
		return 0, false
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	return seq, err == nil && seq <= h.seq
}

// shown is what pages show if it has a node, and else nil.
func (h *hub) shown(node string) *Input {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, found := h.rows[node]; !found {
		return nil
	}
	return h.input
}
