# shellcheck shell=bash disable=SC2154,SC2034
# bench-memory.sh is the part of bench.sh that measures the peak memory of each tool: it is read by that, and uses what is
# defined there.

# look_after runs the verbs that rewrite and check a store on one: INPUT STORE.
look_after() {
	say "fsck and repack: $1"
	timed "fsck/$1" "$m hc-fsck/$1 hc fsck -C $2 > /dev/null"
	timed "repack/$1" "$m hc-repack/$1 hc repack -C $2 > /dev/null"
}

# at_full sends another size through every tool once, for the peaks, and the size itself, too, where no other part does.
at_full() {
	rm -rf writer-* stock-* reader
	part append || peaks_at random "$size"
	peaks_at full "$full_size"
}

# peaks_at sends BYTES through every tool, and notes the peaks under INPUT. The bytes are made on the way, the same ones each time, so
# that the disk holds only the store that is written and the one that is read into, and a pack that replaces another.
peaks_at() { # INPUT BYTES
	local key noise="noise $2"
	build noise
	say "$(($2 >> 20)) MiB: append"
	timed "$1/append" "$noise | $m hc-chunk/$1 hc-chunk | $m hc-append/$1 hc-append -C writer-$1 log > $1.key"
	key=$(cut -d ' ' -f 1 "$1.key")
	say "$(($2 >> 20)) MiB: fetch"
	serve "hc-serve/$1" "hc-serve -C writer-$1 --json --listen 127.0.0.1:0"
	timed "$1/fetch" "$m hc-fetch/$1 hc-fetch -C reader $key --peer 127.0.0.1:$port | $m hc-verify/$1 hc-verify $key | cmp - <($noise)"
	stop_servers
	rm -rf reader
	look_after "$1" "writer-$1"
	say "$(($2 >> 20)) MiB: cold"
	timed "$1/cold" "$m hc-cold/$1 hc repack --cold -C writer-$1 > /dev/null"
	rm -rf "writer-$1"
}

memory_table() {
	local tool columns=("random $(megabytes "$size") MB" "Go source" "logs") inputs="random source logs" input values
	((full)) && columns+=("random $(megabytes "$full_size") MB" "of that at the size") && inputs="$inputs full"
	heading "Peak memory, MiB, the most of all runs"
	table "tool" "${columns[@]}"
	for tool in hc-chunk hc-append hc-serve hc-fetch hc-verify hc-fsck hc-repack hc-cold ${stock:+stock-append stock-serve stock-fetch}; do
		values=()
		for input in $inputs; do values+=("$(peak "$tool/$input")"); done
		((full)) && values+=("$(growth "$tool")")
		row "$(tool_name "$tool")" "${values[@]}"
	done
}
tool_name() {
	case $1 in
	stock-*) echo "stock, ${1#*-}" ;;
	hc-fsck | hc-repack) echo "hc ${1#*-}" ;;
	hc-cold) echo "hc repack --cold" ;;
	*) echo "$1" ;;
	esac
}
# growth is how many times as much a tool takes at the full size.
growth() {
	local small large
	small=$(peak "$1/random") large=$(peak "$1/full")
	[[ $small == – || $large == – ]] || calc %.2f "$large / $small"
}
