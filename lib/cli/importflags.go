package cli

import urfave "github.com/urfave/cli/v2"

// ImportFlags say which files of a folder are imported. about begins each text, for a tool that reads other things, too.
func ImportFlags(about string) []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringSliceFlag{Name: "exclude", Usage: about + "leave out what `PATTERN` matches, as a line of .hcignore does; may be repeated"},
		&urfave.StringSliceFlag{Name: "include", Usage: about + "take what `PATTERN` matches, even if it would be left out; may be repeated"},
		&urfave.BoolFlag{Name: "skip-special", Usage: about + "leave out devices, sockets, pipes and names that are not UTF-8, instead of failing"},
	}
}
