# shellcheck shell=bash disable=SC2154,SC2034
# bench-peers.sh is the part of bench.sh that knows the programs it compares hc with: how they are installed, how often each
# takes part, and how each stores a file and brings it back. It is read by that, and uses what is defined there.

# install_peers installs missing programs, if it runs as root and there is apt-get; otherwise it names them. HC_BENCH_INSTALL=0
# keeps it from installing. Programs that are not available are left out of the tables.
install_peers() {
	local pair missing=()
	for pair in borg:borgbackup restic:restic casync:casync zbackup:zbackup bup:bup zpaq:zpaq rsync:rsync; do
		command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
	done
	((${#missing[@]} > 0)) || return 0
	if [[ ${HC_BENCH_INSTALL:-1} == 0 ]] || ((EUID)) || ! command -v apt-get > /dev/null; then
		say "NOT INSTALLED, and so left out: ${missing[*]}"
		return 0
	fi
	say "installing ${missing[*]} (HC_BENCH_INSTALL=0 goes on without)"
	apt-get update > install.log 2>&1 || true # an older list may do
	for pair in "${missing[@]}"; do
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$pair" < /dev/null >> install.log 2>&1 ||
			say "NOT TO BE HAD, and so left out: $pair: $(tail -n 1 install.log)"
	done
}

# obtain installs a program like any Go program. Its output is shown only if it fails.
obtain() { (cd "$work" && GOBIN=$work/bin go install "$1") > obtain.log 2>&1 || { tail -n 3 obtain.log >&2; return 1; }; }
restic=v0.18.1
obtain_restic() { [[ -x bin/restic ]] || obtain "github.com/restic/restic/cmd/restic@$restic"; }

# release_dir prints the folder of a release of a large module.
module=k8s.io/kubernetes
release_dir() {
	local dir
	dir=$(cd "$work" && go mod download -json "$module@$1" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p') && [[ -n $dir ]] && echo "$dir"
}

# release_tars makes a tar stream of each of two adjacent releases, with times and owners taken out.
old_release=v1.31.1 new_release=v1.31.2
release_tars() {
	local release dir
	[[ ! -e $new_release.tar ]] || return 0
	if ! tar --version 2> /dev/null | grep -q GNU; then
		say "SKIPPED: two releases: that takes GNU tar"
		return 1
	fi
	say "fetching $module $old_release and $new_release"
	for release in $old_release $new_release; do
		dir=$(release_dir "$release") || { say "SKIPPED: two releases: $module is not to be had"; return 1; }
		tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$dir" -cf "$release.part" .
		mv "$release.part" "$release.tar"
	done
}

# there PROGRAM… prints those that are on the machine, and reports which are not.
there() {
	local who
	for who in "$@"; do
		if can "$who"; then
			echo "$who"
		else
			say "SKIPPED: $who, which is not on this machine"
		fi
	done
}
can() {
	case $1 in
	hc | together) true ;;
	raw) [[ -n $durable ]] ;;
	direct) [[ -n $direct ]] ;;
	stock) [[ -n $stock ]] ;;
	*) command -v "$1" > /dev/null ;;
	esac
}

