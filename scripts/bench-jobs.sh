# shellcheck shell=bash disable=SC2154,SC2034
# bench-jobs.sh is the part of bench.sh that measures second versions, many readers, and starting, beside programs of other
# kinds: it is read by that, and uses what is defined there. docs/performance.md defines what the tables say.

# logs prints lines like those of a web server, up to the length asked for.
logs() {
	awk -v bytes="$1" 'BEGIN {
		srand(1)
		split("GET GET GET GET POST PUT", verb); split("index api/v1/items api/v1/users static/app.js static/site.css img/logo.png search login", path, " ")
		split("200 200 200 200 200 304 404 500", code)
		for (at = 1764000000; bytes > 0; at += int(rand() * 3)) {
			line = sprintf("10.%d.%d.%d - - [%d] \"%s /%s?id=%d HTTP/1.1\" %s %d \"-\" \"client/%d.%d\" %.3f\n", rand() * 4, rand() * 256, rand() * 256,
				at, verb[1 + int(rand() * 6)], path[1 + int(rand() * 8)], rand() * 1e6, code[1 + int(rand() * 8)], rand() * 1e5, rand() * 9, rand() * 30, rand() * 2)
			bytes -= length(line)
			printf "%s", line
		}
	}'
}

# releases stores two adjacent releases, as tar streams, beside restic.
releases() {
	local releases="$old_release $new_release" release i what
	release_tars || return 0
	can restic || { say "SKIPPED: two releases: restic is not to be had"; return; }
	export RESTIC_PASSWORD=none RESTIC_CACHE_DIR=$work/cache
	for ((i = 1; i <= runs; i++)); do
		say "two versions, run $i of $runs"
		rm -rf versions-hc versions-restic
		restic -q -r versions-restic init
		for release in $releases; do
			cat "$release.tar" > /dev/null
			timed "versions/hc/$release" "hc-chunk $release.tar | hc-append -C versions-hc $release > /dev/null"
			echo "$(stored versions-hc)" > "versions-hc.$release"
			timed "versions/restic/$release" "restic -q -r versions-restic backup --stdin --stdin-filename tar < $release.tar"
			echo "$(stored versions-restic)" > "versions-restic.$release"
		done
	done
	set -- $releases
	heading "Two adjacent releases of a source tree: $module $1 and $2, $(megabytes "$(length "$1.tar")") MB each as tar"
	table "what" "first, s" "second, s" "stored MB" "grew by MB" "together, restic = 1"
	for what in hc restic; do
		row "$([[ $what == hc ]] && echo "\`hc-chunk \| hc-append\`" || echo "restic $(restic version | cut -d " " -f 2), \`backup --stdin\`, encrypted")" \
			"$(calc %.2f "$(median "versions/$what/$1")")" "$(calc %.2f "$(median "versions/$what/$2")")" \
			"$(calc %.2f "$(cat "versions-$what.$1") / 1e6")" "$(calc %.2f "($(cat "versions-$what.$2") - $(cat "versions-$what.$1")) / 1e6")" \
			"$(calc %.3f "$(cat "versions-$what.$2") / $(cat "versions-restic.$2")")"
	done
	rm -rf versions-*
}

# differing stores two inputs with small differences.
differing() {
	local i who beside
	beside=$(there hc zbackup bup casync restic)
	for ((i = 0; i < 64; i++)); do
		dd if=random bs=$((size / 64)) skip=$i count=1 2> /dev/null
		head -c 4096 /dev/urandom
	done > random2
	differing_pair random random2
	! release_tars || differing_pair $old_release.tar $new_release.tar
	heading "A second version that differs little"
	table "what" "first, s" "second, s" "time of the second, hc = 1" "grew by MB" "grew, hc = 1"
	for who in $beside; do differing_row "random, with 64 insertions of 4 KiB" random2; done
	[[ ! -e $new_release.tar ]] || for who in $beside; do differing_row "$module $new_release behind $old_release" $new_release.tar; done
	rm -rf job job.* random2
}
differing_pair() { # FIRST SECOND
	for ((i = 1; i <= runs; i++)); do
		for who in $beside; do
			! its_turn "$i" "$who" "$2" || tried differing_one "$1" "$2"
		done
	done
}
differing_one() { # FIRST SECOND
	local before
	say "differing: $2 in $who, run $i of $(turns "$who" "$2")"
	rm -rf job job.*
	mkdir job
	"begin_$who"
	cat "$1" > /dev/null
	timed "differing/$2/$who/first" "$("store_$who" "$1" one)"
	before=$(stored job)
	cat "$2" > /dev/null
	timed "differing/$2/$who" "$("store_$who" "$2" two)"
	echo "differing/$2/$who/grew $(($(stored job) - before)) 0 0" >> times
	((i > 1)) || bash -o pipefail -c "$(printed "$who" two) | cmp - $2" || die "$who: what was read is not $2"
}
differing_row() { # WHAT SECOND
	row "$1: $(name_of "$who")$(one_run "$who" "$2")" "$(calc %.2f "$(median "differing/$2/$who/first")")" "$(calc %.2f "$(median "differing/$2/$who")")" \
		"$(calc %.2f "$(median "differing/$2/$who") / $(median "differing/$2/hc")")" "$(calc %.2f "$(median "differing/$2/$who/grew") / 1e6")" \
		"$(calc %.2f "$(median "differing/$2/$who/grew") / $(median "differing/$2/hc/grew")")"
}

# readers lets one reader fetch a log, and then many at once.
readers() {
	local i many=64 key part=$((size / 4))
	head -c "$part" random > quarter
	key=$(hc-chunk quarter | hc-append -C many log | cut -d ' ' -f 1)
	for i in 1 $many; do
		serve "readers/$i" "hc-serve -C many --json --listen 127.0.0.1:0"
		say "readers: $i"
		timed "readers/$i" "for i in \$(seq $i); do hc-fetch --no-store $key --peer 127.0.0.1:$port > /dev/null & all+=(\$!); done; for p in \"\${all[@]}\"; do wait \$p || exit; done"
		stop_server
	done
	heading "Readers of one log of $(megabytes "$part") MB at once"
	table "readers" "s" "MB/s, together" "peak MiB, the server"
	for i in 1 $many; do
		row "$i" "$(calc %.2f "$(median "readers/$i")")" "$(calc %.0f "$i * $part / 1e6 / $(median "readers/$i")")" "$(peak "readers/$i")"
	done
	rm -rf many quarter
}

# starting starts programs that have nothing to do, many times.
starting() {
	local i times=200
	mkdir empty
	printf 'package main\n\nfunc main() {}\n' > empty/main.go
	(cd empty && go build -o ../bin/nothing main.go)
	for ((i = 1; i <= runs; i++)); do
		say "starting, run $i of $runs"
		timed start/nothing "for i in {1..$times}; do nothing; done"
		timed start/hc "for i in {1..$times}; do hc-verify --version; done > /dev/null"
	done
	heading "Starting a program"
	table "what" "ms" "an empty Go program = 1"
	row "an empty Go program" "$(calc %.2f "$(median start/nothing) * 1000 / $times")" 1
	row "\`hc-verify --version\`" "$(calc %.2f "$(median start/hc) * 1000 / $times")" "$(calc %.2f "$(median start/hc) / $(median start/nothing)")"
	rm -rf empty
}
