package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// billCommand removes from bills of materials (CycloneDX) what is about the machine that wrote them. cyclonedx-gomod writes the hashes of
// its own executable, which Go built for that machine: with them, two machines never write the same bill. Files are changed in place.
func billCommand(_ context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("bill", flag.ContinueOnError)
	files, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("bill: no files")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		portable, err := portableBill(text)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(file, portable, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// portableBill returns a bill without the hashes of the tools that wrote it. All other hashes stay.
func portableBill(text []byte) ([]byte, error) {
	var bill map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	// A number is written as it was read.
	decoder.UseNumber()
	if err := decoder.Decode(&bill); err != nil {
		return nil, err
	}
	metadata, _ := bill["metadata"].(map[string]any)
	// Since CycloneDX 1.5, tools may be an object with a list of components.
	tools := metadata["tools"]
	if object, ok := tools.(map[string]any); ok {
		tools = object["components"]
	}
	list, _ := tools.([]any)
	if bill["bomFormat"] != "CycloneDX" || len(list) == 0 {
		return nil, errors.New("not a CycloneDX bill of materials with metadata.tools")
	}
	for _, one := range list {
		tool, ok := one.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("metadata.tools has %v, expected an object", one)
		}
		delete(tool, "hashes")
	}
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(bill)
	return written.Bytes(), err
}
