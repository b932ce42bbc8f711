#!/usr/bin/env bash
# bench.sh measures hc beside restic/chunker, stock Hypercore and programs of other kinds, in the same run, and prints tables
# in Markdown: medians, ratios, peak memory. It asserts no time, but stops if bytes come out wrong. docs/performance.md
# explains the method, and each bench-*.sh has some of the parts.
#
#   HC_BENCH_SIZE=1GiB  of random data, and half as much of logs (the third input is the Go source, as one tar)
#   HC_BENCH_RUNS=3     runs, of which the median is printed
#   HC_BENCH_FULL=1     peak memory at 8 times that size, too, or at another size that is given instead of 1
#   HC_BENCH_PARTS=…    only some of the parts cutting, append, cold, wire, commits, releases, drives, far, fetch, blocks, versions,
#                       differing, copies, readers, live, starting and scale; cold and fetch take what append has stored; memory is
#                       not one of them: FULL adds it, at the size itself, too
#   HC_BENCH_SCALE=1000000  objects of the store, and blocks of the longest log, of the part scale
#   HC_BENCH_DIR=DIR    where to work: room for 8 times the size and 2 GiB (FULL: 2 times that and 6 GiB), on a disk, or
#                       nothing is durable
#   HC_BENCH_INSTALL=0  install nothing
#
# Run it by `make bench`, which builds the tools and installs the stock peers, and leave the machine alone meanwhile: about
# 40 minutes on two cores. It works in a folder of its own, which it removes, and talks to the loopback interface only, except to
# fetch what it measures: two releases of a large module, and restic, like any Go program; and, if it runs as root and there is
# apt-get, borg, casync, zbackup, bup, zpaq and rsync. desync, syncthing and scp are measured if they are installed. Programs
# that are not available are left out.
. "$(dirname "$0")/measuring.sh"
for file in peers append lines fetch jobs drives far versions copies memory scale; do . "$root/scripts/bench-$file.sh"; done

size=$(bytes "${HC_BENCH_SIZE:-1GiB}")
runs=${HC_BENCH_RUNS:-3}
full_size=${HC_BENCH_FULL:-0}
[[ $full_size != 1 ]] || full_size=$((size * 8))
full_size=$(bytes "$full_size")
full=$((full_size > 0))
parts=${HC_BENCH_PARTS:-cutting append cold wire commits releases drives far fetch blocks versions differing copies readers live starting scale}
part() { [[ " $parts " == *" $1 "* ]]; }
for name in cold fetch; do
	! part $name || part append || die "HC_BENCH_PARTS=$parts: $name takes append, whose stores it uses"
done
[[ $runs =~ ^[1-9][0-9]*$ ]] || die "HC_BENCH_RUNS=$runs: want 1 or more"

export peer=$root/tests/peers/bench.js
stock=yes
if ! command -v node > /dev/null || [[ ! -d $root/tests/peers/node_modules/hypercore ]]; then
	stock=
	cat >&2 <<-END
		**********************************************************************
		There is no node, or no stock peer ('make peers' installs it):
		ALL THAT IS MEASURED BESIDE STOCK HYPERCORE IS SKIPPED.
		**********************************************************************
	END
fi

need=$((size * 8 + (2 << 30)))
((full)) && ((full_size * 2 + size * 2 + (6 << 30) > need)) && need=$((full_size * 2 + size * 2 + (6 << 30)))
work_in "${HC_BENCH_DIR:-/var/tmp}" "$need"
obtain_restic || true # the same version everywhere, where that is to be had
install_peers
find_durable

machine() {
	local cpu memory
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2> /dev/null | head -n 1 || true)
	memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo 2> /dev/null || true)
	if [[ $(uname) == Darwin ]]; then
		cpu=$(sysctl -n machdep.cpu.brand_string)
		memory=$(($(sysctl -n hw.memsize) >> 30))" GiB"
	fi
	heading "The machine, and what ran on it"
	row "" ""
	row --- ---
	row processor "${cpu:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) cores"
	row memory "${memory:-not known}"
	row system "$(uname -srm)"
	row "file system" "$kind"
	row "load before" "$(uptime | sed 's/.*load average[s]*: *//')"
	row hc "$(hc-append --version | head -n 1), $(cd "$root" && git describe --always --dirty 2> /dev/null || echo 'no git')"
	row Go "$(go env GOVERSION)"
	row restic/chunker "$(cd "$root" && go list -m -f '{{.Version}}' github.com/restic/chunker)"
	row "stock Hypercore" "$([[ -z $stock ]] && echo "not there: skipped" || echo "$(node "$peer" version), node $(node --version)")"
	row "the others" "$(versions_of_others)"
	row inputs "random, $(megabytes "$size") MB; Go source, $(megabytes "$(length source)") MB; logs, $(megabytes "$(length logs)") MB"
	row runs "$runs, interleaved, but of slow programs, which are marked; medians are told"
}
versions_of_others() {
	local who line all=()
	for who in borg restic casync zbackup bup zpaq rsync syncthing; do
		can "$who" || continue
		case $who in
		restic | syncthing) line=$("$who" version 2>&1 || "$who" --version 2>&1 || true) ;;
		zbackup | zpaq) line=$("$who" 2>&1 || true) ;; # which say it beside their usage
		*) line=$("$who" --version 2>&1 || true) ;;
		esac
		all+=("$who $(grep -oE '[0-9]+\.[0-9.]*[0-9]|^casync [0-9]+' <<< "$line" | head -n 1 | sed 's/^casync //')")
	done
	((${#all[@]} == 0)) || printf '%s' "${all[0]}" "${all[@]:1}" | sed 's/\([0-9]\)\([a-z]\)/\1, \2/g'
}

# run runs a part, if it is wanted, and prints how long it took.
run() { # PART FUNCTION…
	local function part=$1
	part "$part" || return 0
	SECONDS=0
	shift
	for function in "$@"; do $function; done
	say "$part took $SECONDS s"
}

appending() {
	local input
	build together
	beside=$(there raw direct hc together stock borg restic casync)
	! can desync || beside+=" desync"
	for input in random source logs; do append "$input"; done
	append_table
	second
	second_table
	rm -rf both second second.* stock-second
}
on_the_wire() {
	wire random
	wire source
	wire_table
}
fetching() {
	transfer source
	stop_servers
	transfer logs
	stop_servers
	transfer random
	fetch_table
	first
	first_table
	stop_servers
}
forget() {
	! part append || look_after random writer-random
	rm -rf writer-* stock-* reader
}

# main is a function, so that all of this file is read before any of it runs.
main() {
	say "working in $work"
	head -c "$size" /dev/urandom > random
	tar -C "$(go env GOROOT)" -cf source src
	logs $((size / 2)) > logs
	machine
	run cutting cutting
	run append appending
	run cold cold
	run wire on_the_wire
	run commits commits
	run releases releases
	run drives drives
	run far far
	run fetch fetching
	forget
	run blocks blocks
	run versions second_versions
	((full)) && at_full
	run differing differing
	run copies copies
	run readers readers
	run live live
	run starting starting
	run scale scale
	if part append || ((full)); then
		memory_table
	fi
}
main
