package kured

import (
	"encoding/csv"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// argument is one of kured's arguments, or one of its environment variables.
type argument struct {
	// text is the argument as kured sees it, or the value of the variable.
	text   string
	source Source
	// unknown says where the value is if it is not in the configuration, such as "in the Secret slack".
	unknown string
	// usual is an argument of the chart that nobody has written.
	usual bool
}

// variable is an environment variable.
type variable struct {
	name string
	argument
}

// value of a flag.
type value struct {
	text    string
	source  Source
	unknown string
	usual   bool
}

// settings are the flags of kured as it runs, each with its values in order.
type settings map[string][]value

// last is the value that counts of a flag that does not grow.
func (s settings) last(flag string) (value, bool) {
	all := s[flag]
	if len(all) == 0 {
		return value{}, false
	}
	return all[len(all)-1], true
}

func (s settings) text(flag, otherwise string) string {
	if v, set := s.last(flag); set {
		return v.text
	}
	return otherwise
}

func (s settings) enabled(flag string) bool {
	v, set := s.last(flag)
	is, err := strconv.ParseBool(v.text)
	return set && err == nil && is
}

func (s settings) seconds(flag string) (time.Duration, value, bool) {
	v, set := s.last(flag)
	d, err := time.ParseDuration(v.text)
	return d, v, set && err == nil
}

func (s settings) number(flag string) (int, value, bool) {
	v, set := s.last(flag)
	n, err := strconv.ParseInt(v.text, 0, 32)
	return int(n), v, set && err == nil
}

// parse arguments as kured's flag library does.
func (r *report) parse(arguments []argument) settings {
	parsed := settings{}
	for i := 0; i < len(arguments); i++ {
		a := arguments[i]
		name, text, written := strings.Cut(strings.TrimPrefix(a.text, "--"), "=")
		k, known := flags[name]
		switch {
		case !strings.HasPrefix(a.text, "--") || name == "":
			r.wrong(a.source, "%q is not a flag, and kured would not do what it seems to say: "+
				"remove it, or write its name with two dashes, = and the value", a.text)
			continue
		case !known:
			r.wrong(a.source, "--%s is not a flag of any known version of kured: remove it if you know that it need not be carried "+
				"over", name)
			continue
		case !written && k == boolean:
			text = "true"
		case !written && i+1 < len(arguments):
			i++
			text, a.unknown = arguments[i].text, arguments[i].unknown
		case !written:
			r.wrong(a.source, "--%s has no value, so kured does not start: write one, or remove the flag", name)
			continue
		}
		a.source.Name = nameOf(a.source.Name, name)
		r.set(parsed, name, value{text: text, source: a.source, unknown: a.unknown, usual: a.usual})
	}
	return parsed
}

// nameOf is the name of a setting in its source.
func nameOf(written, flag string) string {
	if written == "" {
		return "--" + flag
	}
	return written
}

// quoted values have quotation marks as part of them: no shell has removed those.
var quoted = regexp.MustCompile(`^("[^"]*"|'[^']*')$`)

// set a flag to a value that is one for it.
func (r *report) set(parsed settings, flag string, v value) {
	if v.unknown != "" {
		if flag != flagNotify && flag != flagSlack && flag != "node-id" {
			r.wrong(v.source, "its value is %s, which is not read: write the value itself and run this again", v.unknown)
			return
		}
		parsed[flag] = append(parsed[flag], v)
		return
	}
	if flag == flagNotify || flag == flagSlack {
		v.text = unquoted(v.text)
	}
	if quoted.MatchString(v.text) {
		r.wrong(v.source, "the quotation marks of %s are part of the value, because no shell removes them: remove them", v.text)
		return
	}
	if problem := check(flag, v.text); problem != "" {
		r.wrong(v.source, "%q %s, so kured does not start", v.text, problem)
		return
	}
	if flags[flag] != slice || v.text == "" {
		parsed[flag] = append(parsed[flag], v)
		return
	}
	r.setItems(parsed, flag, v)
}

// setItems of a list.
func (r *report) setItems(parsed settings, flag string, v value) {
	items, err := csv.NewReader(strings.NewReader(v.text)).Read()
	if err != nil {
		r.wrong(v.source, "%q is not a list separated by commas: %v", v.text, err)
		return
	}
	for _, item := range items {
		parsed[flag] = append(parsed[flag], value{text: item, source: v.source, usual: v.usual})
	}
}

// unquoted does what kured does with notify-url and slack-hook-url.
func unquoted(text string) string {
	if len(text) > 2 && text[0] == text[len(text)-1] && (text[0] == '"' || text[0] == '\'') {
		return text[1 : len(text)-1]
	}
	return text
}

func check(flag, text string) (problem string) {
	var err error
	switch flags[flag] {
	case boolean:
		_, err = strconv.ParseBool(text)
		problem = "is neither true nor false"
	case integer:
		_, err = strconv.ParseInt(text, 0, 32)
		problem = "is not a whole number"
	case duration:
		_, err = time.ParseDuration(text)
		problem = "is not a duration with a unit, such as 30m"
	case expression:
		_, err = regexp.Compile(text)
		if err != nil {
			problem = "is not a regular expression: " + err.Error()
		}
	case plain, slice, array:
	}
	if err == nil {
		return ""
	}
	return problem
}

// environment variables of kured, applied to the flags as its version does.
func (r *report) environment(parsed settings, variables []variable, v version) settings {
	merged := maps.Clone(parsed)
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		i := slices.IndexFunc(variables, func(v variable) bool { return v.name == variableOf(name) })
		if i < 0 || name == "node-id" {
			continue
		}
		a := variables[i].argument
		if flags[name] == array {
			r.wrong(a.source, "kured since 1.17 does not read this variable, and before it blocks by it: write "+
				"configuration.blockingPodSelector or --%s, or remove it", name)
			continue
		}
		if r.emptyVariable(name, a, v) {
			continue
		}
		fresh := settings{}
		r.set(fresh, name, value{text: a.text, source: a.source, unknown: a.unknown})
		if len(fresh[name]) > 0 {
			merged[name] = r.override(name, parsed[name], fresh[name], v)
		}
	}
	return merged
}

