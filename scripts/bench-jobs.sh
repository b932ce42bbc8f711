# shellcheck shell=bash disable=SC2154,SC2034
# bench-jobs.sh is the part of bench.sh that measures whole jobs beside programs of other kinds: it is read by that, and
# uses what is defined there. docs/performance.md defines what the tables say.

# there PROGRAM… prints those that are on the machine, and says which are not.
there() {
	local who
	for who in "$@"; do
		if [[ $who == hc || $who == dd ]] || command -v "$who" > /dev/null; then
			echo "$who"
		else
			say "SKIPPED: $who, which is not on this machine"
		fi
	done
}

# logs prints lines as a web server writes them, of the length asked for.
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

# storing stores an input and reads it again, in hc and in programs that keep backups.
storing() {
	local input who i beside
	beside=$(there hc borg restic casync)
	logs $((size / 2)) > logs
	for input in random source logs; do
		for ((i = 1; i <= runs; i++)); do
			for who in $beside; do
				say "storing: $input in $who, run $i of $runs"
				rm -rf job
				mkdir job
				"begin_$who"
				cat "$input" > /dev/null
				timed "storing/$input/$who" "$("store_$who" "$input" one)"
				echo "storing/$input/$who/stored $(stored job) 0 0" >> times
				((i > 1)) || bash -o pipefail -c "$("read_$who" one) | cmp - $input" || die "$who: what was read is not $input"
				timed "reading/$input/$who" "$("read_$who" one) > /dev/null"
			done
		done
		[[ $input == random ]] || cold "$input"
	done
	rm -rf job
	storing_table
	cold_table
}
storing_table() {
	local input who
	heading "Storing, and reading again, beside programs that keep backups"
	table "what" "storing, s" "CPU s" "hc = 1" "stored MB" "reading, s" "hc = 1"
	for input in random source logs; do
		for who in $beside; do
			row "$input, $(megabytes "$(length "$input")") MB: $(name_of "$who")" \
				"$(calc %.2f "$(median "storing/$input/$who")")" "$(calc %.2f "$(median "storing/$input/$who" 3)")" \
				"$(calc %.2f "$(median "storing/$input/$who") / $(median "storing/$input/hc")")" "$(megabytes "$(median "storing/$input/$who/stored")")" \
				"$(calc %.2f "$(median "reading/$input/$who")")" "$(calc %.2f "$(median "reading/$input/$who") / $(median "reading/$input/hc")")"
		done
	done
}
name_of() {
	case $1 in
	hc) echo "hc" ;;
	borg) echo "borg, lz4, not encrypted" ;;
	restic) echo "restic" ;;
	zbackup) echo "zbackup, lzo" ;;
	*) echo "$1" ;;
	esac
}

# For each program: how its store begins, the line that stores FILE as NAME, and the one that prints what is stored as NAME.
begin_hc() { :; }
store_hc() { echo "hc-chunk $1 | hc-append -C job/hc $2 > job.$2"; }
read_hc() { echo "hc-fetch -C job/hc $1 | hc-verify \$(cut -d ' ' -f 1 job.$1)"; }
begin_borg() {
	export BORG_BASE_DIR=$work/job BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
	borg init -e none job/borg
}
store_borg() { echo "borg create job/borg::$2 $1"; }
read_borg() { echo "borg extract --stdout job/borg::$1"; }
begin_restic() {
	export RESTIC_PASSWORD=none RESTIC_CACHE_DIR=$work/job/cache
	restic -q -r job/restic init
}
store_restic() { echo "restic -q -r job/restic backup --tag $2 --stdin --stdin-filename data < $1"; }
read_restic() { echo "restic -q -r job/restic dump --tag $1 latest data"; }
begin_casync() { mkdir job/casync; }
store_casync() { echo "casync make --store=job/casync/store.castr job/casync/$2.caibx $1 > /dev/null"; }
read_casync() { echo "{ casync extract --store=job/casync/store.castr job/casync/$1.caibx job.out && cat job.out && rm job.out; }"; }
begin_zbackup() { zbackup init --non-encrypted job/zbackup > /dev/null 2>&1; }
store_zbackup() { echo "zbackup --non-encrypted --silent -o bundle.compression_method=lzo backup job/zbackup/backups/$2 < $1 > /dev/null 2>&1"; }
begin_bup() {
	export BUP_DIR=$work/job/bup
	bup init 2> /dev/null
}
store_bup() { echo "bup split -q -n $2 < $1"; }

