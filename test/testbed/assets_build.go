package testbed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// reportInterval is how often the build reports its progress.
const reportInterval = 15 * time.Second

const goCacheVariable = "GOCACHE"

// run builds the binary and puts it into dir with a link for each of its names.
func (b build) run(ctx context.Context, log logr.Logger, source source, dir string) error {
	flags, err := versionFlags(source.version)
	if err != nil {
		return err
	}
	log.Info("building "+strings.Join(b.programs, ", ")+" from Go modules; this happens once and takes "+b.takes+" on 2 cores",
		"kubernetes", source.version, "into", dir, "insteadSet", AssetsVariable)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create %s: %w", dir, err)
	}
	binary := filepath.Join(dir, b.binary)
	if err := b.compile(ctx, log, source, binary+".new", "-s -w "+flags); err != nil {
		return err
	}
	if err := os.Rename(binary+".new", binary); err != nil { // never half a program
		return fmt.Errorf("name a program: %w", err)
	}
	for _, program := range b.programs {
		if program == b.binary {
			continue
		}
		link := filepath.Join(dir, program)
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("replace %s: %w", link, err)
		}
		if err := os.Symlink(b.binary, link); err != nil {
			return fmt.Errorf("name a program: %w", err)
		}
	}
	return nil
}

// compile reports its progress to log.
func (b build) compile(ctx context.Context, log logr.Logger, source source, binary, linkerFlags string) error {
	if err := source.prepare(ctx); err != nil {
		return err
	}
	cache, drop, err := source.buildCache()
	if err != nil {
		return err
	}
	source.goCache = cache
	log.Info("downloading the modules of " + b.what)
	total, err := b.countPackages(ctx, source)
	if err != nil {
		return err
	}
	build := source.goCommand(ctx, "build", "-v", "-trimpath", "-ldflags", linkerFlags, "-o", binary, b.pkg)
	output, err := build.StderrPipe()
	if err != nil {
		return fmt.Errorf("read the output of go build: %w", err)
	}
	if err := build.Start(); err != nil {
		return fmt.Errorf("start go build: %w", err)
	}
	progress := newBuildProgress(time.Now(), total)
	stop := reportProgress(log.WithValues("building", b.what), progress)
	complaints := progress.read(output)
	err = build.Wait()
	stop()
	if err != nil {
		return fmt.Errorf("build %s: %w: %s", b.what, err, complaints)
	}
	drop()
	log.Info(b.what+" is built", "took", time.Since(progress.begin).Round(time.Second).String())
	return nil
}

// countPackages is how many packages the build compiles when none is cached. It downloads every module that is missing.
func (b build) countPackages(ctx context.Context, source source) (int, error) {
	output, err := source.goCommand(ctx, "list", "-deps", b.pkg).Output()
	if err != nil {
		return 0, fmt.Errorf("list the packages of %s: %w", b.what, commandError(err))
	}
	return strings.Count(string(output), "\n"), nil
}

// goCommand runs one of go's verbs with the version's module file.
func (s source) goCommand(ctx context.Context, verb string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", append([]string{verb, "-modfile=" + s.moduleFile}, args...)...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if s.goCache != "" {
		command.Env = append(command.Env, goCacheVariable+"="+s.goCache)
	}
	return command
}

// buildCache is the cache to build in, and what to call when it is not needed anymore. What is compiled for one version is of no use for
// another, and takes 2 GB: it is kept for the default version only, unless the environment names a cache.
func (s source) buildCache() (dir string, drop func(), err error) {
	if s.moduleFile == defaultModuleFile || os.Getenv(goCacheVariable) != "" {
		return "", func() {}, nil
	}
	folder, err := s.cacheFolder()
	if err != nil {
		return "", nil, err
	}
	dir = folder + ".gocache" // A build that was interrupted continues with it.
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// reportProgress logs progress now and then until the function that it returns is called.
func reportProgress(log logr.Logger, progress *buildProgress) func() {
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		ticker := time.NewTicker(reportInterval)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				log.Info("still building", "progress", progress.describe(now))
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}

// buildProgress counts the packages that "go build -v" names.
type buildProgress struct {
	begin time.Time
	total int

	mu       sync.Mutex
	compiled int
}

func newBuildProgress(begin time.Time, total int) *buildProgress {
	return &buildProgress{begin: begin, total: total}
}

// read counts until the output ends and returns the lines that name no package: compiler errors.
func (p *buildProgress) read(output io.Reader) string {
	var complaints []string
	scanner := bufio.NewScanner(output)
	for scanner.Scan() {
		if line := scanner.Text(); isPackage(line) {
			p.add()
		} else {
			complaints = append(complaints, line)
		}
	}
	return strings.Join(complaints, "\n")
}

func (p *buildProgress) add() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.compiled++
}

// describe reports the progress of the build. Packages that were cached are not named by go build, so the total is an upper bound.
func (p *buildProgress) describe(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%d of at most %d packages, %s so far", p.compiled, p.total, now.Sub(p.begin).Round(time.Second))
}

// isPackage tells an import path from a message.
func isPackage(line string) bool {
	return line != "" && !strings.HasPrefix(line, "#") && !strings.ContainsAny(line, " \t:")
}
