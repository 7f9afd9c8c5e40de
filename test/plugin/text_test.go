package plugin

import (
	"strings"
	"sync"
)

// text is written by a process while a test reads it.
type text struct {
	mu      sync.Mutex
	builder strings.Builder
}

func (t *text) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.builder.Write(data)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.builder.String()
}
