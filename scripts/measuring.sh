# shellcheck shell=bash disable=SC2154,SC2034
# measuring.sh is what bench.sh and large-drive.sh have in common, and is read by them: a folder to work in, servers that are
# stopped with it, times, peaks, and tables in Markdown.
set -euo pipefail
export LC_ALL=C
unset HC_DIR

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "$*"; exit 1; }

# bytes reads a size: 4096, 64MiB, 1GiB.
bytes() {
	local number=${1%%[!0-9]*}
	case $1 in
	"" | [!0-9]*) die "\"$1\" is no size: want 4096, 64MiB or 1GiB" ;;
	*[!0-9]*) case ${1#"$number"} in
		[kK] | [kK]iB) echo $((number << 10)) ;;
		[mM] | [mM]iB) echo $((number << 20)) ;;
		[gG] | [gG]iB) echo $((number << 30)) ;;
		*) die "\"$1\" is no size: want 4096, 64MiB or 1GiB" ;;
		esac ;;
	*) echo "$1" ;;
	esac
}

# work_in FOLDER BYTES goes to a new folder below FOLDER, which has to have that much room, and which is removed at the end.
work_in() {
	local room
	[[ -x $root/bin/hc-append ]] || die "the tools are not built: run 'make build'"
	work=$(mktemp -d "$1/hc-$(basename "$0" .sh).XXXXXX")
	cd "$work"
	room=$(df -Pk . | awk 'NR == 2 { print $4 }')
	((room >= $2 >> 10)) || die "$1 has room for $((room >> 10)) MiB, and $(($2 >> 20)) are needed: work elsewhere, or on less (see $0)"
	kind=$([[ $(uname) == Linux ]] && stat -f -c %T . || echo "not known")
	[[ $kind != tmpfs ]] || say "WARNING: $1 is in memory, so nothing there is durable: work elsewhere (see $0)"
	build measure
	export PATH=$work/bin:$root/bin:$PATH
}
# build builds a program of tests/ that scripts use.
build() {
	(cd "$root" && go build -o "$work/bin/" "./tests/$1")
}

work=
servers=()
cleanup() {
	stop_servers
	cd /
	[[ -z $work ]] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# timed NAME LINE runs a pipeline and notes its time. In a LINE, "$m TOOL" before a command notes its peak memory as
# TOOL's. Earlier writes reach the disk first, so that no command pays for another.
timed() {
	sync
	measure times "$1" bash -o pipefail -c "$2" || die "this failed: $2"
}
# timed_first notes the time of the first byte only.
timed_first() {
	sync
	measure -first times "$1" bash -o pipefail -c "$2" || die "this failed: $2"
}
m='measure peaks'

# median NAME [FIELD]: of the seconds (2) or CPU seconds (3) noted under a name.
median() {
	awk -v name="$1" -v field="${2:-2}" '$1 == name { print $field }' times | sort -n |
		awk '{ v[NR] = $1 } END { if (!NR) exit 1; printf "%.4f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }' ||
		die "nothing was noted as $1"
}
peak() { awk -v name="$1" '$1 == name && $4 > max { max = $4 } END { if (max) printf "%.0f", max / 1024; else printf "–" }' peaks; }
length() { wc -c < "$1" | tr -d ' '; }
stored() { du -sk "$1" | awk '{ printf "%.0f\n", $1 * 1024 }'; }
field() { sed -n "s/.*\"$2\":\"\{0,1\}\([0-9a-f.e-]*\).*/\1/p" "$1"; }
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
megabytes() { calc %.1f "$1 / 1e6"; }
heading() { printf '\n### %s\n\n' "$1"; }
table() {
	row "$@"
	printf "|---|"
	shift
	printf -- "---:|%.0s" "$@"
	printf "\n"
}
row() {
	printf '|'
	printf ' %s |' "$@"
	printf '\n'
}

# serve NAME LINE starts a server and sets $port.
serve() {
	: > serve.out
	bash -c "exec $m $1 $2" > serve.out 2> serve.err &
	servers+=($!)
	port=
	local i
	for ((i = 0; i < 600; i++)); do
		port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p; s/.*"address":"[^"]*:\([0-9]*\)".*/\1/p' serve.out)
		[[ -z $port ]] || return 0
		kill -0 $! 2> /dev/null || break
		sleep 0.05
	done
	cat serve.err >&2
	die "this server did not start: $2"
}
stop_servers() {
	while ((${#servers[@]} > 0)); do stop_server; done
}
# stop_server stops the server that was started last, which has noted its peak when this returns.
stop_server() {
	local last=$((${#servers[@]} - 1))
	kill "${servers[last]}" 2> /dev/null && wait "${servers[last]}" 2> /dev/null || true
	unset "servers[last]"
}

milliseconds() { calc %.0f "$(median "$1") * 1000"; }
