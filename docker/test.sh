#!/usr/bin/env bash
# Builds docker/Dockerfile as it is and runs it for real: alone, by kubernetes.yaml, by compose.yaml.
#   docker/test.sh
# Needs root, Debian or Ubuntu, and
#   apt-get install --no-install-recommends podman buildah runc conmon catatonit mmdebstrap \
#     golang-github-containernetworking-plugin-dnsname
# Nothing comes from a registry of images: bases are made of Debian's packages and take the names of those in the
# files. Nothing listens on this machine's own network. All that is made lies in build/container.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/container
fixtures=$PWD/tests/fixtures
image=localhost/tffreeze:slim
python_image=$(sed -n 's/^ARG BASE=//p' docker/Dockerfile)
nginx_image=$(sed -n 's/^ *image: \(.*nginx.*\)/\1/p' docker/compose.yaml)
max_slim_bytes=150000000
confined=(--read-only --read-only-tmpfs=false --cap-drop=ALL --security-opt=no-new-privileges)

step() {
  printf -- '-- %s (%d s)\n' "$1" "$SECONDS"
}

fail() {
  printf 'FAILED: %s\n' "$1" >&2
  exit 1
}

# until_ok SECONDS COMMAND...: tries until it succeeds.
until_ok() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || fail "not within time: $*"
    sleep 0.2
  done
}

# There is no systemd to run health checks by time, and podman says so on every start.
podman() {
  command podman --log-level=fatal "$@"
}

# tffreeze WHERE ARGUMENTS...: the command, in a container of its own, with the sample models.
tffreeze() {
  podman run --rm "$1" "${confined[@]}" -v "$fixtures:/models:ro" --entrypoint tffreeze "$image" "${@:2}"
}

# serve NAME FLAGS...: a server without any network but its own loopback.
serve() {
  podman run -d --name "$1" --network none "${confined[@]}" -v "$fixtures:/models:ro" "$image" "${@:2}" >/dev/null
}

set_up() {
  mkdir -p "$work"
  export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
  printf '%s\n' '[containers]' 'default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]' 'netns = "host"' \
    '[engine]' 'runtime = "runc"' 'cgroup_manager = "cgroupfs"' >"$CONTAINERS_CONF"
  printf '%s\n' '[storage]' 'driver = "overlay"' "graphroot = \"$work/storage\"" "runroot = \"$work/run\"" \
    >"$CONTAINERS_STORAGE_CONF"
  trap clean_up EXIT
  clean_up
}

clean_up() {
  podman pod rm --all --force >/dev/null 2>&1 || true
  podman rm --all --force --time 1 >/dev/null 2>&1 || true
  podman volume prune --force >/dev/null 2>&1 || true
  podman rmi --all --force >/dev/null 2>&1 || true
}

# One tree for both names: Python for the Dockerfile, nginx for compose.yaml.
make_bases() {
  local packages=python3,python3-venv,python3-pip,ca-certificates,nginx-light
  [ -s "$work/base.tar" ] || mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$work/base.tar"
  podman import -q "$work/base.tar" "$python_image" >/dev/null
  podman tag "$python_image" "$nginx_image"
}

# pip in the build goes where pip on this machine goes; nothing of that stays in the image.
build() {
  local certificates=/etc/ssl/certs/ca-certificates.crt index
  printf '[global]\ncert = %s\n' "$certificates" >"$work/pip.conf"
  index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
  [ -z "$index" ] || printf 'index-url = %s\n' "$index" >>"$work/pip.conf"
  podman build -q --format docker --isolation chroot -v "$certificates:$certificates:ro" \
    -v "$work/pip.conf:/etc/pip.conf:ro" -f docker/Dockerfile --target slim -t "$image" . >/dev/null
}

check_image() {
  local bytes base_bytes
  bytes=$(podman image inspect -f '{{.Size}}' "$image")
  base_bytes=$(podman image inspect -f '{{.Size}}' "$python_image")
  echo "it is $(((bytes - base_bytes) / 1000000)) MB above its base"
  ((bytes - base_bytes <= max_slim_bytes)) || fail "it is larger than $max_slim_bytes bytes"
  podman run --rm --network none --entrypoint python "$image" -c 'import tensorflow' 2>/dev/null &&
    fail "TensorFlow is in it"
  return 0
}

check_refuses_plaintext() {
  local code=0
  podman run --rm --network none "${confined[@]}" "$image" 2>"$work/refused" || code=$?
  [ "$code" = 2 ] && grep -q -- --tls-cert "$work/refused" || fail "plaintext was not refused"
}

