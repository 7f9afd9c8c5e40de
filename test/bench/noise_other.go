//go:build !linux

package bench

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("what the machine does can only be read on Linux")

func threadTime() time.Duration { return 0 }

func used() (usage, error) { return usage{}, errNotLinux }

func loadAverage() (float64, error) { return 0, errNotLinux }
