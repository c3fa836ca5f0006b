#!/usr/bin/env bash
# A part of docker/test.sh, in a network namespace of its own: two servers behind nginx, as compose.yaml has them.
#   docker/test_compose.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
work=$1

compose() {
  podman-compose -f docker/compose.yaml "$@" >>"$work/compose.log" 2>&1
}

# Freeze as a neighbour of nginx. The resolver of the C library: gRPC's own waits for name servers that are not there.
freeze() {
  podman --log-level=fatal run --rm --network tffreeze_default -e GRPC_DNS_RESOLVER=native --entrypoint tffreeze \
    localhost/tffreeze:slim freeze digits -q -o - --server nginx:50051 --model-root models >"$work/compose.pb"
}

calls() {
  podman --log-level=fatal logs "tffreeze_$1_1" 2>&1 | grep -c '"method": "Freeze"' || true
}

: >"$work/compose.log"
trap 'compose down -v' EXIT
ip link set lo up
# podman-compose would wait for health that nobody checks here.
compose up -d --no-build --no-deps freeze-1 freeze-2
compose up -d --no-build --no-deps nginx
for _ in 1 2 3 4; do
  freeze
  cmp "$work/embedded.pb" "$work/compose.pb"
done
[ "$(calls freeze-1)" -gt 0 ] && [ "$(calls freeze-2)" -gt 0 ] || {
  echo "calls are not spread: $(calls freeze-1) and $(calls freeze-2)" >&2
  exit 1
}