# turns WHO INPUT: in how many rounds a program takes part; a slow one in one.
turns() {
	case $1/$2 in
	stock/far | stock/version-* | casync/version-* | restic/version-file | borg/version-file | rsync/version-file) echo 1 ;;
	zbackup/* | zpaq/* | cold/* | casync/random* | bup/random* | desync/random*) echo 1 ;;
	*) echo "$runs" ;;
	esac
}
its_turn() { (($1 <= $(turns "$2" "$3"))); } # ROUND WHO INPUT
one_run() { (($(turns "$1" "$2") == runs)) || printf ", one run"; }

# tried runs a function for $who. One of the others that fails is left out of $beside from then on; hc stops the run.
tried() {
	local code
	among "$who" || return 0
	if [[ $who == hc ]]; then
		"$@"
		return
	fi
	set +e # so that it ends where it fails, and this goes on
	(
		set -e
		servers=()
		trap stop_servers EXIT
		"$@"
	)
	code=$?
	set -e
	((code)) || return 0
	say "SKIPPED: $who, which failed with exit code $code"
	beside=$(tr -s ' \n' '\n' <<< "$beside" | grep -vx "$who")
	[[ $who != stock ]] || stock=
}
among() { tr -s ' \n' '\n' <<< "$beside" | grep -qx "$1"; }

name_of() {
	case $1 in
	raw) echo "raw write, \`dd conv=$durable\`" ;;
	direct) echo "raw write, \`dd oflag=direct conv=$durable\`" ;;
	hc) echo "hc" ;;
	together) echo "hc, the same in one process" ;;
	stock) echo "stock, 16 blocks an append" ;;
	borg) echo "borg, lz4, not encrypted" ;;
	restic) echo "restic, encrypted" ;;
	zbackup) echo "zbackup, lzo" ;;
	zpaq) echo "zpaq -m1" ;;
	*) echo "$1" ;;
	esac
}

# durable makes dd write a file that is on the disk when it returns, direct makes it do so past the page cache.
durable='' direct=''
find_durable() {
	local how
	for how in fdatasync fsync; do
		if dd if=/dev/null of=probe conv=$how 2> /dev/null; then
			durable=$how
			break
		fi
	done
	[[ -z $durable ]] || ! dd if=/dev/zero of=probe bs=4096 count=1 oflag=direct conv="$durable" 2> /dev/null || direct=oflag=direct
	rm -f probe
}

# printed is the line that prints the data that a program stored under a name.
printed() { # WHO NAME
	case $1 in
	casync | desync) echo "{ $("read_$1" "$2") && cat job.out; }" ;;
	*) "read_$1" "$2" ;;
	esac
}

# For each program: how its store begins, the line that stores FILE as NAME, and the one that prints what is stored as NAME,
# or, if a program cannot print, writes it to job.out.
begin_raw() { :; }
store_raw() { echo "dd if=$1 of=job/raw bs=1048576 conv=$durable 2> /dev/null"; }
begin_direct() { :; }
store_direct() { echo "dd if=$1 of=job/raw bs=1048576 $direct conv=$durable 2> /dev/null"; }
begin_stock() { :; }
store_stock() { echo "$m stock-append/$1 node \"\$peer\" ingest $1 job/stock $1.cuts > job.stock"; }
read_stock() { echo "node \"\$peer\" read job/stock"; }
begin_hc() { :; }
store_hc() { echo "$m hc-chunk/$1 hc-chunk $1 | $m hc-append/$1 hc-append -C job/hc $2 > job.$2"; }
read_hc() { echo "hc-fetch -C job/hc $1 | hc-verify \$(cut -d ' ' -f 1 job.$1)"; }
begin_together() { :; }
store_together() { echo "together job/together $2 $1 > job.$2"; }
read_together() { echo "hc-fetch -C job/together $1 | hc-verify \$(cut -d ' ' -f 1 job.$1)"; }
begin_borg() {
	export BORG_BASE_DIR=$work/job.cache BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
	borg init -e none job/borg
}
store_borg() { echo "borg create job/borg::$2 $1"; }
read_borg() { echo "borg extract --stdout job/borg::$1"; }
begin_restic() {
	export RESTIC_PASSWORD=none RESTIC_CACHE_DIR=$work/job.cache
	restic -q -r job/restic init
}
store_restic() { echo "restic -q -r job/restic backup --tag $2 --stdin --stdin-filename data < $1"; }
read_restic() { echo "restic -q -r job/restic dump --tag $1 latest data"; }
begin_casync() { mkdir job/casync; }
store_casync() { echo "casync make --store=job/casync/store.castr job/casync/$2.caibx $1 > /dev/null"; }
read_casync() { echo "casync extract --store=job/casync/store.castr job/casync/$1.caibx job.out"; }
begin_desync() { mkdir -p job/desync/store; }
store_desync() { echo "desync make -s job/desync/store job/desync/$2.caibx $1"; }
read_desync() { echo "desync extract -s job/desync/store job/desync/$1.caibx job.out"; }
begin_zbackup() { zbackup init --non-encrypted job/zbackup > /dev/null 2>&1; }
store_zbackup() { echo "zbackup --non-encrypted --silent -o bundle.compression_method=lzo backup job/zbackup/backups/$2 < $1 > /dev/null 2>&1"; }
begin_bup() {
	export BUP_DIR=$work/job/bup
	bup init 2> /dev/null
}
store_bup() { echo "bup split -q -n $2 < $1"; }
read_zbackup() { echo "zbackup --non-encrypted --silent restore job/zbackup/backups/$1 2> /dev/null"; }
read_bup() { echo "bup join $1"; }
