// Command hc runs the tool that a verb names: `hc fetch KEY` is `hc-fetch KEY`.
package main

import (
	"fmt"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
)

func main() { cli.Main(newApp) }

func newApp(std *cli.IO) *urfave.App {
	own, _ := os.Executable()
	tools := newToolset(own, std.Getenv("PATH"))
	return &urfave.App{
		Name:        "hc",
		Usage:       "the Unix toolkit for Hypercore",
		ArgsUsage:   "VERB [ARGUMENT...]",
		Description: description,
		Flags:       []urfave.Flag{cli.StoreFlag()},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "publish a table; prints its key and length", Command: "hc chunk < table.csv | hc append table"},
				{Does: "show what a verb does", Command: "hc help fetch"},
			},
			SeeAlso:    []string{"hc-append(1)", "hc-chunk(1)", "hc-fetch(1)", "hc-serve(1)", "hc-verify(1)"},
			Arguments:  cli.VerbArguments,
			FlagsFirst: true,
			HelpOnly:   tools.list,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return dispatch(c, std, tools) },
	}
}

const description = `
Every verb is a program of its own, named hc-VERB, that works in pipes by itself. hc looks for it beside itself, then on
PATH, so anybody can add one. 'hc help VERB' shows what a verb does, 'hc version' which version this is.

Flags before the verb are for hc; what stands behind it is the verb's. -C is told to the verb in $HC_DIR.

No tool colours what it writes, so there is nothing that NO_COLOR could turn off.
`

func dispatch(c *urfave.Context, std *cli.IO, tools toolset) error {
	verb, args := c.Args().First(), c.Args().Tail()
	switch {
	case verb == "":
		return cli.Hint(cli.Usagef("no verb given"), "see 'hc help'")
	case verb == "version":
		return cli.PrintVersion(std)
	case verb == "help" && len(args) == 0:
		return cli.PrintHelp(std, c.App)
	case verb == "help":
		verb, args = args[0], []string{"--help"}
	}
	path, ok := tools.find(verb)
	if !ok {
		return unknown(verb, tools)
	}
	env := os.Environ()
	if c.IsSet("dir") {
		env = append(env, "HC_DIR="+c.String("dir"))
	}
	return fmt.Errorf("running %q: %w", path, execute(path, append([]string{"hc-" + verb}, args...), env))
}

func unknown(verb string, tools toolset) error {
	err := cli.Usagef("unknown verb %q", verb)
	if near := cli.Nearest(verb, tools.verbs()); len(near) > 0 {
		return cli.Hint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	return cli.Hint(err, "see 'hc help'")
}
