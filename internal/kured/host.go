package kured

import (
	"path"
	"strings"
	"unicode"
)

// host says how a host asks for a reboot and how it is rebooted: values of the chart, because no policy decides about it.
func (in *input) host(s settings) {
	if v, set := s.last(flagSentinelCmd); set && v.text != "" {
		in.sentinelCommand(s, v)
	} else {
		in.sentinelFile(s)
	}
	in.rebootMethod(s)
}

// sentinelFile is the file whose existence asks for a reboot.
func (in *input) sentinelFile(s settings) {
	v, set := s.last(flagSentinel)
	if !set {
		v = value{text: chartDefaults[flagSentinel], source: Source{File: in.file, Name: "--" + flagSentinel}, usual: true}
	}
	file := path.Clean(v.text)
	switch host, mounted := in.hostPath(file); {
	case in.chart:
	case mounted:
		file = host
	case in.version.before(15):
	case in.version.known:
		in.decide(v.source, "kured %s looks for %s in its container, where no directory of the host is mounted, so it never sees it. "+
			"helper.sentinels has the file of the host: remove it if you do not mean it", in.version, file)
	default:
		in.decide(v.source, "kured since 1.15 looks for %s in its container, where no directory of the host is mounted; before, on the host. "+
			"The version is not known. helper.sentinels has the file of the host: remove it if you do not mean it", file)
	}
	if rest, is := strings.CutPrefix(file, "/var/run/"); is {
		file = "/run/" + rest
	}
	if !path.IsAbs(file) || file == "/" {
		in.wrong(v.source, "%q is not the path of a file: write an absolute one", v.text)
		return
	}
	in.setValue("helper.sentinels", []any{file})
}

// hostPath is where a file of kured's container is on the host.
func (in *input) hostPath(file string) (string, bool) {
	best, host := "", ""
	for inside, outside := range in.mounts {
		if outside != "" && strings.HasPrefix(file, strings.TrimSuffix(inside, "/")+"/") && len(inside) > len(best) {
			best, host = inside, path.Join(outside, strings.TrimPrefix(file, inside))
		}
	}
	return host, best != ""
}

// shells and the like hide which program's exit code is meant.
var wrappers = map[string]string{
	"sh": "a shell", "bash": "a shell", "ash": "a shell", "dash": "a shell", "zsh": "a shell", "busybox": "a shell", "env": "another program",
	"sudo": "another program", "nsenter": "another program", "chroot": "another program", "timeout": "another program", "nice": "another " +
		"program",
	"!": "a shell's negation, which kured takes for the name of a program",
}

// command is a program with its arguments, or why it is not one that can be carried over.
func command(text string) (words []string, problem string) {
	words, ok := split(text)
	switch {
	case !ok || len(words) == 0:
		return nil, "its quotation marks do not match, so kured does not start"
	case wrappers[path.Base(words[0])] != "":
		return nil, "it runs " + wrappers[path.Base(words[0])] + " around the command, and what an exit code means then is not certain"
	case !path.IsAbs(words[0]):
		return nil, words[0] + " is not a path, and the program has to have one here"
	}
	return words, ""
}

// splitter divides a text into words as a shell does, without anything else that a shell does.
type splitter struct {
	words []string
	word  strings.Builder
	// inside a word, which may be empty, within a quotation, and after a backslash.
	inside bool
	quote  rune
	escape bool
}

func (s *splitter) next(r rune) {
	switch {
	case s.escape:
		s.word.WriteRune(r)
		s.escape = false
	case r == '\\' && s.quote != '\'':
		s.escape, s.inside = true, true
	case s.quote != 0:
		if r == s.quote {
			s.quote = 0
			return
		}
		s.word.WriteRune(r)
	case r == '"' || r == '\'':
		s.quote, s.inside = r, true
	case unicode.IsSpace(r):
		s.end()
	default:
		s.word.WriteRune(r)
		s.inside = true
	}
}

func (s *splitter) end() {
	if s.inside {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inside = false
}

func split(text string) (words []string, ok bool) {
	var s splitter
	for _, r := range text {
		s.next(r)
	}
	s.end()
	return s.words, s.quote == 0 && !s.escape
}

// sentinelCommand is a program of the host whose exit code 0 asks for a reboot.
func (in *input) sentinelCommand(s settings, v value) {
	if file, set := s.last(flagSentinel); set && !file.usual {
		in.note(file.source, "kured does not look at the file, because there is a sentinel command")
	}
	in.setValue("helper.sentinels", []any{})
	words, problem := command(v.text)
	if problem != "" {
		in.setValue("helper.noSentinel", true)
		in.decide(v.source, "%s. No host asks for a reboot until you write helper.sentinelCommand in place of helper.noSentinel: a preset "+
			"(see docs/hosts.md), or the "+
			"command without anything around it and what each exit code means. An exit code of a program that is missing must not mean "+
			"Required", problem)
		return
	}
	in.setValue("helper.hostPrograms", true)
	in.setValue("helper.sentinelCommand", map[string]any{
		"command": anys(words), "exitCodes": map[string]any{"0": "Required", "1": "NotRequired"},
	})
	in.note(v.source, "as in kured, exit code 0 asks for a reboot and 1 does not. Every other code, a time-out and a missing program mean "+
		"that it is unknown, and the node is not rebooted")
}

func anys(words []string) []any {
	all := make([]any, len(words))
	for i, word := range words {
		all[i] = word
	}
	return all
}

// usualReboots are what logind does without privileges.
var usualReboots = map[string]bool{
	"/bin/systemctl reboot": true, "/usr/bin/systemctl reboot": true, "systemctl reboot": true,
}

func (in *input) rebootMethod(s settings) {
	reboot, written := s.last(flagCommand)
	method, set := s.last(flagMethod)
	switch {
	case method.text == "signal":
		in.rebootSignal(s, reboot)
	case set && method.text != "command" && method.text != "":
		in.wrong(method.source, "%q is neither command nor signal, so kured does not start", method.text)
	case written && !usualReboots[reboot.text]:
		in.rebootCommand(reboot)
	}
}

const signalOfSystemd = 39

func (in *input) rebootSignal(s settings, reboot value) {
	in.setValue("helper.rebootMethod", "Signal")
	if number, v, set := s.number(flagSignal); set && number != signalOfSystemd {
		in.decide(v.source, "the signal is %d, and only SIGRTMIN+5 (%d), the signal of systemd, is sent here", number, signalOfSystemd)
	}
	if reboot.text != "" && !reboot.usual && !usualReboots[reboot.text] {
		in.decide(reboot.source, "kured sends a signal and does not run it: remove it, or the method")
	}
}

func (in *input) rebootCommand(v value) {
	words, problem := command(v.text)
	if problem != "" {
		in.decide(v.source, "%s. Hosts are rebooted by logind: write helper.rebootMethod and helper.rebootCommand for another way", problem)
		return
	}
	in.setValue("helper.hostPrograms", true)
	in.setValue("helper.rebootMethod", "Command")
	in.setValue("helper.rebootCommand", anys(words))
}
