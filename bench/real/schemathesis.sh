#!/usr/bin/env bash
# Asks everything that openapi.yaml allows, and much that it doesn't, of a gateway that is booted here on embedded parts, and fails
# at every 5xx and every answer that is not documented. Schemathesis is installed into .tools by Python's pip. Everything that
# is started here is stopped here, by its process id.
#
#   schemathesis.sh [SCHEMATHESIS'S ARGUMENTS]   default: at most 100 s, a new seed each time, which is printed
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

version=4.32.5
tools=$PWD/.tools/schemathesis-$version
if [ ! -x "$tools/bin/schemathesis" ]; then
	command -v python3 >/dev/null || { echo "make fuzz-api: python3 with venv is needed" >&2; exit 1; }
	rm -rf "$tools"
	python3 -m venv "$tools"
	"$tools/bin/pip" install -q "schemathesis==$version"
fi

work=$(mktemp -d)
gateway=
finish() {
	code=$?
	trap - EXIT INT TERM
	[ -z "$gateway" ] || kill "$gateway" 2>/dev/null && wait "$gateway" 2>/dev/null || true
	if [ "$code" = 0 ]; then
		rm -rf "$work"
	else
		echo "make fuzz-api: failed; the gateway's log is in $work" >&2
	fi
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

go build -o "$work/optgate" ./cmd/optgate
sed "s|DATA_DIR|$work/data|" "$here/schemathesis.gateway.yaml" >"$work/optgate.yaml"
"$work/optgate" serve --config "$work/optgate.yaml" 2>"$work/log" &
gateway=$!
for _ in $(seq 300); do
	grep -q '"message":"ready"' "$work/log" && break
	kill -0 "$gateway" 2>/dev/null || { tail -5 "$work/log" >&2; exit 1; }
	sleep 0.1
done
url=http://$(sed -n 's/.*"private":"\([^"]*\)".*"message":"ready".*/\1/p' "$work/log" | head -1)

export SCHEMATHESIS_HOOKS=$here/schemathesis_hooks.py OPTGATE_API=$url
[ $# != 0 ] || set -- --max-time 100
cd "$work" # what it leaves behind
"$tools/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/v1/openapi.yaml" --url "$url" "$@"

# Whatever was asked, the gateway has neither panicked nor stopped.
kill -0 "$gateway"
! grep -m 3 -E 'panic|"level":"(error|fatal)"' "$work/log"
