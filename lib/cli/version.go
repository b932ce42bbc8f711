package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker: -ldflags '-X hc/lib/cli.version=1.2.3'.
var version string

// Version returns the version of this build: what the linker was told, else what the go command stamped.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// PrintVersion prints the tool's name and version and what it was built by and for, as --version does.
func PrintVersion(std *IO) error {
	_, err := fmt.Fprintf(std.Out, "%s %s (%s %s/%s)\n", std.Name, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