# cold packs the store of an input again as tightly as can be, beside zpaq.
cold() {
	say "cold: $1"
	rm -rf job
	mkdir job
	bash -c "$(store_hc "$1" one)"
	timed "cold/$1/hc" "hc repack --cold -C job/hc > /dev/null"
	stored job/hc > "cold.$1.hc"
	timed "cold/$1/read" "$(read_hc one) > /dev/null"
	command -v zpaq > /dev/null || return 0
	timed "cold/$1/zpaq" "zpaq add job/zpaq $1 -m1 > /dev/null 2>&1"
	length job/zpaq.zpaq > "cold.$1.zpaq"
}
cold_table() {
	local input
	heading "\`hc repack --cold\`"
	table "input" "hc, s" "MB" "zpaq -m1, s" "MB" "reading, s" "before, s"
	for input in source logs; do
		row "$input" "$(calc %.2f "$(median "cold/$input/hc")")" "$(megabytes "$(cat "cold.$input.hc")")" \
			"$([[ -s cold.$input.zpaq ]] && calc %.2f "$(median "cold/$input/zpaq")" || echo –)" "$([[ -s cold.$input.zpaq ]] && megabytes "$(cat "cold.$input.zpaq")" || echo –)" \
			"$(calc %.2f "$(median "cold/$input/read")")" "$(calc %.2f "$(median "reading/$input/hc")")"
	done
}

# differing stores two inputs that differ little.
differing() {
	local i who beside
	beside=$(there hc zbackup bup casync restic)
	say "differing: 64 insertions of 4 KiB"
	for ((i = 0; i < 64; i++)); do
		dd if=random bs=$((size / 64)) skip=$i count=1 2> /dev/null
		head -c 4096 /dev/urandom
	done > random2
	differing_pair random random2
	[[ ! -e v1.31.2.tar ]] || differing_pair v1.31.1.tar v1.31.2.tar
	heading "A second version that differs little"
	table "what" "second, s" "hc = 1" "grew by MB"
	for who in $beside; do differing_row "random, with 64 insertions of 4 KiB" random2; done
	[[ ! -e v1.31.2.tar ]] || for who in $beside; do differing_row "$module v1.31.2 behind v1.31.1" v1.31.2.tar; done
	rm -rf job random2
}
differing_pair() { # FIRST SECOND
	local before
	for ((i = 1; i <= runs; i++)); do
		for who in $beside; do
			say "differing: $2 in $who, run $i of $runs"
			rm -rf job
			mkdir job
			"begin_$who"
			bash -o pipefail -c "$("store_$who" "$1" one)"
			before=$(stored job)
			cat "$2" > /dev/null
			timed "differing/$2/$who" "$("store_$who" "$2" two)"
			echo "differing/$2/$who/grew $(($(stored job) - before)) 0 0" >> times
			[[ $who != hc || $i != 1 ]] || bash -o pipefail -c "$(read_hc two) | cmp - $2" || die "what was read is not $2"
		done
	done
}
differing_row() { # WHAT SECOND
	row "$1: $(name_of "$who")" "$(calc %.2f "$(median "differing/$2/$who")")" \
		"$(calc %.2f "$(median "differing/$2/$who") / $(median "differing/$2/hc")")" "$(calc %.2f "$(median "differing/$2/$who/grew") / 1e6")"
}

# readers has one reader fetch a log, and then many at once.
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

# beside_rsync fetches the random input from an rsync daemon, which neither encrypts nor proves, and from hc.
beside_rsync() {
	local i key
	[[ $(there rsync) ]] || return 0
	mkdir module
	ln random module/data
	printf '[m]\npath = %s\nuse chroot = no\n%s' "$work/module" "$( ((EUID)) || printf 'uid = root\ngid = root\n')" > rsyncd.conf
	key=$(hc-chunk random | hc-append -C from log | cut -d ' ' -f 1)
	serve rsync-serve/hc "hc-serve -C from --json --listen 127.0.0.1:0"
	for ((i = 1; i <= runs; i++)); do
		say "beside rsync, run $i of $runs"
		rm -rf reader copy
		timed rsync/hc "$m rsync/hc hc-fetch -C reader $key --peer 127.0.0.1:$port > /dev/null"
		timed rsync/rsync "$m rsync/rsync rsync --rsh='sh -c \"rsync --server --daemon --config=rsyncd.conf .\"' localhost::m/data copy"
		cmp copy random || die "rsync's copy is not what was sent"
	done
	heading "Fetching $(megabytes "$size") MB of random bytes into a store, beside a plain copy"
	table "what" "s" "MB/s" "hc = 1" "peak MiB"
	for i in hc rsync; do
		row "$([[ $i == hc ]] && echo "\`hc-fetch\`, encrypted and verified" || echo "rsync's daemon, over a pipe")" "$(calc %.2f "$(median "rsync/$i")")" \
			"$(calc %.0f "$size / 1e6 / $(median "rsync/$i")")" "$(calc %.2f "$(median "rsync/$i") / $(median rsync/hc)")" "$(peak "rsync/$i")"
	done
	stop_servers
	rm -rf module from reader copy
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
