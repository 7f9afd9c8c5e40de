package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// message is one of the JSON objects that govulncheck writes, one after another.
type message struct {
	OSV     *struct{ ID, Summary string }
	Finding *struct {
		OSV          string
		FixedVersion string `json:"fixed_version"`
		Trace        []struct{ Module, Version, Function string }
	}
}

// parse reads what govulncheck found. Only what is called counts: a finding whose trace begins with a function.
func parse(in io.Reader) ([]vulnerability, error) {
	summaries := map[string]string{}
	found := map[string]*vulnerability{}
	messages := 0
	for decoder := json.NewDecoder(in); ; messages++ {
		var m message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what govulncheck says: %w", err)
		}
		switch {
		case m.OSV != nil:
			summaries[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil && len(m.Finding.Trace) > 0 && m.Finding.Trace[0].Function != "":
			id, at := m.Finding.OSV, m.Finding.Trace[0]
			if found[id] == nil {
				found[id] = &vulnerability{ID: id, Modules: map[string]string{}}
			}
			found[id].Modules[at.Module+"@"+at.Version] = m.Finding.FixedVersion
		}
	}
	if messages == 0 {
		return nil, errors.New("govulncheck said nothing")
	}
	var all []vulnerability
	for id, v := range found {
		v.Summary = summaries[id]
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b vulnerability) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}
