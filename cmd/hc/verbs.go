package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hc/lib/cli"
)

// builtin are the verbs that are part of this binary, each in a file of its own. They come before programs hc-VERB.
var builtin = cli.Verbs{
	newCat, newCheckout, newClear, newClone, newDiff, newDoctor, newDu, newFsck, newGC, newKeys, newLog, newLogs, newLs, newPeers, newPull, newRepack,
	newRm, newShare, newStatus, newSync,
}

// pipes has the usage texts of the programs hc-VERB that come with this one.
var pipes = map[string]string{
	"append": "append blocks to a signed log, and print its key and length",
	"chunk":  "cut bytes into blocks where their content says so",
	"fetch":  "fetch a log or a drive, or a part of it, and write it with its proof",
	"serve":  "let peers fetch the logs of a store, live",
	"verify": "check a proof stream, and write the bytes that it proves",
}

// allVerbs returns every verb, built in or found, sorted.
func allVerbs(tools toolset) []string {
	verbs := append(builtin.Names(), tools.verbs()...)
	slices.Sort(verbs)
	return slices.Compact(verbs)
}

// listVerbs returns the list of verbs for the help.
func listVerbs(tools toolset) string {
	verbs := allVerbs(tools)
	width := 0
	for _, verb := range verbs {
		width = max(width, len(verb))
	}
	var b strings.Builder
	b.WriteString("verbs:\n")
	for _, verb := range verbs {
		line := fmt.Sprintf("  %-*s  %s", width, verb, cmp.Or(builtin.Usage(verb), pipes[verb]))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// storeFrom returns the IO of a verb, with dir as $HC_DIR unless it is empty.
func storeFrom(dir string, std *cli.IO) *cli.IO {
	own := *std
	own.Env = func(name string) string {
		if name == "HC_DIR" && dir != "" {
			return dir
		}
		return std.Getenv(name)
	}
	return &own
}
