// Package tests runs the binaries the way users do: scripts in script/*.txtar, one promise each.
//
// A script is testscript's (see its documentation), every program behind exec, and has besides:
//
//	exit CODE program [ARG…]     runs the program; its exit code must be CODE
//	[!] pipe 'a | b'             runs a pipeline in bash; it fails where any part of it does (for a code: exit)
//	waitfor FILE PATTERN [VAR…]  waits until the file has the pattern; $VAR are its groups
//	filesize FILE OP BYTES       compares a file's size; OP is one of == != <= >= < >
//	flipbit FILE BIT             flips one bit; bit 0 is the lowest one of the first byte; BIT < 0 counts from the end
//	truncate FILE BYTES          sets a file's size; BYTES < 0 takes that many away
//	[node]                       node is there, with the stock peers in peers/; $PEERS is that folder
//
// Background programs write where a script can look while they run only if they are told to:
//
//	exec bash -c 'exec hc-serve --listen 127.0.0.1:0 2> serve.log' &serve&
//	waitfor serve.log 'listening on (\S+)' ADDR
//	…
//	kill -INT serve
//
// HC_UPDATE=1 writes what `cmp stdout` and `cmp stderr` got into the scripts, and renews docs/man and completions.
// HC_COVERDIR=DIR builds the binaries with -cover and has them write there.
package tests
