package cli

// RefuseTerminal returns a usage error where standard output is a terminal and force is false. For tools that write
// bytes which are not text.
func RefuseTerminal(std *IO, force bool) error {
	if !std.OutTerminal || force {
		return nil
	}
	return Usagef("not writing binary data to a terminal: send it to a file or a pipe")
}