// emptyVariable says that a variable that is there and empty is not read.
func (r *report) emptyVariable(name string, a argument, v version) bool {
	kind := flags[name]
	switch {
	case a.text != "" || a.unknown != "":
		return false
	case v.before(17):
		r.note(a.source, "kured %s does not read a variable that is empty", v)
		return true
	case !v.known && (kind == expression || kind == slice):
		r.wrong(a.source, "from version 1.17 on kured takes the empty value, before it does not read an empty variable, and the version is "+
			"not known here: write a value, or remove it")
		return true
	}
	return false
}

func variableOf(flag string) string {
	return "KURED_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// override says which of a flag's values count: the values of its argument, or the value of its variable.
func (r *report) override(name string, written, variable []value, v version) []value {
	if len(written) == 0 {
		return variable
	}
	argument, source := written[len(written)-1], variable[0].source
	by := argument.source.String()
	if argument.usual {
		by = "kured's chart, by itself"
	}
	same := slices.EqualFunc(written, variable, func(a, b value) bool { return a.text == b.text && b.unknown == "" })
	switch {
	case same:
		return written
	case !v.known:
		r.wrong(source, "the same flag is set to %q by %s. From version 1.17 on kured takes the variable, before it the flag, and the "+
			"version is not known here: remove one of them", shown(name, argument.text), by)
	case !v.before(17) && flags[name] == slice:
		r.decide(source, "kured adds this to what is set by %s; both are carried over. Remove one of them if that is not meant", by)
		return slices.Concat(written, variable)
	case !v.before(17) && argument.usual:
		return variable
	case !v.before(17):
		r.decide(source, "it overrides %q of %s, as in kured %s. Remove the one that is not meant", shown(name, argument.text), by, v)
		return variable
	default:
		r.decide(source, "it has no effect in kured %s, because the same flag is set to %q by %s. Remove the one that is not "+
			"meant", v, shown(name, argument.text), by)
	}
	return written
}

// repeated says which flags are written several times although only the last counts.
func (r *report) repeated(parsed settings) {
	for _, name := range slices.Sorted(maps.Keys(parsed)) {
		all := slices.DeleteFunc(slices.Clone(parsed[name]), func(v value) bool { return v.usual })
		if k := flags[name]; k == slice || k == array || len(all) < 2 {
			continue
		}
		last := all[len(all)-1]
		for _, v := range all[:len(all)-1] {
			if v.text != last.text {
				r.decide(v.source, "%q has no effect: kured takes the last value, %q of %s. Remove the one that is not "+
					"meant", shown(name, v.text), shown(name, last.text), last.source)
			}
		}
	}
}

// shown is a value as findings may show it: URLs of receivers have tokens in them.
func shown(flag, text string) string {
	if flag == flagNotify || flag == flagSlack {
		return "another URL"
	}
	return text
}
