#!/usr/bin/env bash
# large-drive.sh brings a large folder from hc to stock Hyperdrive and from stock Hyperdrive to hc, compares the copies with
# the original, and prints times and peak memory as a table in Markdown. It stops at the first difference.
#
#   HC_LARGE_FILES=100000  small files of text, at most a hundred in a folder
#   HC_LARGE_SIZE=4GiB     of random data, in one more file
#   HC_LARGE_DIR=DIR       where to work: room for 5 times the size, and 40 KiB for each file
#
# Run it by `make large-drive`, which builds the tools and installs the peers: it takes minutes. It works in a folder of its
# own, which it removes, and talks to the loopback interface only.
. "$(dirname "$0")/measuring.sh"

files=${HC_LARGE_FILES:-100000}
[[ $files =~ ^[1-9][0-9]*$ ]] || die "HC_LARGE_FILES=$files: want 1 or more"
size=$(bytes "${HC_LARGE_SIZE:-4GiB}")
export drive_peer=$root/tests/peers/drive.js
[[ -d $root/tests/peers/node_modules/hyperdrive ]] && command -v node > /dev/null ||
	die "there is no node, or no stock peer: 'make peers' installs it"

work_in "${HC_LARGE_DIR:-/var/tmp}" $((size * 5 + files * 40960 + (1 << 30)))
mkfifo nothing # what a peer reads that is to do nothing but serve

# make_files writes lines that differ from file to file, one line to forty, and the large file.
make_files() {
	local i
	for ((i = 0; i * 100 < files; i++)); do mkdir -p "owner/$((i / 100))/$i"; done
	awk -v files="$files" 'BEGIN {
		srand(1)
		for (i = 0; i < files; i++) {
			name = "owner/" int(i / 10000) "/" int(i / 100) "/" i ".txt"
			for (n = int(rand() * 40); n >= 0; n--) printf "file %d, line %d: %.9f and %.9f\n", i, n, rand(), rand() > name
			close(name)
		}
	}'
	head -c "$size" /dev/urandom > owner/large
}

# step NAME COMMAND runs a command, timed, beside the server that was started last. It stops if that server ends, for
# which the other side might wait forever.
step() {
	local server= pid code=0
	((${#servers[@]} == 0)) || server=${servers[${#servers[@]} - 1]}
	say "$1"
	sync
	measure times "$1" bash -c "exec $m $1 $2" &
	pid=$!
	servers+=("$pid") # to be stopped where this script is
	while kill -0 "$pid" 2> /dev/null; do
		if [[ -n $server ]] && ! kill -0 "$server" 2> /dev/null; then
			cat serve.err >&2
			die "$1: the server has ended"
		fi
		sleep 0.2
	done
	wait "$pid" || code=$?
	((code == 0)) || die "$1: exit code $code of: $2"
	unset "servers[${#servers[@]} - 1]"
}

# stock NAME OPTIONS COMMAND EVENT runs one command of a stock peer, which has to report the event.
stock() {
	printf '%s\nquit\n' "$3" > "$1.in"
	step "$1" "node \"\$drive_peer\" $2 < $1.in > $1.out"
	grep -q "\"event\":\"$4\"" "$1.out" || die "$1: no \"$4\" in what stock reported: $(tail -c 2000 "$1.out")"
}

# same_files stops if a folder is not what was made.
same_files() {
	diff -r --exclude=.hc plain "$1" > differences || die "$1 is not what was shared: $(head -n 5 differences)"
}

say "making $files files, and one of $((size >> 20)) MiB, in $work"
make_files
cp -al owner plain # the same files, without the store that is to come

step hc-share "hc share owner --once > key"
serve hc-serve "hc-serve -C owner/.hc --json --listen 127.0.0.1:0"
step hc-to-hc "hc clone $(cat key) copy --peer 127.0.0.1:$port --quiet"
same_files copy
rm -rf copy

stock hc-to-stock "--storage reader --key $(cat key) --connect 127.0.0.1:$port" "mirror $work/copy" mirrored
same_files copy
stop_servers
rm -rf copy reader owner

stock stock-import "--storage stock" "import $work/plain" imported
serve stock-serve "node \"\$drive_peer\" --storage stock --listen 0<> nothing"
step stock-to-hc "hc clone $(field stock-import.out key) copy --peer 127.0.0.1:$port --quiet"
same_files copy
stop_servers # who has ended has noted its peak

line() { # NAME SERVER WHAT
	row "$3" "$(calc %.1f "$(median "$1")")" "$(calc %.1f "$(median "$1" 3)")" "$(peak "$1")" "$([[ -z $2 ]] || peak "$2")"
}
heading "A drive of $files files and one of $(megabytes "$size") MB, $(megabytes "$(stored plain)") MB in all: hc $(git -C "$root" describe --always --dirty 2> /dev/null || true), stock Hyperdrive $(field hc-to-stock.out version)"
table "what, compared with what was there" "s" "CPU s" "peak MiB" "peak MiB, the server, from its start"
line hc-share "" "\`hc share --once\`"
line hc-to-hc hc-serve "hc → hc, \`hc clone\`"
line hc-to-stock hc-serve "hc → stock, \`mirror\`"
line stock-import "" "stock, import"
line stock-to-hc stock-serve "stock → hc, \`hc clone\`"
