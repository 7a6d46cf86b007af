#!/usr/bin/env bash
# Builds the servers and commands that the tests and the local cluster run, from the Go module
# proxy, at the versions pinned by the go.mod files beside this script.
#
#   tools/build.sh nats-server | apiserver | all
#
# A group of tools is one Go module. Its binaries are kept outside the checkout, in a folder named
# after the checksum of its go.mod, so that only a machine that has not built these versions pays:
#
#   ${XDG_CACHE_HOME:-$HOME/.cache}/ringcast/tools/<group>-<checksum>/<binary>
#
# test/support/tools.ts looks for them in the same place. Exit code 3: Go is missing.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ringcast/tools"

version_of() { # <group> <module>
  sed -nE "s#^(require)?[[:space:]]*$2 (v[^ ]+).*#\\2#p" "$here/$1/go.mod" | head -n 1
}

folder_of() { # <group>
  echo "$cache/$1-$(sha256sum "$here/$1/go.mod" | cut -c 1-12)"
}

require_go() {
  command -v go >/dev/null && return
  echo "tools: Go 1.26 or later is needed to build $1: install it (https://go.dev/dl) and retry" >&2
  exit 3
}

# Builds those of a group's binaries that are missing, in one pass over their common packages.
# Every binary is written beside its final name first: an interrupted build leaves nothing that
# looks finished, and two builds at once do not disturb each other.
build() { # <group> <ldflags> <binary=package>...
  local group="$1" ldflags="$2" folder name
  shift 2
  folder="$(folder_of "$group")"
  local packages=() missing=()
  for pair in "$@"; do
    if [ ! -x "$folder/${pair%%=*}" ]; then
      missing+=("${pair%%=*}")
      packages+=("${pair#*=}")
    fi
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "tools: $group: present in $folder"
    return
  fi
  require_go "$group"
  local started=$SECONDS scratch
  mkdir -p "$folder"
  scratch="$(mktemp -d "$folder/.build-XXXXXX")"
  # shellcheck disable=SC2064  # the folder of this very build is meant
  trap "rm -rf '$scratch'" EXIT
  echo "tools: $group: building ${missing[*]} ..."
  (cd "$here/$group" &&
    CGO_ENABLED=0 GOBIN="$scratch" GOWORK=off \
      go install -trimpath -buildvcs=false -ldflags "-s -w $ldflags" "${packages[@]}")
  for pair in "$@"; do
    name="${pair%%=*}"
    # `go install` names a binary after its package; a trailing /v2 is not part of the name.
    local built="${pair#*=}"
    built="${built%/v[0-9]}"
    built="$scratch/${built##*/}"
    [ -e "$built" ] && mv "$built" "$folder/$name"
  done
  rm -rf "$scratch"
  for name in "${missing[@]}"; do
    [ -x "$folder/$name" ] || { echo "tools: $group: $name was not built" >&2; exit 1; }
  done
  echo "tools: $group: built ${missing[*]} in $((SECONDS - started)) s"
}

build_nats_server() {
  build nats-server '' nats-server=github.com/nats-io/nats-server/v2
}

build_etcd() {
  build etcd '' etcd=go.etcd.io/etcd/server/v3
}

# Without these variables the API server would call itself v0.0.0-master, and clients that choose
# what to do by the server's version would choose wrongly.
kubernetes_ldflags() {
  local version minor package flags=''
  version="$(version_of kubernetes k8s.io/kubernetes)"
  minor="${version#v1.}"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1"
    flags+=" -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
  done
  echo "$flags"
}

build_kubernetes() { # <binary>...
  local pairs=()
  for name in "$@"; do pairs+=("$name=k8s.io/kubernetes/cmd/$name"); done
  build kubernetes "$(kubernetes_ldflags)" "${pairs[@]}"
}

# A kubectl that is there already will do: it talks to servers one minor version away.
kubectl_if_missing() {
  command -v kubectl >/dev/null || echo kubectl
}

case "${1:-all}" in
  nats-server) build_nats_server ;;
  apiserver)
    build_etcd
    build_kubernetes kube-apiserver
    ;;
  all)
    build_nats_server
    build_etcd
    # shellcheck disable=SC2046  # nothing, or one word
    build_kubernetes kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy \
      $(kubectl_if_missing)
    build coredns '' coredns=github.com/coredns/coredns
    build helm '' helm=helm.sh/helm/v4/cmd/helm
    ;;
  *)
    echo "usage: tools/build.sh [nats-server | apiserver | all]" >&2
    exit 2
    ;;
esac
