// Package live shows how policies and their nodes stand while it changes: as a screen on a terminal, as lines elsewhere. The screen is a
// pure function of a Frame.
package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/feed"
	"github.com/reboot-operator/reboot-operator/internal/plugin/status/overview"
)

// Options of a view.
type Options struct {
	// Policies that it is about; none are all.
	Policies []string
	// Heading, if it is set, has texts to show on top of the screen, each in place of the one before.
	Heading <-chan string
	// Forecast, if it is set, is asked now and then for what is to be expected.
	Forecast overview.Forecast
	// ForecastEvery is how long it waits between two forecasts; zero is half a minute.
	ForecastEvery time.Duration
	// Interrupt, if it is set, is called when someone presses ctrl+c on a terminal. The view ends in any case.
	Interrupt func()
	// Check, if it is set, may refuse what is found first.
	Check func(*overview.Overview) error
}

// Run shows the view until the context ends or, on a terminal, someone quits. Neither is an error.
func Run(ctx context.Context, a *app.App, cluster client.WithWatch, options Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	source := feed.New(cluster, clock.RealClock{})
	if err := source.Start(ctx); err != nil {
		return err
	}
	state := NewState(options.Policies)
	for range 2 { // a list of each kind
		select {
		case <-ctx.Done():
			return nil
		case u := <-source.Updates():
			state.Apply(&u, a.Clock.Now())
		}
	}
	if options.Check != nil {
		if err := options.Check(state.all(nil, a.Clock.Now())); err != nil {
			return err
		}
	}
	if !a.Terminal() || os.Getenv("TERM") == "dumb" {
		return plain(ctx, a, source, state, options.Heading)
	}
	return screen(ctx, a, cluster, source, state, &options)
}

const (
	// logged is how many entries are kept.
	logged = 2000
	// told is how many of those that happened before are.
	told = 50
	// tick is how often times on the screen continue, and outlookEvery how often the forecast is asked.
	tick         = time.Second
	outlookEvery = 30 * time.Second
)

type (
	batchMsg   []feed.Update
	headingMsg string
	tickMsg    struct{}
	// outlookMsg is what a forecast says. The periodic forecast asks for the next one.
	outlookMsg struct {
		*overview.Outlook
		next bool
	}
)

// viewer is the program of the screen.
type viewer struct {
	*app.App
	ctx     context.Context
	cluster client.Reader
	options *Options
	state   *State
	outlook *overview.Outlook
	frame   Frame
}

func screen(ctx context.Context, a *app.App, cluster client.Reader, source *feed.Feed, state *State, options *Options) error {
	width, height := a.Size()
	m := &viewer{App: a, ctx: ctx, cluster: cluster, options: options, state: state}
	m.frame = Frame{Width: width, Height: height, Log: state.past(told), Paint: a.Paint}
	m.refresh()
	settings := []tea.ProgramOption{tea.WithoutSignalHandler(), tea.WithOutput(a.Out)}
	if a.In != os.Stdin {
		settings = append(settings, tea.WithInput(a.In))
	}
	program := tea.NewProgram(m, settings...)
	go pump(ctx, source, program)
	go announce(ctx, options.Heading, program)
	go func() {
		<-ctx.Done()
		program.Quit()
	}()
	if _, err := program.Run(); err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("show the live view: %w", err)
	}
	return nil
}

// pump hands what was seen to the program, all that there is at once.
func pump(ctx context.Context, source *feed.Feed, program *tea.Program) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-source.Updates():
			program.Send(batchMsg(more(source, []feed.Update{u})))
		}
	}
}

// more adds what is there already.
func more(source *feed.Feed, batch []feed.Update) []feed.Update {
	const most = 5000
	for len(batch) < most {
		select {
		case u := <-source.Updates():
			batch = append(batch, u)
		default:
			return batch
		}
	}
	return batch
}

func announce(ctx context.Context, headings <-chan string, program *tea.Program) {
	for {
		select {
		case <-ctx.Done():
			return
		case heading, is := <-headings:
			if !is {
				return
			}
			program.Send(headingMsg(heading))
		}
	}
}

