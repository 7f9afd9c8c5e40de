package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// databaseModule has all reports about vulnerabilities of Go modules, and the program that makes a database of them.
const databaseModule = "golang.org/x/vulndb"

// findDatabase returns the folder with the newest database that the proxy serves, built at its first use. If the proxy cannot be reached it
// is the pinned one, and a message says so.
func findDatabase(ctx context.Context, out *strings.Builder) (string, error) {
	version, err := newestVersion(ctx)
	if err != nil {
		fmt.Fprintf(out, "WARNING: the newest version of %s is not known, so the pinned one is used: %v\n", databaseModule, err)
		if version, err = moduleVersion(ctx, databaseModule); err != nil {
			return "", err
		}
	}
	fmt.Fprintf(out, "Vulnerabilities as of %s.\n", version)
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache: %w", err)
	}
	folder := filepath.Join(cache, "reboot-operator", "vulndb", version)
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	return folder, buildDatabase(ctx, version, folder)
}

func newestVersion(ctx context.Context) (string, error) {
	return moduleVersion(ctx, databaseModule+"@latest")
}

func moduleVersion(ctx context.Context, module string) (string, error) {
	output, err := goCommand(ctx, "list", "-m", tools, "-json", module)
	if err != nil {
		return "", err
	}
	var found struct{ Version string }
	if err := json.Unmarshal(output, &found); err != nil {
		return "", fmt.Errorf("read the version of %s: %w", module, err)
	}
	return found.Version, nil
}

// buildDatabase makes the folder at once or not at all.
func buildDatabase(ctx context.Context, version, folder string) error {
	output, err := goCommand(ctx, "mod", "download", tools, "-json", databaseModule+"@"+version)
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(output, &module); err != nil {
		return fmt.Errorf("read the folder of %s: %w", databaseModule, err)
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return fmt.Errorf("make the folder of databases: %w", err)
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(folder), "unfinished-")
	if err != nil {
		return fmt.Errorf("make a folder for the database: %w", err)
	}
	defer func() { _ = os.RemoveAll(unfinished) }() // it is gone if all went well
	if _, err := goTool(ctx, "indexdb", "-vulns", filepath.Join(module.Dir, "data", "osv"), "-out", unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, folder); err != nil {
		return fmt.Errorf("keep the database: %w", err)
	}
	return nil
}
