import type { Prefix } from '../../net/index.ts'

/** The CNI configuration of a node whose pods get their addresses out of its blocks. */

/** What is to be in the file, but for the addresses. */
export interface CniFacts {
  /** of the network */
  readonly name: string
  /** the interface that pods are plugged into */
  readonly bridge: string
}

/** What makes a file ours: a field that CNI's readers pass over. */
const WRITER = 'martlet'

/** The text of the file: a bridge, with host-local for all of `ranges`, one set a family. */
export function conflistOf({ name, bridge }: CniFacts, ranges: readonly Prefix[]): string {
  const families = [
    ranges.filter(range => !range.includes(':')),
    ranges.filter(range => range.includes(':')),
  ].filter(family => family.length > 0)
  const conflist = {
    cniVersion: '1.0.0',
    name,
    writtenBy: WRITER,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isGateway: true,
        ipMasq: false,
        ipam: {
          type: 'host-local',
          ranges: families.map(family => family.map(subnet => ({ subnet }))),
          routes: families.map(([first]) => ({ dst: first?.includes(':') ? '::/0' : '0.0.0.0/0' })),
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }
  return `${JSON.stringify(conflist, null, 2)}\n`
}

/** True for what `conflistOf` has written, whatever it was to say then. */
export function isOurConflist(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && Reflect.get(value, 'writtenBy') === WRITER
  } catch {
    return false
  }
}

/** Whose the addresses of a block are that host-local hands out: Calico's IPAM is not to. */
export const cniHandle = (node: string): string => `martlet-cni-${node}`
