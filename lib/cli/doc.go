// Package cli has everything that the project's binaries share: the skeleton of an app, its exit codes, its progress line,
// its JSON Lines, its signals, its manual page. It is the only package that knows a process or a terminal.
//
// A binary is a main of one line and a function that describes it:
//
//	func main() { cli.Main(newApp) }
//
//	func newApp(std *cli.IO) *urfave.App {
//		return &urfave.App{
//			Name:        "hc-example",
//			Usage:       "copy standard input to standard output",     // NAME in the manual
//			ArgsUsage:   "[FILE]",                                     // SYNOPSIS
//			Description: "Paragraphs, a blank line between them.\n\n    an indented line is literal",
//			Flags:       []urfave.Flag{cli.StoreFlag(), cli.JSONFlag()},
//			Metadata: cli.Manual{
//				Examples: []cli.Example{{Does: "copy a file", Command: "hc-example < a > b"}},
//				SeeAlso:  []string{"hc-chunk(1)"},
//			}.Metadata(),
//			Action: func(c *urfave.Context) error { … },
//		}
//	}
//
// Run adds --help, --version, --quiet and --verbose to every app. Flags may be anywhere on the line; `--` ends them;
// `-` is an argument. An action reads its flags with c.String and so on, its arguments with c.Args(), refuses bad ones
// with [Usagef], and returns an error, whose exit code is that of the first matching row of the table in exit.go. It must
// end when c.Context is done. A tool that talks to peers also passes the rows of lib/cli/network to [Main].
//
// Such an app can also be a verb of hc instead of a binary: see [Verbs].
package cli
