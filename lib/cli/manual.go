package cli

import urfave "github.com/urfave/cli/v2"

// Manual describes an app beyond the fields of urfave.App. Help, manual page and completions are made from both.
type Manual struct {
	Examples    []Example
	Environment []Variable          // beyond those of the shared flags
	SeeAlso     []string            // "hc-append(1)"
	Choices     map[string][]string // the values that a flag takes, by the flag's first name
	Arguments   Arguments           // what completions offer for an argument
	FlagsFirst  bool                // flags end at the first argument; the rest is passed on unchanged (hc VERB …)
	Verbs       Verbs               // apps that are part of this binary
	HelpOnly    func() string       // shown only in help, as it depends on the machine; nil: nothing
}

// Example is one command line and what it does, in a few words.
type Example struct{ Does, Command string }

// Variable is an environment variable that a tool reads.
type Variable struct{ Name, Meaning string }

// Arguments says what an app's arguments are.
type Arguments int

// What completions offer for an argument.
const (
	NoArguments Arguments = iota
	FileArguments
	CoreArguments // local names of cores, as found in the store's folder
	VerbArguments // Manual.Verbs, and programs named hc-*
)

const manualKey = "hc.manual"

// Metadata wraps the manual for the app's field of that name.
func (m Manual) Metadata() map[string]any { return map[string]any{manualKey: m} }

func manualOf(app *urfave.App) Manual {
	m, _ := app.Metadata[manualKey].(Manual)
	return m
}
