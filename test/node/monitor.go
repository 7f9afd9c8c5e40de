package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// monitor is QEMU's own view of a machine: it tells when the machine is reset, and resets it as a power failure would (QEMU Machine
// Protocol).
type monitor struct {
	connection net.Conn
	encoder    *json.Encoder
	answers    chan message
	onEvent    func(event string, byGuest bool)

	mu sync.Mutex // one command at a time
}

type message struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Guest bool `json:"guest"`
	} `json:"data"`
}

// dialMonitor connects to the socket that QEMU listens on. Events go to onEvent, for example RESET and whether the guest did it.
func dialMonitor(ctx context.Context, socket string, onEvent func(event string, byGuest bool)) (*monitor, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to the monitor: %w", err)
	}
	m := &monitor{connection: connection, encoder: json.NewEncoder(connection), answers: make(chan message, 1), onEvent: onEvent}
	go m.read()
	if err := m.command(ctx, "qmp_capabilities"); err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return m, nil
}

func (m *monitor) close() { _ = m.connection.Close() }

func (m *monitor) read() {
	defer close(m.answers)
	decoder := json.NewDecoder(m.connection)
	for {
		var next message
		if err := decoder.Decode(&next); err != nil {
			return
		}
		switch {
		case next.Event != "":
			m.onEvent(next.Event, next.Data.Guest)
		case next.Return != nil || next.Error != nil:
			m.answers <- next
		}
	}
}

func (m *monitor) command(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.encoder.Encode(map[string]string{"execute": name}); err != nil {
		return fmt.Errorf("tell QEMU %s: %w", name, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("tell QEMU %s: %w", name, ctx.Err())
	case answer, ok := <-m.answers:
		switch {
		case !ok:
			return fmt.Errorf("tell QEMU %s: the monitor is closed", name)
		case answer.Error != nil:
			return fmt.Errorf("tell QEMU %s: %s: %s", name, answer.Error.Class, answer.Error.Desc)
		}
		return nil
	}
}
