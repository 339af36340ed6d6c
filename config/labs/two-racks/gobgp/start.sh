#!/bin/sh
# GoBGP puts no routes into the kernel, so this does: it asks GoBGP for its best paths once a second, and installs
# those of them that have an equally short AS path as one route with several next hops. It also has GoBGP announce
# $LINKS_IPV4 and $LINKS_IPV6, the networks of the links to the workers of the rack.
gobgpd -t yaml -f /etc/gobgp/gobgp.yml &
trap 'kill $!; exit' TERM INT
until gobgp global >/dev/null 2>&1; do sleep 0.2; done
gobgp global rib add -a ipv4 "$LINKS_IPV4"
gobgp global rib add -a ipv6 "$LINKS_IPV6"

routes() {
  gobgp global rib -a "$1" | awk -v family="$1" '
    # S: stale, of a worker whose speaker restarts
    $1 ~ /^S?\*/ && $3 !~ /^(0\.0\.0\.0|::)$/ {
      hops = 0
      for (field = 4; field <= NF && $field ~ /^[0-9]+$/; field++) hops++
      if ($1 ~ />/) best[$2] = hops
      if (!($2 in best) || hops == best[$2]) vias[$2] = vias[$2] " nexthop via " $3
    }
    END { for (prefix in vias) print prefix vias[prefix] }' | sort
}

touch /tmp/ipv4 /tmp/ipv6
while kill -0 $! 2>/dev/null; do
  for family in ipv4 ipv6; do
    routes "$family" >"/tmp/$family.new"
    {
      comm -13 "/tmp/$family" "/tmp/$family.new" | sed 's/^/route replace proto bgp /'
      # prefixes that were there, and are not
      cut -d' ' -f1 "/tmp/$family" | while read -r prefix; do
        grep -q "^$prefix " "/tmp/$family.new" || echo "route delete proto bgp $prefix"
      done
    } | ip "-${family#ipv}" -force -batch -
    mv "/tmp/$family.new" "/tmp/$family"
  done
  sleep 1
done
