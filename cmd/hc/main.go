// Command hc runs a verb: the program hc-fetch for `hc fetch KEY`, or one of the verbs that are part of it.
package main

import (
	"fmt"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
)

func main() { cli.Main(newApp, network.Exits) }

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
				{Does: "publish a folder, serve it, and publish every change", Command: "hc share ./dataset"},
				{Does: "copy it, anywhere else", Command: "hc clone KEY ./copy --peer host"},
				{Does: "publish a table; prints its key and length", Command: "hc chunk < table.csv | hc append table"},
				{Does: "show what a verb does", Command: "hc help fetch"},
			},
			SeeAlso:    []string{"hc-append(1)", "hc-chunk(1)", "hc-fetch(1)", "hc-serve(1)", "hc-verify(1)"},
			Verbs:      builtin,
			Arguments:  cli.VerbArguments,
			FlagsFirst: true,
			HelpOnly:   func() string { return listVerbs(tools) },
		}.Metadata(),
		Action: func(c *urfave.Context) error { return dispatch(c, std, tools) },
	}
}

const description = `
Verbs that work on folders, or look after a store, are part of hc itself. Those that work in pipes are programs of their own, named
hc-VERB: hc looks for them beside itself, then on PATH, so anybody can add one. 'hc help VERB' shows what a verb does, 'hc version' the
version of hc.

Flags before the verb are for hc; everything after it is passed to the verb. A -C before the verb reaches it as $HC_DIR.

No tool colours its output, so there is nothing for NO_COLOR to turn off.
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
	if newApp := builtin.Find(verb); newApp != nil {
		return cli.RunVerb(c.Context, newApp, storeFrom(c.String("dir"), std), args)
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
	if near := cli.Nearest(verb, allVerbs(tools)); len(near) > 0 {
		return cli.Hint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	return cli.Hint(err, "see 'hc help'")
}
