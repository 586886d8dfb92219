#!/usr/bin/env bash
# A real redis-server for tests: one alone, or a Cluster of three masters, on the loopback interface.
#
#   redis.sh start DIR [PORT [OPTIONS...]]   start one with its files in DIR; PORT 0 or none: a free one
#   redis.sh cluster DIR                     start three and join them to a Cluster; their files are in DIR/1 to DIR/3
#   redis.sh restart DIR                     start one again that was stopped or killed, empty, on its old port
#   redis.sh stop PID...                     stop them
#
# start, cluster and restart print one line "PID ADDRESS" for each server once it answers.
set -euo pipefail

command -v redis-server >/dev/null || { echo "redis.sh: redis-server is needed" >&2; exit 1; }

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
	local port
	while :; do
		port=$((12000 + RANDOM % 10000)) # below those that connections are given; a Cluster node's bus listens 10000 above
		listens $port || listens $((port + 10000)) || { echo $port; return; }
	done
}

# launch DIR PORT OPTIONS...: start one server and print its line.
launch() {
	local dir=$1 port=$2
	shift 2
	mkdir -p "$dir"
	printf '%s\n' "$port" "$@" >"$dir/started-with"
	setsid redis-server --bind 127.0.0.1 --port "$port" --dir "$dir" --save '' --appendonly no \
		--maxmemory-policy noeviction "$@" >>"$dir/redis.log" 2>&1 </dev/null &
	local pid=$!
	echo "$pid" >"$dir/pid"
	for _ in $(seq 100); do
		[ "$(redis-cli -p "$port" ping 2>/dev/null)" = PONG ] && { echo "$pid 127.0.0.1:$port"; return; }
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	echo "redis.sh: no Redis in $dir; its log ends:" >&2
	tail -20 "$dir/redis.log" >&2
	exit 1
}

case ${1:-} in
start)
	port=${3:-0}
	[ "$port" != 0 ] || port=$(free_port)
	launch "$2" "$port" "${@:4}"
	;;
restart)
	mapfile -t before <"$2/started-with"
	launch "$2" "${before[@]}"
	;;
cluster)
	addresses=()
	for node in 1 2 3; do
		line=$(launch "$2/$node" "$(free_port)" --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 2000)
		echo "$line"
		addresses+=("${line#* }")
	done
	redis-cli --cluster create "${addresses[@]}" --cluster-yes >"$2/create.log" || { cat "$2/create.log" >&2; exit 1; }
	for address in "${addresses[@]}"; do
		until redis-cli -p "${address#*:}" cluster info | grep -q 'cluster_state:ok'; do sleep 0.1; done
	done
	;;
stop)
	shift
	for pid in "$@"; do
		kill "$pid" 2>/dev/null || continue
		for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
		kill -9 "$pid" 2>/dev/null || true
	done
	;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
