package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"

	urfave "github.com/urfave/cli/v2"
)

// Main runs an app as this process and exits. SIGINT, SIGTERM and SIGHUP end the action's context, a second one ends the
// process; a reader that goes away ends the tool silently, like any filter. exits are errors of packages that this one
// does not know, by their exit code.
func Main(newApp func(*IO) *urfave.App, exits ...Exits) {
	std, ctx := system(), context.Background()
	std.exits = exits
	var ballast []byte
	if !onlyVersion(os.Args) { // that is over before any of this is of use
		ballast = tuneCollector()
		ctx = untilSignal(ctx)
		std.In = interruptible(ctx, os.Stdin)
	}
	code := Run(ctx, newApp, std, os.Args)
	runtime.KeepAlive(ballast)
	// Closing the output is the last thing that can fail, on a network file system or over quota.
	if err := os.Stdout.Close(); err != nil && code == ExitDone && !errors.Is(err, os.ErrClosed) {
		if !isBadDescriptor(err) {
			fmt.Fprintf(os.Stderr, "%s: closing standard output: %v\n", std.Name, err)
			code = ExitFailed
		}
	}
	os.Exit(code)
}

// Run runs an app and returns its exit code. args[0] is the program's name, as in os.Args. An error is written to std.Err,
// in one line. std itself is not changed: the app gets a copy.
func Run(ctx context.Context, newApp func(*IO) *urfave.App, std *IO, args []string) int {
	own := *std
	out := &output{w: std.Out, file: std.outFile, pipe: std.outPipe}
	own.Out, own.Err = out, newScreen(std.Err)
	if own.Log == nil {
		own.Log = slog.New(slog.DiscardHandler)
	}
	app := newApp(&own)
	own.Name = own.called
	if own.Name == "" {
		own.Name = app.Name
	}
	own.called = "" // not that of a verb of this app
	std.Name = own.Name

	err := run(ctx, app, &own, args)
	if ran := (*ranError)(nil); errors.As(err, &ran) {
		return ran.code
	}
	code := ExitCode(err, own.exits...)
	var sig *signalError
	cancelled := errors.Is(err, context.Canceled)
	gone := out.broken.Load() && (cancelled || errors.Is(err, errOutputGone) || errors.Is(err, os.ErrClosed))
	switch {
	case errors.As(context.Cause(ctx), &sig):
		// Cancelled is never success, even if the action says so. A failed verification stays one.
		if code != ExitUnverified {
			code = exitSignal + sig.number()
		}
		if err == nil || cancelled || gone { // the same signal may have ended the reader a moment before
			err = sig
		}
	case err != nil && gone:
		return exitBrokenOutput
	}
	if err != nil {
		own.reportError(err, code)
	}
	return code
}

// onlyVersion reports whether a command line asks for the version and nothing else, as a script does to find out whether a
// tool is there.
func onlyVersion(args []string) bool { return slices.Equal(args[1:], []string{"--version"}) }

func run(ctx context.Context, app *urfave.App, std *IO, args []string) error {
	if onlyVersion(args) {
		return PrintVersion(std)
	}
	p := pageOf(complete(app))
	p.command = std.Name
	if len(args) == 3 && args[1] == generateFlag {
		return p.generate(std.Out, args[2])
	}
	line, err := p.read(args[1:])
	if err != nil {
		isJSON := func(f flagInfo) bool { return f.long == "json" }
		std.JSON = p.find(isJSON) != nil && slices.Contains(args, "--json") // so a reader of objects can read the reason, too
		return seeHelp(std, err)
	}
	switch {
	case line.help:
		return PrintHelp(std, app)
	case line.version:
		return PrintVersion(std)
	}
	if !p.FlagsFirst { // else it is for the verb
		std.hideSecret()
	}
	tame(app, std)
	err = app.RunContext(ctx, append([]string{args[0]}, line.words()...))
	if errors.Is(err, ErrUsage) {
		return seeHelp(std, err)
	}
	return err
}

// complete adds the flags that every app has.
func complete(app *urfave.App) *urfave.App {
	app.Flags = append(app.Flags, quietFlag(), verboseFlag())
	return app
}

// seeHelp points to the help if an error has no better hint.
func seeHelp(std *IO, err error) error {
	if hintOf(err) != "" {
		return err
	}
	return Hint(err, fmt.Sprintf("see '%s --help'", std.Name))
}

// tame undoes urfave/cli's defaults: a help command in place of an argument named help, help on standard output when the
// usage is wrong, a comma that splits values, and an exit from inside. Lines are read by page.read.
func tame(app *urfave.App, std *IO) {
	app.HideHelp, app.HideHelpCommand, app.HideVersion = true, true, true
	app.DisableSliceFlagSeparator = true
	app.Reader, app.Writer, app.ErrWriter = std.In, std.Out, std.Err
	app.ExitErrHandler = func(*urfave.Context, error) {}
	app.OnUsageError = func(_ *urfave.Context, err error, _ bool) error {
		return seeHelp(std, Usagef("%s", usageText(err)))
	}
	before := app.Before
	app.Before = func(c *urfave.Context) error {
		std.Quiet, std.JSON = c.Bool("quiet"), c.Bool("json")
		if c.Bool("verbose") {
			std.Log = newLog(std)
		}
		if before != nil {
			return before(c)
		}
		return nil
	}
}

// newLog returns the log of --verbose.
func newLog(std *IO) *slog.Logger {
	everything := &slog.HandlerOptions{Level: slog.LevelDebug}
	if std.JSON {
		return slog.New(slog.NewJSONHandler(std.Err, everything))
	}
	return slog.New(slog.NewTextHandler(std.Err, everything))
}

// reportError writes an error's one line, or its one object under --json.
func (std *IO) reportError(err error, code int) {
	what, next := oneLine(err.Error()), oneLine(hintOf(err))
	if std.JSON {
		_ = WriteJSON(std.Err, struct {
			Type  string `json:"type"`
			Tool  string `json:"tool"`
			Exit  int    `json:"exit"`
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
		}{"error", std.Name, code, what, next})
		return
	}
	if next != "" {
		what += ": " + next
	}
	fmt.Fprintf(std.Err, "%s: %s\n", std.Name, what)
}

// Warnf writes one line, `hc-x: warning: …`, or one object, to std.Err. --quiet does not silence it.
func (std *IO) Warnf(format string, args ...any) {
	std.say("warning", "warning: ", fmt.Sprintf(format, args...))
}

// Notef writes one line, `hc-x: …`, or one object, to std.Err, unless --quiet is given.
func (std *IO) Notef(format string, args ...any) {
	if !std.Quiet {
		std.say("note", "", fmt.Sprintf(format, args...))
	}
}

func (std *IO) say(kind, prefix, text string) {
	text = oneLine(text)
	if std.JSON {
		_ = WriteJSON(std.Err, struct {
			Type string `json:"type"`
			Tool string `json:"tool"`
			Text string `json:"text"`
		}{kind, std.Name, text})
		return
	}
	fmt.Fprintf(std.Err, "%s: %s%s\n", std.Name, prefix, text)
}
