package helper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/rebooter"
)

// LocalHost is the host that the helper runs on. The helper has no power over it: what it reads anybody may read, and to reboot it asks the
// rebooter, the other container of its pod.
type LocalHost struct {
	client rebooter.Client
	root   string
}

var _ Host = &LocalHost{}

// NewLocalHost returns the host whose rebooter listens on the socket. The root is where the host's /proc is found.
func NewLocalHost(socket, root string) *LocalHost {
	return &LocalHost{client: rebooter.Client{Socket: socket}, root: root}
}

// BootID implements Host.
func (h *LocalHost) BootID() (string, error) { return rebooter.BootID(h.root) }

// BootTime implements Host.
func (h *LocalHost) BootTime() (time.Time, error) {
	content, err := os.ReadFile(filepath.Join(h.root, "proc", "stat"))
	if err != nil {
		return time.Time{}, err
	}
	for line := range bytes.Lines(content) {
		value, ok := strings.CutPrefix(string(line), "btime ")
		if !ok {
			continue
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("btime: %w", err)
		}
		return time.Unix(seconds, 0), nil
	}
	return time.Time{}, errors.New("/proc/stat has no btime")
}

// Methods implements Host. A rebooter that does not answer is in the way of every method.
func (h *LocalHost) Methods(ctx context.Context) []v1alpha1.MethodReport {
	methods, err := h.client.Methods(ctx)
	if err != nil {
		return []v1alpha1.MethodReport{{Name: v1alpha1.RebootInstalled, Obstacle: err.Error()}}
	}
	reports := make([]v1alpha1.MethodReport, 0, len(methods))
	for _, m := range methods {
		reports = append(reports, v1alpha1.MethodReport{Name: v1alpha1.RebootMethod(m.Name), Obstacle: m.Obstacle})
	}
	return reports
}

// Reboot implements Host.
func (h *LocalHost) Reboot(ctx context.Context, bootID string, method v1alpha1.RebootMethod) error {
	if method == v1alpha1.RebootInstalled {
		method = ""
	}
	return h.client.Reboot(ctx, bootID, string(method))
}
