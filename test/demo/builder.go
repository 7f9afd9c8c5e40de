package demo

import (
	"context"
	"io"
	"log/slog"

	"github.com/go-logr/logr"

	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// buildControlPlane reports what is built and its progress, because the first time takes minutes. Later on it returns at once.
func buildControlPlane(ctx context.Context, out io.Writer) error {
	handler := slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && (attr.Key == slog.TimeKey || attr.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return attr
	}})
	_, err := testbed.Assets(ctx, logr.FromSlogHandler(handler))
	return err
}