// Init implements tea.Model.
func (m *viewer) Init() tea.Cmd { return tea.Batch(next(), m.ask(true)) }

func next() tea.Cmd { return tea.Tick(tick, func(time.Time) tea.Msg { return tickMsg{} }) }

// ask asks the forecast.
func (m *viewer) ask(next bool) tea.Cmd {
	if m.options.Forecast == nil {
		return nil
	}
	return func() tea.Msg { return outlookMsg{m.options.Forecast(m.ctx, m.cluster, m.Clock.Now()), next} }
}

// Update implements tea.Model.
func (m *viewer) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var command tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.frame.Width, m.frame.Height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		command = m.press(msg.String())
	case batchMsg:
		command = m.apply(msg)
	case headingMsg:
		m.frame.Heading = string(msg)
	case tickMsg:
		command = next()
	case outlookMsg:
		m.outlook = msg.Outlook // One that failed leaves none: an old one would be wrong.
		if ask := m.ask(true); ask != nil && msg.next {
			command = tea.Tick(cmp.Or(m.options.ForecastEvery, outlookEvery), func(time.Time) tea.Msg { return ask() })
		}
	}
	m.refresh()
	return m, command
}

// apply takes over what was seen. Where a policy asks for something else, what the forecast said no longer holds.
func (m *viewer) apply(batch batchMsg) tea.Cmd {
	now := m.Clock.Now()
	var entries []Entry
	for i := range batch {
		entries = append(entries, m.state.Apply(&batch[i], now)...)
	}
	entries = Condense(entries)
	if m.frame.FullLog && m.frame.Offset > 0 {
		m.frame.Offset += len(entries) // who reads stays where they are
	}
	m.frame.Log = append(m.frame.Log, entries...)
	if over := len(m.frame.Log) - logged; over > 0 {
		m.frame.Log = append([]Entry(nil), m.frame.Log[over:]...)
	}
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.asks }) {
		m.outlook = nil
		return m.ask(false)
	}
	return nil
}

// refresh brings the frame up to date.
func (m *viewer) refresh() {
	f := &m.frame
	selected := ""
	if f.Overview != nil && f.policy() != nil {
		selected = f.policy().Name
	}
	f.Clock = overview.Clock{Now: m.Clock.Now(), Zone: m.Zone}
	f.Overview, f.Blind = m.state.Overview(m.outlook, f.Now), m.state.Blind()
	f.Selected = max(min(f.Selected, len(f.Overview.Policies)-1), 0)
	for i := range f.Overview.Policies {
		if f.Overview.Policies[i].Name == selected {
			f.Selected = i
		}
	}
	f.Offset = max(min(f.Offset, f.Last()), 0)
}

// press is what a key does.
func (m *viewer) press(key string) tea.Cmd {
	f := &m.frame
	switch key {
	case "q":
		return tea.Quit
	case "ctrl+c":
		if m.options.Interrupt != nil {
			m.options.Interrupt()
		}
		return tea.Quit
	case "?":
		f.Help = !f.Help
	case "esc":
		f.Help, f.FullLog, f.Offset = false, false, 0
	case "l":
		f.FullLog, f.Offset = !f.FullLog, 0
	case "f":
		f.Hide = !f.Hide
	case "tab":
		m.selectPolicy(1)
	case "shift+tab":
		m.selectPolicy(-1)
	default:
		m.scroll(key)
	}
	return nil
}

func (m *viewer) selectPolicy(step int) {
	if count := len(m.frame.Overview.Policies); count > 0 {
		m.frame.Selected, m.frame.Offset = (m.frame.Selected+step+count)%count, 0
	}
}

func (m *viewer) scroll(key string) {
	f := &m.frame
	steps := map[string]int{
		"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -f.Page(), "pgdown": f.Page(),
		"home": -f.Last(), "g": -f.Last(), "end": f.Last(), "G": f.Last(),
	}
	step := steps[key]
	if f.FullLog {
		step = -step // its offset is counted from the end
	}
	f.Offset += step
}

// View implements tea.Model.
func (m *viewer) View() tea.View {
	view := tea.NewView(joined(Screen(&m.frame)))
	view.AltScreen = true
	return view
}
