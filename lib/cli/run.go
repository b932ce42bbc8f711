package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	urfave "github.com/urfave/cli/v2"
)

// Main runs an app as this process and exits.
func Main(newApp func(*IO) *urfave.App) {
	os.Exit(Run(context.Background(), newApp, system(), os.Args))
}

// Run runs an app and returns its exit code. args[0] is the program's name, as in os.Args. What went wrong stands on
// std.Err, in one line.
func Run(ctx context.Context, newApp func(*IO) *urfave.App, std *IO, args []string) int {
	if std.Log == nil {
		std.Log = slog.New(slog.DiscardHandler)
	}
	app := newApp(std)
	std.Name = app.Name
	app.HideHelpCommand = true
	app.Writer, app.ErrWriter = std.Out, std.Err
	err := app.RunContext(ctx, args)
	if err != nil {
		fmt.Fprintf(std.Err, "%s: %v\n", std.Name, err)
	}
	return ExitCode(err)
}

// Warnf writes one line, `hc-x: warning: …`, to std.Err. --quiet does not silence it.
func (std *IO) Warnf(format string, args ...any) {
	fmt.Fprintf(std.Err, "%s: warning: %s\n", std.Name, fmt.Sprintf(format, args...))
}
