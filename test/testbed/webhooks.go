package testbed

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// webhookService is what the Service of the managers' webhooks is in a cluster: one address that leads to a manager that runs, whichever
// that is. With none, connections to it end at once.
type webhookService struct {
	listener net.Listener
	managers *managers

	connections sync.WaitGroup
}

func startWebhookService(managers *managers) (*webhookService, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the API server's questions to webhooks: %w", err)
	}
	service := &webhookService{listener: listener, managers: managers}
	service.connections.Go(service.accept)
	return service, nil
}

// address is where the API server reaches the webhooks.
func (s *webhookService) address() string { return s.listener.Addr().String() }

func (s *webhookService) accept() {
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.connections.Go(func() { s.forward(connection) })
	}
}

// forward connects to the first manager that answers, and carries bytes until either side ends.
func (s *webhookService) forward(from net.Conn) {
	defer func() { _ = from.Close() }()
	for _, address := range s.managers.webhooks() {
		to, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		var both sync.WaitGroup
		carry := func(to, from net.Conn) {
			_, _ = io.Copy(to, from)
			_, _ = to.Close(), from.Close()
		}
		both.Go(func() { carry(to, from) })
		both.Go(func() { carry(from, to) })
		both.Wait()
		return
	}
}

// stop ends the service once no manager and no API server holds a connection.
func (s *webhookService) stop() error {
	err := s.listener.Close()
	s.connections.Wait()
	return err
}

// webhooks are the addresses of the webhooks of all managers, the latest first.
func (m *managers) webhooks() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var addresses []string
	for i := len(m.started) - 1; i >= 0; i-- {
		addresses = append(addresses, m.started[i].webhookAddress)
	}
	return addresses
}
