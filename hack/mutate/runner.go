package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// verdict says what the tests made of a mutant.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "survived"
	notBuilt verdict = "not built"
	// equivalent mutants change nothing that anyone could notice; the list says why.
	equivalent verdict = "equivalent"
)

// A mutant that makes a loop endless is noticed: its tests may take slack times as long as they do without it, and leastPatience.
const (
	slack         = 4
	leastPatience = time.Minute
	// most is how long the tests of a part may take without a mutant.
	most = 20 * time.Minute
)

// workspace is a copy of the repository in which mutants are tried, one after the other.
type workspace struct{ root string }

// suite is the tests of a part: arguments of "go test", and how long each run may take.
type suite []suiteRun

type suiteRun struct {
	arguments []string
	patience  time.Duration
}

// newWorkspace copies what git knows, and what is not committed yet.
func newWorkspace(ctx context.Context, root, dir string) (*workspace, error) {
	listed, err := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("list the files of the repository: %w", err)
	}
	for _, file := range strings.Split(strings.TrimRight(string(listed), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, file), filepath.Join(dir, file)); err != nil {
			return nil, err
		}
	}
	return &workspace{root: dir}, nil
}

func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // deleted and not committed
	}
	if err != nil {
		return fmt.Errorf("copy the repository: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return fmt.Errorf("copy the repository: %w", err)
	}
	if info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return fmt.Errorf("copy the repository: %w", err)
		}
		return os.Symlink(target, to)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy the repository: %w", err)
	}
	return os.WriteFile(to, data, info.Mode().Perm())
}

// try puts a mutant in place, runs the tests until some fail, and puts the original back.
func (w *workspace) try(ctx context.Context, m *mutant, tests suite) (found verdict, err error) {
	path := filepath.Join(w.root, m.File)
	original, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a source: %w", err)
	}
	if err := os.WriteFile(path, m.source, 0o600); err != nil {
		return "", fmt.Errorf("write a mutant: %w", err)
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, original, 0o600)) }()
	for _, run := range tests {
		output, err := w.test(ctx, run)
		if found, err = verdictOf(m, output, err); err != nil || found != survived {
			return found, errors.Join(err, ctx.Err())
		}
	}
	return found, ctx.Err()
}

// verdictOf a run of tests. That a mutant cannot be built is no news. That nothing can be built is an error: then the compiler says nothing
// about the changed file.
func verdictOf(m *mutant, output []byte, failure error) (verdict, error) {
	switch {
	case failure == nil:
		return survived, nil
	case !bytes.Contains(output, []byte("[build failed]")) && !bytes.Contains(output, []byte("[setup failed]")):
		return killed, nil
	case !bytes.Contains(output, []byte(m.File+":")):
		return "", fmt.Errorf("the tests cannot be built: %w\n%s", failure, output)
	}
	return notBuilt, nil
}

func (w *workspace) test(ctx context.Context, run suiteRun) ([]byte, error) {
	// Tests have to stop by themselves, because what go test starts would outlive it.
	test := exec.CommandContext(ctx, "go", append([]string{
		"test", "-count=1", "-failfast", "-vet=off", "-trimpath", "-timeout=" + run.patience.String(),
	}, run.arguments...)...)
	test.Dir = w.root
	output, err := test.CombinedOutput()
	if err != nil {
		return output, fmt.Errorf("run tests: %w", err)
	}
	return output, nil
}

// suiteOf a target runs its tests on the unchanged sources: what fails without a mutant would count every mutant as killed.
func (w *workspace) suiteOf(ctx context.Context, t *target) (suite, error) {
	var tests suite
	for _, arguments := range t.tests {
		began := time.Now()
		if output, err := w.test(ctx, suiteRun{arguments, most}); err != nil {
			return nil, fmt.Errorf("the tests of %s fail without any mutant: %w\n%s", t.name, err, output)
		}
		tests = append(tests, suiteRun{arguments, max(slack*time.Since(began), leastPatience)})
	}
	return tests, nil
}
