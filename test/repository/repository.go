// Package repository finds the files of this repository.
package repository

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Root is the folder of the repository, in or below which the program runs. What the compiler knows of its sources would not do: it leaves
// paths out if it is asked to (-trimpath).
func Root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "PROJECT")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("find the repository: no file PROJECT here or above")
		}
		folder = parent
	}
}
