package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// Verbs are apps that are part of another one's binary: with the app hc-gc in this list, `hc gc` runs it in the process of
// hc. Each describes itself as a binary does. An app whose [Manual] has verbs hands them their words by [RunVerb].
type Verbs []func(*IO) *urfave.App

// Names returns the verbs, sorted.
func (v Verbs) Names() []string {
	names := make([]string, 0, len(v))
	for _, newApp := range v {
		names = append(names, verbOf(newApp(&IO{}).Name))
	}
	slices.Sort(names)
	return names
}

// Find returns the app of a verb, nil if there is none.
func (v Verbs) Find(verb string) func(*IO) *urfave.App {
	for _, newApp := range v {
		if verbOf(newApp(&IO{}).Name) == verb {
			return newApp
		}
	}
	return nil
}

// Usage returns in one line what a verb does, empty if there is none of that name.
func (v Verbs) Usage(verb string) string {
	if newApp := v.Find(verb); newApp != nil {
		return newApp(&IO{}).Usage
	}
	return ""
}

// verbOf returns the part of an app's name after the first dash: gc of hc-gc.
func verbOf(name string) string {
	_, verb, _ := strings.Cut(name, "-")
	return verb
}

// RunVerb runs an app inside the action of another one, as if it were a binary that was called with args. The app's messages
// begin with its name as it was typed, `hc gc: …`. The error, which the action must return, is nil or makes [Run] exit
// with the app's own code: everything was reported already.
func RunVerb(ctx context.Context, newApp func(*IO) *urfave.App, std *IO, args []string) error {
	own := *std
	own.called = strings.Replace(newApp(&IO{}).Name, "-", " ", 1)
	if code := Run(ctx, newApp, &own, append([]string{own.called}, args...)); code != ExitDone {
		return &ranError{name: own.called, code: code}
	}
	return nil
}

// ranError is the exit code of an app that ran and reported by itself what went wrong.
type ranError struct {
	name string
	code int
}

func (e *ranError) Error() string { return fmt.Sprintf("%s: exit %d", e.name, e.code) }

// print writes the verbs, one a line, for the generation of their pages.
func (v Verbs) print(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(append(v.Names(), ""), "\n"))
	return err
}
