package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// print gives a command's product: as JSON where that was asked for, else as text.
func (a *app) print(product any, text func(io.Writer) error) error {
	if a.json {
		return a.printJSON(product)
	}
	return text(a.stdout)
}

// printJSON writes v to stdout, indented.
func (a *app) printJSON(v any) error {
	out := json.NewEncoder(a.stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// writeFile writes a product to a file; what stood there before goes only when the new one is whole. A name that is no
// regular file (a device, a pipe) is written to as it is.
func writeFile(name string, write func(io.Writer) error) error {
	draft := name
	if info, err := os.Stat(name); err != nil || info.Mode().IsRegular() {
		draft = name + ".draft"
	}
	f, err := os.Create(draft)
	if err != nil {
		return inputError(err, "")
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && draft != name {
		err = os.Rename(draft, name)
	}
	if err != nil {
		if draft != name {
			_ = os.Remove(draft) // the error to tell is the one above
		}
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
