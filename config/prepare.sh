#!/bin/sh
# What `npm run lab`, `npm test` and `npm run build` do first: put in place what they need, then start them.
#
#   sh config/prepare.sh build | lab [option…] | test [suite…] | perf [scenario…] | unit [file…]
#
# Needs Node.js 20 or newer with npm. Everything else comes from here: the npm packages (Node 24 among them) and,
# as root on Debian, the Debian packages that are missing. Runs again at no cost when nothing has changed.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

# Debian packages, by the command that shows whether each is there.
tools='ip:iproute2 ping:iputils-ping setpriv:util-linux unshare:util-linux mount:mount'
routers='birdc:bird2 vtysh:frr gobgpd:gobgpd bgpctl:openbgpd etcd:etcd-server etcdctl:etcd-client tcpdump:tcpdump'

has() {
  for folder in $(printf '%s' "$PATH" | tr ':' ' ') /usr/sbin /sbin /usr/lib/frr; do
    [ -x "$folder/$1" ] && return 0
  done
  return 1
}

debian() {
  missing=''
  for pair in "$@"; do
    has "${pair%%:*}" || case " $missing " in *" ${pair#*:} "*) ;; *) missing="$missing ${pair#*:}" ;; esac
  done
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" != 0 ] || ! has apt-get; then
    say "missing:$missing. As root on Debian: apt-get install$missing"
    return 0
  fi
  say "Installing Debian packages:$missing"
  # A package must not start its daemon on this machine: the labs start their own, in namespaces.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    say "apt-get could not install:$missing"
    exit 1
  fi
  rm -f "$log"
}

packages() {
  if [ -x node_modules/.bin/node ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then return 0; fi
  say 'Installing npm packages'
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
}

build() {
  if [ -e dist/main.js ] && [ -z "$(find src proto config/tsconfig.build.json tsconfig.json -newer dist/main.js -print -quit)" ]; then return 0; fi
  say 'Building'
  rm -rf dist
  tsc -p config/tsconfig.build.json
  touch dist/main.js
}

command=${1:?build, lab, test, perf or unit}
shift
packages
PATH=$PWD/node_modules/.bin:$PATH
export PATH
case $command in
build) build ;;
lab)
  # what the options ask for besides
  case " $* " in *--router?bird\ *) tools="$tools birdc:bird2" ;; esac
  case " $* " in *--router?frr\ *) tools="$tools vtysh:frr" ;; esac
  case " $* " in *--router?gobgp\ *) tools="$tools gobgpd:gobgpd" ;; esac
  case " $* " in *--store?etcd\ *) tools="$tools etcd:etcd-server etcdctl:etcd-client" ;; esac
  # shellcheck disable=SC2086
  debian $tools
  build
  exec node dist/main.js lab run "$@"
  ;;
test)
  # shellcheck disable=SC2086
  debian $tools $routers
  build
  exec node test/run.ts "$@"
  ;;
perf)
  # shellcheck disable=SC2086
  debian $tools $routers
  build
  exec node --disable-warning=ExperimentalWarning test/perf/run.ts "$@"
  ;;
unit) exec ava "$@" ;;
*)
  say "unknown: $command"
  exit 2
  ;;
esac
