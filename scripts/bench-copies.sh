# shellcheck shell=bash disable=SC2154,SC2034
# bench-copies.sh is the part of bench.sh that measures a fetch beside plain copies of a file over loopback TCP: it is read
# by that, and uses what is defined there. docs/performance.md defines what the table says.

# copies fetches random bytes and logs from hc, from rsync's daemon, which neither encrypts nor proves, by scp, and by
# syncthing.
copies() {
	local input who i beside="hc" ports=() port_rsync port_ssh made_run=
	mkdir module
	ln random logs module/
	! begin_rsync_daemon || beside+=" rsync"
	! begin_sshd || beside+=" scp"
	! can syncthing || beside+=" syncthing"
	for input in random logs; do
		hc-chunk "$input" | hc-append -C from "$input" > "from.$input"
	done
	serve copies-serve/hc "hc-serve -C from --json --listen 127.0.0.1:0"
	ports[0]=$port
	for input in random logs; do
		for ((i = 1; i <= runs; i++)); do
			for who in $beside; do
				! its_turn "$i" "$who" "$input" || tried copy_one
			done
		done
	done
	stop_servers
	copies_table
	rm -rf module from from.* reader copy ssh
	[[ -z $made_run ]] || rmdir /run/sshd
}
copy_one() {
	say "copies: $input, $who, run $i of $(turns "$who" "$input")"
	rm -rf reader copy
	cat "$input" > /dev/null
	if [[ $who == hc && $i == 1 ]]; then
		bash -o pipefail -c "$(copy_hc) | hc-verify $(cut -d ' ' -f 1 "from.$input") | cmp - $input" || die "hc: what was fetched is not $input"
		rm -rf reader
	fi
	if [[ $who == syncthing ]]; then
		copy_syncthing
	else
		timed "copies/$input/$who" "$m copies-$who/$input $("copy_$who") > /dev/null"
	fi
	[[ $who == hc ]] || cmp copy "$input" || die "$who: the copy is not $input"
}
copy_hc() { echo "hc-fetch -C reader $(cut -d ' ' -f 1 "from.$input") --peer 127.0.0.1:${ports[0]}"; }
copy_rsync() { echo "rsync rsync://127.0.0.1:$port_rsync/m/$input copy"; }
copy_scp() {
	echo "scp -q -c aes128-gcm@openssh.com -P $port_ssh -i ssh/user -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
$(id -un)@127.0.0.1:$work/module/$input copy"
}

copies_table() {
	heading "Fetching over loopback TCP into a store, beside copies of the file"
	table "what" "s" "MB/s" "CPU s of the reader" "hc = 1" "peak MiB of the reader"
	for input in random logs; do
		for who in $beside; do
			row "$input: $(copy_name)$(one_run "$who" "$input")" "$(calc %.2f "$(median "copies/$input/$who")")" "$(calc %.0f "$(length "$input") / 1e6 / $(median "copies/$input/$who")")" \
				"$([[ $who == syncthing ]] || calc %.2f "$(median "copies/$input/$who" 3)")" "$(calc %.2f "$(median "copies/$input/$who") / $(median "copies/$input/hc")")" "$(peak "copies-$who/$input")"
		done
	done
}
copy_name() {
	case $who in
	hc) echo "\`hc-fetch\`, encrypted and verified" ;;
	rsync) echo "rsync's daemon, plain" ;;
	scp) echo "scp, aes128-gcm" ;;
	syncthing) echo "syncthing, encrypted, until the file has its name" ;;
	*) echo "$who" ;;
	esac
}

# free_port sets $port to one at which nothing listens; listens_at starts a server there, and returns when it listens.
free_port() {
	for ((port = 20000 + RANDOM % 20000; ; port++)); do
		! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || continue
		return 0
	done
}
listens_at() { # PORT COMMAND…
	local i to=$1
	shift
	"$@" > serve.out 2>&1 &
	servers+=($!)
	for ((i = 0; i < 200; i++)); do
		! (exec 3<> "/dev/tcp/127.0.0.1/$to") 2> /dev/null || return 0
		kill -0 $! 2> /dev/null || break
		sleep 0.05
	done
	say "SKIPPED: $1 does not listen: $(tail -n 1 serve.out)"
	return 1
}

