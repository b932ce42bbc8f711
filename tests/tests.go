// Package tests runs the binaries the way users do: scripts in script/*.txtar, one promise each.
//
// A script is one of testscript (see its documentation), runs every program with exec, and has these commands besides:
//
//	exit CODE program [ARG…]     runs the program; its exit code must be CODE
//	pipe [CODE] 'a | b'          runs a pipeline in bash with pipefail; its exit code must be CODE, else 0
//	start NAME 'a | b'           starts one, in the background, with its output in the files NAME.out and NAME.err
//	signal NAME INT              sends all parts of a started one a signal: INT, TERM, KILL, STOP or CONT
//	finish NAME CODE             waits for a started one to end; its exit code must be CODE
//	step FILE HEADING [CODE]     runs the shell code under this line of a workflow, as the CI system does
//	waitfor FILE PATTERN [VAR…]  waits until the file has the pattern; $VAR are its groups
//	growto FILE BYTES            waits until a file has that many bytes
//	json FILE KEY…               every line of the file (or of stdout, stderr) is an object with these keys in this order
//	filesize FILE OP BYTES       compares a file's size; OP is one of == != <= >= < >
//	flipbit FILE BIT             flips one bit; bit 0 is the lowest one of the first byte; BIT < 0 counts from the end
//	truncate FILE BYTES          sets a file's size; BYTES < 0 takes that many away
//	[mount]                      unshare -rm can mount a file system, by a script of its own
//	$EXAMPLES                    the folder examples
//	[node]                       node is there, with the stock peers in peers/; $PEERS is that folder
//
// A server, say, on any free port:
//
//	start serve 'hc-serve --listen 127.0.0.1:0'
//	waitfor serve.err 'listening on (\S+)' ADDR
//	pipe 'hc-fetch $KEY --peer $ADDR | hc-verify $KEY > copy'
//	signal serve INT
//	finish serve 130
//
// Anything that a script leaves running is killed at its end. Every script has an empty $HC_DIR, and $WORK as its folder.
//
// HC_UPDATE=1 writes the output that `cmp stdout` and `cmp stderr` got into the scripts, and updates docs/man and completions.
// HC_COVERDIR=DIR builds the binaries with -cover and has them write there.
package tests
