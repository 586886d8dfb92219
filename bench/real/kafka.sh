#!/usr/bin/env bash
# A real Apache Kafka for tests, without Docker: jars by Maven into .tools/kafka, KRaft nodes on the loopback interface.
#
#   kafka.sh install              fetch the jars, if they are not there
#   kafka.sh start DIR [PORT]     start a single node with its data in DIR; PORT 0 or none: a free one
#   kafka.sh cluster DIR [COUNT]  start COUNT (3) nodes of one cluster, each topic with as many copies
#   kafka.sh restart DIR          start a node again that was stopped or killed, on its old port
#   kafka.sh stop PID             stop a node (also kill -9 does no harm to what was acknowledged)
#
# start, cluster and restart print one line "PID ADDRESS" for each node once it answers. Three variables, each with as many
# words as there are nodes, lay cables between clients and brokers and make them small:
#
#   KAFKA_PORTS       where the nodes listen; default: PORT, or free ones
#   KAFKA_ADVERTISED  the HOST:PORT that clients are told instead, as those of proxies; brokers speak to each other directly
#   KAFKA_HEAP        the largest heap of a node (one word), default 512m
set -euo pipefail

version=4.1.1
root=$(cd "$(dirname "$0")/../.." && pwd)
libs=$root/.tools/kafka/$version

install() {
	[ -e "$libs/complete-with-log" ] && return
	command -v mvn >/dev/null || { echo "kafka.sh: mvn is needed" >&2; exit 1; }
	mkdir -p "$libs"
	cat >"$libs/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>optgate</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
POM
	mvn -q -f "$libs/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs/jars" >&2
	touch "$libs/complete-with-log"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
	local port
	while :; do
		port=$((15000 + RANDOM % 17000)) # below those that connections are given
		listens $port || { echo $port; return; }
	done
}

# word N TEXT: the Nth word of a text.
word() { awk -v n="$1" '{ print $n }' <<<"$2"; }

# configure DIR ID PORT CONTROLLER_PORT VOTERS COPIES
configure() {
	local insync=$(($6 > 1 ? 2 : 1)) inside advertised
	inside=$(free_port)
	advertised=$(word "$2" "${KAFKA_ADVERTISED:-}")
	mkdir -p "$1"
	echo "${KAFKA_HEAP:-512m}" >"$1/heap"
	cat >"$1/server.properties" <<CONF
process.roles=broker,controller
node.id=$2
listeners=CLIENTS://127.0.0.1:$3,BROKERS://127.0.0.1:$inside,CONTROLLER://127.0.0.1:$4
advertised.listeners=CLIENTS://${advertised:-127.0.0.1:$3},BROKERS://127.0.0.1:$inside
listener.security.protocol.map=CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKERS
controller.listener.names=CONTROLLER
controller.quorum.voters=$5
log.dirs=$1/data
default.replication.factor=$6
min.insync.replicas=$insync
offsets.topic.num.partitions=5
offsets.topic.replication.factor=$6
transaction.state.log.num.partitions=5
transaction.state.log.replication.factor=$6
transaction.state.log.min.isr=$insync
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
CONF
	cat >"$1/log4j2.properties" <<CONF
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
CONF
	java -cp "$libs/jars/*" -Dlog4j2.configurationFile="$1/log4j2.properties" kafka.tools.StorageTool format \
		-t "$cluster_id" -c "$1/server.properties" >"$1/format.log" 2>&1 || { cat "$1/format.log" >&2; exit 1; }
}

# launch DIR: start the process; wait DIR: print its line once it answers.
launch() {
	setsid java "-Xmx$(cat "$1/heap")" -cp "$libs/jars/*" -Dlog4j2.configurationFile="$1/log4j2.properties" \
		kafka.Kafka "$1/server.properties" >>"$1/kafka.log" 2>&1 </dev/null &
	echo $! >"$1/pid"
}

await() {
	local pid port address
	pid=$(cat "$1/pid")
	port=$(sed -n 's/^listeners=CLIENTS:[^,]*:\([0-9]*\),.*/\1/p' "$1/server.properties")
	address=$(sed -n 's/^advertised.listeners=CLIENTS:..\([^,]*\),.*/\1/p' "$1/server.properties")
	for _ in $(seq 600); do
		listens "$port" && { echo "$pid $address"; return; }
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	echo "kafka.sh: no Kafka in $1; its log ends:" >&2
	tail -20 "$1/kafka.log" >&2
	exit 1
}

absolute() { mkdir -p "$1" && (cd "$1" && pwd); }

cluster_id=b3B0Z2F0ZS10ZXN0LTAwMQ
case ${1:-} in
install)
	install
	;;
start)
	install
	dir=$(absolute "$2")
	port=${3:-${KAFKA_PORTS:-0}}
	[ "$port" != 0 ] || port=$(free_port)
	controller=$(free_port)
	configure "$dir" 1 "$port" "$controller" "1@127.0.0.1:$controller" 1
	launch "$dir"
	await "$dir"
	;;
cluster)
	install
	count=${3:-3}
	voters=
	for id in $(seq "$count"); do
		controllers[id]=$(free_port)
		voters=$voters${voters:+,}$id@127.0.0.1:${controllers[id]}
	done
	for id in $(seq "$count"); do
		dir=$(absolute "$2/$id")
		port=$(word "$id" "${KAFKA_PORTS:-}")
		configure "$dir" "$id" "${port:-$(free_port)}" "${controllers[id]}" "$voters" "$count"
		launch "$dir"
	done
	for id in $(seq "$count"); do
		await "$(absolute "$2/$id")"
	done
	;;
restart)
	dir=$(absolute "$2")
	launch "$dir"
	await "$dir"
	;;
stop)
	kill "$2" 2>/dev/null || exit 0
	for _ in $(seq 150); do
		kill -0 "$2" 2>/dev/null || exit 0
		sleep 0.1
	done
	kill -9 "$2"
	;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
