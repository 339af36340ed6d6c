/**
 * A node's BIRD as Calico's confd configures it (its templates `bird`, `bird_ipam` and `bird_aggr`), in the words of
 * BIRD 2: the node that a Calico node is, for labs in which Martlet has to agree with it. IPv4.
 *
 * What BIRD 2 has no word for: `krt_tunnel`, and the name of a route's interface, which Calico asks for to leave its
 * tunnels out. The labs have no tunnels.
 */

/** What every node of a cluster has in common. */
export interface BirdCluster {
  readonly asNumber: number
  /** all nodes, those that run something else too */
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  /** pools without a tunnel, in order of text */
  readonly pools: readonly { readonly cidr: string; readonly disableBGPExport?: boolean }[]
  /** of prefixAdvertisements, with the values of their names */
  readonly communities: readonly (readonly [cidr: string, values: readonly string[]])[]
  /** nodeMeshPassword */
  readonly password?: string
  /** BGPPeers without a node */
  readonly globalPeers: readonly { readonly peerIP: string; readonly asNumber: number }[]
}

/** ipv4NormalRoutePriority, and the number that LOCAL_PREF is counted down from. */
const PRIORITY = 1024
const INFINITE = 2_147_483_647

/** The configuration of the node `name`, whose confirmed blocks are `blocks`. */
export function calicoBirdText(
  name: string,
  blocks: readonly string[],
  cluster: BirdCluster,
): string {
  const own = cluster.nodes.find(node => node.name === name)
  if (own === undefined) throw new Error(`there is no node ${name}`)
  return [
    filtersText(blocks, cluster),
    processText(own.address),
    blocks.length === 0
      ? ''
      : `protocol static {\n  ipv4;\n${blocks.map(block => `  route ${block} blackhole;\n`).join('')}}`,
    templateText(cluster),
    ...meshText(own, cluster),
    ...globalText(own, cluster),
    '',
  ].join('\n')
}

/** `bird.cfg` above its template. */
const processText = (address: string): string => `
log stderr all;
router id ${address};
protocol kernel {
  learn; persist; scan time 2; merge paths on; graceful restart;
  # 0: each route brings its own
  metric 0;
  ipv4 { import all; export filter calico_kernel_programming; };
}
protocol device { scan time 2; }
protocol direct { ipv4; interface -"cali*", -"kube-ipvs*", "*"; }
`

/** `bird_ipam.cfg` and `bird_aggr.cfg`; the functions are before those who call them. */
function filtersText(blocks: readonly string[], { pools, communities }: BirdCluster): string {
  const said = communities.flatMap(([cidr, values]) => {
    const added = values.map(value => {
      const numbers = value.split(':')
      return `bgp_${numbers.length === 3 ? 'large_' : ''}community.add((${numbers.join(',')}));`
    })
    return `  if (net ~ ${cidr}) then { ${added.join(' ')} }\n`
  })
  const exported = pools.filter(({ disableBGPExport }) => disableBGPExport !== true)
  const hidden = pools.filter(({ disableBGPExport }) => disableBGPExport === true)
  return `
function apply_communities() {
${said.join('')}}
function calico_aggr() {
${blocks
  .map(
    block => `  if (net = ${block}) then accept;
  if (net ~ ${block} && krt_metric < ${PRIORITY}) then accept;
  if (net ~ ${block}) then reject;
`,
  )
  .join('')}}
function calico_export_to_bgp_peers(bool is_same_as) {
${hidden.map(({ cidr }) => `  if (net ~ ${cidr}) then reject;\n`).join('')}  apply_communities();
  calico_aggr();
${exported.map(({ cidr }) => `  if (net ~ ${cidr}) then accept;\n`).join('')}}
function metrics() {
  if (source = RTS_BGP && defined(bgp_local_pref)) then krt_metric = ${INFINITE} - bgp_local_pref;
  else {
    if (!defined(krt_metric)) then krt_metric = ${PRIORITY};
    bgp_local_pref = ${INFINITE} - krt_metric;
  }
}
filter calico_kernel_programming {
  # what is direct is there already; BIRD 1.6 knows that by itself
  if (source = RTS_DEVICE) then reject;
  if (source = RTS_BGP && !defined(krt_metric)) then {
    if (defined(bgp_local_pref)) then krt_metric = ${INFINITE} - bgp_local_pref;
    else krt_metric = ${PRIORITY};
    if (krt_metric < ${PRIORITY}) then preference = 200;
  }
${exported.map(({ cidr }) => `  if (net ~ ${cidr}) then accept;\n`).join('')}  accept;
}
filter from_peers {
  if (defined(bgp_local_pref) && bgp_local_pref > ${INFINITE - PRIORITY}) then preference = 200;
  accept;
}
filter to_internal { metrics(); calico_export_to_bgp_peers(true); reject; }
filter to_external { metrics(); calico_export_to_bgp_peers(false); reject; }
`
}

const templateText = ({ asNumber }: BirdCluster): string => `
template bgp bgp_template {
  local as ${asNumber};
  multihop;
  graceful restart;
  connect delay time 2; connect retry time 5; error wait time 5, 30;
}`

function meshText(own: { readonly address: string }, cluster: BirdCluster): string[] {
  const { nodes, asNumber, password } = cluster
  return nodes
    .filter(({ address }) => address !== own.address)
    .map(({ address }) =>
      session(
        'Mesh',
        { own: own.address, address, asNumber, cluster, passive: address > own.address },
        password === undefined ? '' : `password "${password}";`,
      ),
    )
}

function globalText(own: { readonly address: string }, cluster: BirdCluster): string[] {
  const { nodes, globalPeers } = cluster
  return globalPeers.map(({ peerIP: address, asNumber }) => {
    const isNode = nodes.some(node => node.address === address)
    const passive = isNode && address > own.address
    return session('Global', { own: own.address, address, asNumber, cluster, passive }, '')
  })
}

interface Ends {
  readonly own: string
  readonly address: string
  readonly asNumber: number
  readonly cluster: BirdCluster
  /** Calico compares addresses as texts: 10.0.0.9 is above 10.0.0.10 */
  readonly passive: boolean
}

function session(kind: string, ends: Ends, more: string): string {
  const { own, address, asNumber, cluster, passive } = ends
  const side = asNumber === cluster.asNumber ? 'internal' : 'external'
  return `
protocol bgp ${kind}_${address.replaceAll('.', '_')} from bgp_template {
  neighbor ${address} as ${asNumber};
  source address ${own};
  ${passive ? 'passive on;' : ''} ${more}
  ipv4 { import filter from_peers; export filter to_${side}; add paths on; gateway recursive; };
}`
}
