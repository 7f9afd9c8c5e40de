package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// recipe is what the Dockerfile says about the image.
type recipe struct {
	// labels of the image; values have no variables any more.
	labels map[string]string
	// programs that are copied to the root of the image, all with the mode.
	programs   []string
	mode       int64
	user       string
	entrypoint []string
}

// reader reads a Dockerfile line by line.
type reader struct {
	recipe

	// variables that an ARG declares, with their values.
	variables map[string]string
	// given are the values that variables have.
	given map[string]string
}

var (
	labelPattern = regexp.MustCompile(`([a-z][a-z.]*)="([^"]*)"`)
	copyPattern  = regexp.MustCompile(`^--chmod=(0[0-7]{3}) (.+) /$`)
)

// readDockerfile reads the few instructions that the image needs, so that it is described once. It refuses all others.
func readDockerfile(text string, given map[string]string) (recipe, error) {
	read := reader{recipe: recipe{labels: map[string]string{}}, variables: map[string]string{}, given: given}
	for number, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		instruction, rest, _ := strings.Cut(line, " ")
		if err := read.instruction(instruction, strings.Join(strings.Fields(rest), " ")); err != nil {
			return recipe{}, fmt.Errorf("instruction of the Dockerfile in line %d or below: %w", number+1, err)
		}
	}
	if len(read.programs) == 0 || read.user == "" || len(read.entrypoint) == 0 || len(read.labels) == 0 {
		return recipe{}, fmt.Errorf("the Dockerfile has no LABEL, COPY, USER or ENTRYPOINT")
	}
	return read.recipe, nil
}

func (r *reader) instruction(name, rest string) error {
	switch name {
	case "FROM":
		if rest != "scratch" {
			return fmt.Errorf("FROM %s: only scratch is known", rest)
		}
	case "ARG":
		variable, value, _ := strings.Cut(rest, "=")
		if given, ok := r.given[variable]; ok {
			value = given
		}
		r.variables[variable] = value
	case "LABEL":
		return r.label(rest)
	case "COPY":
		return r.copy(rest)
	case "USER":
		r.user = rest
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &r.entrypoint)
	default:
		return fmt.Errorf("%s is not known", name)
	}
	return nil
}

func (r *reader) label(rest string) error {
	var known []string
	for _, match := range labelPattern.FindAllStringSubmatch(rest, -1) {
		known = append(known, match[0])
		value := match[2]
		for _, variable := range slices.Sorted(maps.Keys(r.variables)) {
			value = strings.ReplaceAll(value, "${"+variable+"}", r.variables[variable])
		}
		if strings.Contains(value, "$") {
			return fmt.Errorf("LABEL %s: a variable without ARG", match[0])
		}
		r.labels[match[1]] = value
	}
	if strings.Join(known, " ") != rest {
		return fmt.Errorf("LABEL %s: not of the form name=\"value\"", rest)
	}
	return nil
}

func (r *reader) copy(rest string) error {
	match := copyPattern.FindStringSubmatch(rest)
	if match == nil || len(r.programs) > 0 {
		return fmt.Errorf("COPY %s: only one, with --chmod and to /, is known", rest)
	}
	r.programs = strings.Fields(match[2])
	for _, program := range r.programs {
		if program != path.Base(program) {
			return fmt.Errorf("COPY %s: %s is in another folder", rest, program)
		}
	}
	mode, err := strconv.ParseInt(match[1], 8, 64)
	r.mode = mode
	return err
}
