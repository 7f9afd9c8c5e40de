package notifier

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

// tlsDialer speaks TLS from the start.
type tlsDialer struct {
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	config *tls.Config
}

func (d *tlsDialer) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	plain, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(plain, d.config)
	if err := secured.HandshakeContext(ctx); err != nil {
		if closing := plain.Close(); closing != nil {
			return nil, fmt.Errorf("%w, and: %w", err, closing)
		}
		return nil, err //nolint:wrapcheck // what is said about it is chosen by what it is
	}
	return secured, nil
}
