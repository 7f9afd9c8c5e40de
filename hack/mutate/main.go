// Command mutate changes one small thing in the sources at a time and runs the tests of the part that it belongs to: they have to notice.
// It works in copies of the repository, and samples the same mutants for the same seed. It is what "make mutate" runs.
//
// There are mature tools for Go. Gremlins has no mutants that drop a call or an assignment and no sample; go-mutesting needs a script for
// each run; neither knows a manifest. Most of what guards a promise here is a call, an assignment, or a line of an admission policy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

type options struct {
	only     string
	count    int
	seed     uint64
	parallel int
	goal     float64
	match    string
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "only the parts with these names, separated by commas")
	flag.IntVar(&o.count, "count", 40, "how many mutants of each part; 0 is all")
	flag.Uint64Var(&o.seed, "seed", 1, "which sample")
	flag.IntVar(&o.parallel, "parallel", 2, "how many mutants at once")
	flag.Float64Var(&o.goal, "goal", 95, "how many percent the tests of every part have to notice")
	flag.StringVar(&o.match, "match", "", "only mutants whose key has this text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// run tries the sample of every part, prints the survivors as they are found, and a table at the end.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.count < 0 {
		return fmt.Errorf("the count is %d: write how many mutants of each part to try, or 0 to try all", o.count)
	}
	reasons, err := readEquivalents(equivalentList)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	spaces := make(chan *workspace, o.parallel)
	for i := range o.parallel {
		space, err := newWorkspace(ctx, ".", filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		spaces <- space
	}
	var scores []*score
	for i := range targets {
		if o.only != "" && !strings.Contains(","+o.only+",", ","+targets[i].name+",") {
			continue
		}
		s := &score{target: &targets[i], reasons: reasons, out: out}
		if err := s.run(ctx, o, spaces); err != nil {
			return err
		}
		scores = append(scores, s)
	}
	if len(scores) == 0 {
		return fmt.Errorf("no part is called %q: write one or more of %s", o.only, strings.Join(names(), ", "))
	}
	return report(scores, o.goal, out)
}

// names of all parts.
func names() []string {
	all := make([]string, len(targets))
	for i := range targets {
		all[i] = targets[i].name
	}
	return all
}

// score is what came of the mutants of one part.
type score struct {
	target  *target
	reasons map[string]string
	out     io.Writer
	took    time.Duration

	exist, sampled int

	mu       sync.Mutex
	verdicts map[verdict]int
	// tried is how many mutants have a verdict, and told when that was last printed.
	tried int
	told  time.Time
}

func (s *score) run(ctx context.Context, o options, spaces chan *workspace) error {
	began := time.Now()
	all, err := s.target.all(".")
	if err != nil {
		return err
	}
	if o.match != "" {
		all = matching(all, o.match)
	}
	mutants := sample(all, o.count, o.seed)
	s.exist, s.sampled, s.verdicts, s.told = len(all), len(mutants), map[verdict]int{}, began
	if len(mutants) == 0 {
		return nil
	}
	space := <-spaces
	tests, err := space.suiteOf(ctx, s.target)
	spaces <- space
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(o.parallel)
	for i := range mutants {
		group.Go(func() error {
			space := <-spaces
			defer func() { spaces <- space }()
			return s.try(ctx, space, &mutants[i], tests)
		})
	}
	err = group.Wait()
	s.took = time.Since(began)
	return err
}

func matching(all []mutant, text string) []mutant {
	var found []mutant
	for i := range all {
		if strings.Contains(all[i].key(), text) {
			found = append(found, all[i])
		}
	}
	return found
}

func (s *score) try(ctx context.Context, space *workspace, m *mutant, tests suite) error {
	found, err := space.try(ctx, m, tests)
	if err != nil {
		return err
	}
	reason, known := s.reasons[m.key()]
	if found == survived && known {
		found = equivalent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts[found]++
	switch found {
	case survived:
		_, _ = fmt.Fprintf(s.out, "survived: %s\n          key: %q\n", m, m.key())
	case equivalent:
		_, _ = fmt.Fprintf(s.out, "equivalent: %s (%s)\n", m, reason)
	}
	s.tellProgress()
	return nil
}

// tellProgress prints at most once a minute how far the part is: one whose tests take minutes for each mutant takes an hour.
func (s *score) tellProgress() {
	if s.tried++; time.Since(s.told) >= time.Minute {
		s.told = time.Now()
		_, _ = fmt.Fprintf(s.out, "%s: %d of %d tried, %d survived\n", s.target.name, s.tried, s.sampled, s.verdicts[survived])
	}
}

// percent of the mutants that built and are not equivalent which the tests noticed.
func (s *score) percent() float64 {
	judged := s.verdicts[killed] + s.verdicts[survived]
	if judged == 0 {
		return 100
	}
	return 100 * float64(s.verdicts[killed]) / float64(judged)
}

func report(scores []*score, goal float64, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\npart\tmutants\tkilled\tsurvived\tequivalent\tnot built\tscore\ttime")
	var missed []string
	for _, s := range scores {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%.0f %%\t%s\n", s.target.name, s.exist, s.verdicts[killed], s.verdicts[survived],
			s.verdicts[equivalent], s.verdicts[notBuilt], s.percent(), s.took.Round(time.Second))
		if s.percent() < goal {
			missed = append(missed, s.target.name)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	if len(missed) > 0 {
		return fmt.Errorf("the tests of %s notice less than %.0f %% of the mutants", strings.Join(missed, ", "), goal)
	}
	return nil
}