begin_rsync_daemon() {
	[[ $(there rsync) ]] || return 1
	free_port
	port_rsync=$port
	printf '[m]\npath = %s\nuse chroot = no\n%s' "$work/module" "$( ((EUID)) || printf 'uid = root\ngid = root\n')" > rsyncd.conf
	listens_at "$port" rsync --daemon --no-detach --config=rsyncd.conf --address=127.0.0.1 --port="$port"
}

# begin_sshd starts a server of its own, with throw-away keys, for the user that runs this, at a high port.
begin_sshd() {
	local sshd
	sshd=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v sshd) && command -v scp > /dev/null || {
		say "SKIPPED: scp, for which there is no sshd"
		return 1
	}
	mkdir -m 700 ssh
	ssh-keygen -q -t ed25519 -N '' -f ssh/host
	ssh-keygen -q -t ed25519 -N '' -f ssh/user
	free_port
	port_ssh=$port
	((EUID)) || mkdir /run/sshd 2> /dev/null && made_run=yes || true # which it wants of root
	cat > ssh/config <<-END
		ListenAddress 127.0.0.1:$port
		HostKey $work/ssh/host
		AuthorizedKeysFile $work/ssh/user.pub
		PidFile none
		StrictModes no
		PasswordAuthentication no
		PermitRootLogin prohibit-password
		Subsystem sftp internal-sftp
	END
	listens_at "$port" "$sshd" -D -e -f "$work/ssh/config" || return 1
	head -c 1 random > module/one
	input=one
	if ! bash -c "$(copy_scp)" 2> scp.log; then
		say "SKIPPED: scp: $(tail -n 1 scp.log)"
		return 1
	fi
}

# copy_syncthing has two of them synchronize a folder with the one file. It is timed from the start of the second one until the
# file has its name there; the first one has scanned its folder by then.
copy_syncthing() {
	local who port_from i
	rm -rf sync
	mkdir -p sync/module/.stfolder sync/copy/.stfolder
	ln "$input" "sync/module/$input"
	for who in from to; do STNODEFAULTFOLDER=1 syncthing generate --home="sync/$who" > sync/log 2>&1; done
	free_port
	port_from=$port
	while ((port == port_from)); do free_port; done
	sync_config "$port_from" "$port"
	listens_at "$port_from" syncthing serve --home=sync/from --no-browser --no-restart --no-upgrade || die "syncthing: this did not start: $(cat serve.out)"
	for ((i = 0; i < 6000; i++)); do
		! grep -q "Completed initial scan" serve.out || break
		sleep 0.1
	done
	timed_first "copies/$input/syncthing" "syncthing serve --home=sync/to --no-browser --no-restart --no-upgrade > sync/log 2>&1 & \
		until [[ -e sync/copy/$input ]]; do kill -0 \$! && sleep 0.02 || exit; done; echo there"
	stop_server
	mv "sync/copy/$input" copy
	rm -rf sync
}
# sync_config makes both know each other, and look for no other peers.
sync_config() { # PORT-FROM PORT-TO
	local who from to folder listens
	from=$(sync_identity from)
	to=$(sync_identity to)
	for who in from to; do
		folder=$work/sync/module listens=$1
		[[ $who == from ]] || folder=$work/sync/copy listens=$2
		cat > sync/$who/config.xml <<-END
			<configuration version="36">
			<folder id="d" path="$folder" type="sendreceive" rescanIntervalS="3600" fsWatcherEnabled="false"><device id="$from"/><device id="$to"/></folder>
			<device id="$from"><address>tcp://127.0.0.1:$1</address></device>
			<device id="$to"><address>tcp://127.0.0.1:$2</address></device>
			<gui enabled="false"/>
			<options><listenAddress>tcp://127.0.0.1:$listens</listenAddress>
			<globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled>
			<relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled><startBrowser>false</startBrowser><urAccepted>-1</urAccepted>
			<autoUpgradeIntervalH>0</autoUpgradeIntervalH><crashReportingEnabled>false</crashReportingEnabled><setLowPriority>false</setLowPriority></options>
			</configuration>
		END
	done
}
sync_identity() { sed -n 's/^ *<device id="\([A-Z0-9-]*\)" name=.*/\1/p' "sync/$1/config.xml" | head -n 1; }