check_freezes() {
  serve server --insecure --model-root models=/models
  until_ok 30 podman healthcheck run server
  local inside=--network=container:server
  podman exec server sh -c '[ "$(id -u)" = 10001 ] && ! touch /new 2>/dev/null' || fail "not confined"
  podman exec server tffreeze health --server localhost:1 2>/dev/null && fail "health of nothing"
  tffreeze --network=none freeze /models/digits -q -o - >"$work/embedded.pb"
  [ -s "$work/embedded.pb" ] || fail "nothing was frozen"
  tffreeze "$inside" freeze /models/digits -q -o - --server localhost:50051 >"$work/spliced.pb"
  tffreeze "$inside" freeze /models/digits -q -o - --server localhost:50051 --delivery content >"$work/content.pb"
  tffreeze "$inside" freeze digits -q -o - --server localhost:50051 --model-root models >"$work/root.pb"
  local way
  for way in spliced content root; do
    cmp "$work/embedded.pb" "$work/$way.pb" || fail "$way differs"
  done
  podman rm -f server >/dev/null
}

# slow_freeze NAME: a freeze by the server NAME that waits for a line on file descriptor 3 in the middle of its upload.
slow_freeze() {
  rm -f "$work/go" "$work/said"
  mkfifo "$work/go"
  exec 3<>"$work/go"
  podman run -i --rm --network "container:$1" -v "$fixtures:/models:ro" -v "$PWD/tests/deploy:/deploy:ro" \
    --entrypoint python "$image" /deploy/slow_freeze.py localhost:50051 /models/digits \
    <"$work/go" >"$work/said" 2>&1 &
  slow=$!
  until_ok 30 podman exec "$1" sh -c 'ls -d /var/spool/tffreeze/uploads/worker-*/call-*'
}

check_drains() {
  serve draining --insecure
  until_ok 30 podman healthcheck run draining
  slow_freeze draining
  podman stop -t 30 draining >/dev/null &
  until_ok 10 sh -c "podman --log-level=fatal logs draining 2>&1 | grep -q SIGTERM"
  podman healthcheck run draining >/dev/null 2>&1 && fail "healthy while it drains"
  echo go >&3
  wait "$slow" || fail "a call was cut off: $(cat "$work/said")"
  wait
  [ "$(tail -1 "$work/said")" = "$(stat -c %s "$work/embedded.pb")" ] || fail "the result is not whole"
  [ "$(podman inspect -f '{{.State.ExitCode}}' draining)" = 0 ] || fail "SIGTERM did not end it well"
  podman rm -f draining >/dev/null
}

check_empties_spool() {
  serve killed --insecure
  until_ok 30 podman healthcheck run killed
  slow_freeze killed
  podman kill -s KILL killed >/dev/null
  echo go >&3
  wait "$slow" && fail "a call survived its server"
  podman start killed >/dev/null
  until_ok 30 podman healthcheck run killed
  [ "$(podman exec killed sh -c 'ls -d /var/spool/tffreeze/uploads/worker-* | wc -l')" = 1 ] || fail "spool not emptied"
  podman rm -f killed >/dev/null
}

check_kubernetes() {
  sed "s|localhost/tffreeze:slim|$image|" docker/kubernetes.yaml >"$work/kubernetes.yaml"
  podman play kube -q --network none "$work/kubernetes.yaml" >/dev/null
  local pod
  for pod in tffreeze-pod-0 tffreeze-pod-1; do
    until_ok 30 podman exec "$pod-server" tffreeze health
    podman exec "$pod-server" touch /new 2>/dev/null && fail "$pod may write to its root"
    tffreeze "--pod=$pod" freeze /models/digits -q -o - --server localhost:50051 >"$work/$pod.pb"
    cmp "$work/embedded.pb" "$work/$pod.pb" || fail "$pod differs"
  done
  podman play kube --down "$work/kubernetes.yaml" >/dev/null
}

# In a network namespace of its own: ports are published there.
check_compose() {
  [ -x "$work/venv/bin/podman-compose" ] || {
    python3 -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install -q --disable-pip-version-check podman-compose==1.6.0
  }
  MODELS=$fixtures PATH=$work/venv/bin:$PATH unshare -n docker/test_compose.sh "$work" ||
    fail "compose.yaml"
}

set_up
step "Bases of Debian's packages"
make_bases
step "Build"
build
step "The image"
check_image
check_refuses_plaintext
step "Freezes"
check_freezes
step "SIGTERM drains"
check_drains
step "Killed and started again"
check_empties_spool
step "kubernetes.yaml"
check_kubernetes
step "compose.yaml"
check_compose
step "The container is well"
