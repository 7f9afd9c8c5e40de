package rebooter

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// BootID reads the kernel's random ID of the running boot. Every container sees the same.
func BootID(root string) (string, error) {
	content, err := os.ReadFile(filepath.Join(root, "proc", "sys", "kernel", "random", "boot_id"))
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(content))
	if id == "" {
		return "", errors.New("the kernel's boot_id is empty")
	}
	return id, nil
}
