#!/usr/bin/env bash
# Runs the suites that any Kafka and any Redis must pass against real ones: one Kafka node, three Kafka nodes, one
# redis-server, and a Redis Cluster of three, all on the loopback interface. What is missing is installed by apt-get where
# that is possible, else named. Everything that is started here is stopped here, by its process id, whatever happens.
#
#   test.sh [GO TEST'S ARGUMENTS]   default: the suites of bus, store and program, and then a short torture
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
need redis-server redis-server
need redis-cli redis-tools
need kcat kcat
need mvn maven
need java default-jre-headless
if ((${#packages[@]})); then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "make test-real: missing: ${packages[*]} (names of Debian's packages). Install them, or run this as root where apt-get is." >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	apt-get install -qy --no-install-recommends "${packages[@]}"
fi

work=$(mktemp -d)
finish() {
	code=$?
	trap - EXIT INT TERM
	# Each server leaves its process id in its folder, also one that never answered. Its data is of no further use, so that
	# it need not save any.
	while read -r pid; do kill -9 "$pid" 2>/dev/null || true; done < <(find "$work" -name pid -exec cat {} +)
	if [ "$code" = 0 ]; then
		rm -rf "$work"
	else
		echo "make test-real: failed; the servers' logs are in $work" >&2
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# begin SCRIPT ARGUMENTS...: starts servers and sets addresses to where they listen, joined by commas.
begin() {
	local script=$1 code=0 address
	shift
	addresses=
	"$here/$script" "$@" >"$work/started" || code=$?
	while read -r _ address; do
		addresses=$addresses${addresses:+,}$address
	done <"$work/started"
	return "$code"
}

begin kafka.sh start "$work/kafka"
kafka=$addresses
begin kafka.sh cluster "$work/kafka3"
kafka="$kafka $addresses"
begin redis.sh start "$work/redis"
redis=$addresses
begin redis.sh cluster "$work/redis3"
redis_cluster=$addresses

echo "Kafka: $kafka   Redis: $redis   Redis Cluster: $redis_cluster"
torture=
if [ $# = 0 ]; then
	torture=yes
	# Stories that bring servers of their own, or are about what Meta says and no server: make test tells them.
	elsewhere='ACrowdHarmsNobody|AFloodOfLargeWebhooks|KafkaSilentUnderLoad|RedisSilent|EveryRecordIsAsDocumented'
	elsewhere="$elsewhere|AFileIsUploadedToMetaOnce|TemplatesAreHeldAgainstMeta|ABroadcastPausesForEachCauseAndSaysSo"
	set -- -p 1 -timeout 20m -skip "^Test($elsewhere)\$" ./gateway/bus/... ./gateway/store/... ./cmd/app/...
fi
OPTGATE_TEST_KAFKA=$kafka OPTGATE_TEST_REDIS=$redis OPTGATE_TEST_REDIS_CLUSTER=$redis_cluster go test -count=1 "$@"

# A short torture, on servers of its own: those above are of no further use.
[ -n "$torture" ] || exit 0
go build -o "$work/" ./cmd/optgate ./bench/torture
"$work/torture" -optgate "$work/optgate" -for 20s -kafka one,three -redis replica,cluster
