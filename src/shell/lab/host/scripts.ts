/**
 * The two shell scripts that begin a sandbox and a node. They are shell because both run before
 * there is a root file system in which anything else could run, and because a shell as process 1
 * reaps its orphans.
 */

/**
 * Process 1 of the sandbox, in fresh namespaces. `/proc` is still the machine's when it reads its
 * own number there, so that is the number by which others enter. Then it becomes a machine of its
 * own: `/proc`, `/sys` and an empty `/run` (so `ip netns` works inside and shows nothing outside),
 * and runs the host program.
 *
 * The marker, name and file stand in the command line: that is how `lab status` finds labs.
 */
export const SANDBOX_SCRIPT = `
read -r pid rest < /proc/self/stat
mount -t proc proc /proc || exit 70
mount -t sysfs sysfs /sys 2>/dev/null
mount -t tmpfs -o mode=755 lab /run || exit 70
mkdir -p /run/netns /run/lab/log /run/lab/nodes /run/lab/shared
ip link set lo up || exit 70
printf '{"type":"sandbox","pid":%s}\\n' "$pid"
shift 3
"$@"
exit $?
`

/**
 * Process 1 of a node, in namespaces of its own inside the sandbox. Arguments: root, agent's home,
 * node binary, main program of the agent, host name. Standard input: the steps that node.ts writes,
 * one a line.
 *
 * The root is memory; each top-level folder of this machine appears in it as an overlay whose
 * changes stay in that memory, or read-only where the kernel refuses an overlay (locked mounts in a
 * user namespace). \`/opt\` is put together child by child, so that the agent can be placed in it.
 */
export const NODE_SCRIPT = `
set -e
root=$1 home=$2 binary=$3 main=$4 name=$5
read -r pid rest < /proc/self/stat
mkdir -p "$root"
mount -t tmpfs -o mode=755 lab "$root"
mkdir -p "$root/.lab/bin" "$root/.lab/old" "$root/run" "$root/opt" "$root/proc" "$root/sys"
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net" "$root/tmp"
chmod 1777 "$root/tmp" "$root/dev/shm"
# what is to be mounted on or written must exist in the upper layer before the overlay is: an
# ordinary user may make nothing in folders whose owner the user namespace does not map
prepare() (
  set -f
  IFS=/
  at=
  for part in \${1#/}; do
    at=$at/$part
    [ -h "$at" ] && return 0
    mkdir -p "$root/.lab/upper$at"
    [ -d "$at" ] || continue
    chmod --reference="$at" "$root/.lab/upper$at" 2>/dev/null || :
    chown --reference="$at" "$root/.lab/upper$at" 2>/dev/null || :
  done
)
tab=$(printf '\\t')
cat > "$root/.lab/steps"
while IFS="$tab" read -r step first second; do
  case $step in
    empty) prepare "$first" ;;
    bind|bind-ro)
      if [ -d "$first" ]; then prepare "$second"
      else
        prepare "$(dirname "$second")"
        [ -e "$second" ] || : > "$root/.lab/upper$second" 2>/dev/null || :
      fi ;;
    hosts) printf '%s\\n' "$first" >> "$root/.lab/hosts" ;;
  esac
done < "$root/.lab/steps"
prepare /etc
cp "$root/.lab/hosts" "$root/.lab/upper/etc/hosts"
printf '%s\\n' "$name" > "$root/.lab/upper/etc/hostname"
: > "$root/.lab/upper/etc/resolv.conf"
for from in /*; do
  top=\${from#/}
  case $top in proc|sys|dev|run|tmp|opt|lost+found) continue ;; esac
  if [ -h "$from" ]; then cp -P "$from" "$root/$top"; continue; fi
  [ -d "$from" ] || continue
  mkdir -p "$root/$top" "$root/.lab/upper/$top" "$root/.lab/work/$top"
  chmod --reference="$from" "$root/.lab/upper/$top" 2>/dev/null || :
  layers="lowerdir=$from,upperdir=$root/.lab/upper/$top,workdir=$root/.lab/work/$top"
  mount -t overlay overlay -o "$layers" "$root/$top" 2>/dev/null && continue
  mount --rbind "$from" "$root/$top"
  mount -o remount,bind,ro "$root/$top" 2>/dev/null || :
done
for from in /opt/*; do
  [ -d "$from" ] || continue
  [ "/opt/\${from#/opt/}" = "$home" ] && continue
  mkdir -p "$root$from"
  mount --rbind "$from" "$root$from"
  mount -o remount,bind,ro "$root$from" 2>/dev/null || :
done
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || mount --rbind /sys "$root/sys"
for device in null zero full random urandom tty net/tun; do
  [ -e "/dev/$device" ] || continue
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts" 2>/dev/null || :
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
: > "$root/.lab/bin/node"
mount --bind "$binary" "$root/.lab/bin/node"
printf '#!/bin/sh\\nexec node %s "$@"\\n' "$main" > "$root/.lab/bin/martlet"
chmod 755 "$root/.lab/bin/martlet"
while IFS="$tab" read -r step first second; do
  case $step in
    empty)
      mkdir -p "$root$first" && mount -t tmpfs -o mode=755 lab "$root$first" ;;
    bind|bind-ro)
      if [ -d "$first" ]; then mkdir -p "$root$second"
      else mkdir -p "$(dirname "$root$second")"; [ -e "$root$second" ] || : > "$root$second"; fi
      mount --rbind "$first" "$root$second"
      [ "$step" = bind ] || mount -o remount,bind,ro "$root$second" ;;
    sysctl)
      printf '%s' "$second" > "$root/proc/sys/$first" ;;
  esac
done < "$root/.lab/steps"
hostname "$name"
ip link set lo up
cd "$root"
pivot_root . .lab/old
umount -l /.lab/old
printf 'pid %s\\n' "$pid"
exec < /dev/null > /dev/null 2>&1
exec sh -c 'while :; do sleep 2147483 & wait $! || :; done' lab-node
`
