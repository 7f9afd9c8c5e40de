package rebooter

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
)

const (
	// maxWatches is how many connections may watch together, which leaves others for requests.
	maxWatches = maxConnections / 2
	// maxMethods and maxNotices are how many of them are sent.
	maxMethods = 4
	maxNotices = 8
)

// news are the latest facts, of which everyone who waits for them learns.
type news struct {
	mu      sync.Mutex
	latest  *Facts
	changed chan struct{}
	watches int
}

// get returns the latest facts, nil before the first, and a channel that is closed when there are others.
func (n *news) get() (*Facts, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.latest, n.changed
}

func (n *news) set(facts *Facts) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.latest = facts
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// join counts one more who watches, unless there are enough.
func (n *news) join() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watches == maxWatches {
		return false
	}
	n.watches++
	return true
}

func (n *news) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watches--
}

// observe asks the machine for its facts repeatedly until ctx ends. A machine that hangs makes no news, which those who watch notice.
func (s *Server) observe(ctx context.Context) {
	for ctx.Err() == nil {
		s.news.set(s.facts(ctx))
		select {
		case <-ctx.Done():
		case <-s.Machine.Changes():
		case <-s.After(factsInterval):
		}
	}
}

// facts asks the machine, and shortens what it says.
func (s *Server) facts(ctx context.Context) *Facts {
	ctx, cancel := context.WithTimeout(ctx, factsTimeout)
	defer cancel()
	facts := s.Machine.Facts(ctx)
	facts.SentinelMessage = Truncate(facts.SentinelMessage, maxMessage)
	facts.HostOS = Truncate(facts.HostOS, maxMessage)
	facts.Methods = slices.Clone(facts.Methods[:min(len(facts.Methods), maxMethods)])
	for i := range facts.Methods {
		facts.Methods[i].Obstacle = Truncate(facts.Methods[i].Obstacle, maxMessage)
	}
	facts.Notices = slices.Clone(facts.Notices[:min(len(facts.Notices), maxNotices)])
	for i := range facts.Notices {
		facts.Notices[i] = Truncate(facts.Notices[i], maxMessage)
	}
	return &facts
}

// watch sends all news until ctx, or the connection, ends.
func (s *Server) watch(ctx context.Context, connection net.Conn) {
	if !s.news.join() {
		answer := refused("%d connections are already watching", maxWatches)
		s.send(connection, &answer)
		return
	}
	defer s.news.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		// A watching client sends nothing else: this ends when the connection does.
		_, _ = io.Copy(io.Discard, connection)
		cancel()
	}()
	for {
		facts, changed := s.news.get()
		if facts != nil && !s.send(connection, &Response{Result: Accepted, Facts: facts}) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
