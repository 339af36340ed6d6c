import { z } from 'zod'
import { seconds } from '../../core/base/index.ts'
import type { SessionSettings } from '../../core/intent/index.ts'
import { SEND_PATHS_MAX } from '../../core/rib/index.ts'
import type { PrefixLimit, SendPaths } from '../../core/speaker/index.ts'

/**
 * What may be asked of a session beyond Calico's fields: the keys of the annotation
 * `martlet/session` and of `session` in a range of `martlet.yaml`. One vocabulary for both.
 */

const whole = (least: number, most: number) => z.int().min(least).max(most)

/** Paths of one prefix that a session is sent, where nobody says how many. */
const SEND_MOST_DEFAULT = 8

const limit = <const Action extends string>(
  actions: readonly [Action, ...Action[]],
  usual: Action,
) =>
  z.strictObject({
    most: whole(1, 0xffffffff).describe('prefixes of one family'),
    warnPercent: whole(1, 100).default(80).describe('a warning is logged at so much of `most`'),
    action: z
      .enum(actions)
      .default(usual as never)
      .describe('what happens beyond `most`'),
    restartSeconds: whole(1, 86_400)
      .default(300)
      .describe('how long `restart` waits before the session begins again'),
  })

const inbound = limit(['warn', 'block', 'restart', 'disable'], 'restart')

const addPath = z
  .strictObject({
    receive: z.boolean().default(false).describe('take several paths of a prefix from the peer'),
    send: z
      .enum(['all', 'best', 'multipath'])
      .optional()
      .describe('send several: all of them, the best ones, or those that are used together'),
    most: whole(1, SEND_PATHS_MAX).optional().describe('most paths of one prefix that are sent'),
  })
  .refine(({ send, most }) => send !== undefined || most === undefined, {
    path: ['most'],
    error: 'has no meaning without "send"',
  })

const localAs = z.strictObject({
  prependOnImport: z.boolean().default(false).describe('put it in front of the paths of the peer'),
  showRealAs: z.boolean().default(false).describe('show the node’s own AS number behind it'),
})

/** The keys, each optional. */
export const sessionSchema = z
  .strictObject({
    addPath: addPath.optional().describe('several paths of a prefix. RFC 7911'),
    extendedMessages: z.boolean().optional().describe('messages of up to 65,535 octets. RFC 8654'),
    extendedNextHop: z.boolean().optional().describe('IPv4 over IPv6 next hops. RFC 8950'),
    role: z
      .enum(['provider', 'route-server', 'route-server-client', 'customer', 'peer'])
      .optional()
      .describe('what this node is to the peer; external sessions only. RFC 9234'),
    roleRequired: z.boolean().optional().describe('a peer that does not say its role is refused'),
    longLivedSeconds: whole(1, 16_777_215)
      .optional()
      .describe('how long our routes may be kept beyond the restart time. RFC 9494'),
    required: z
      .array(
        z.enum([
          'route-refresh',
          'enhanced-route-refresh',
          'four-octet-as',
          'graceful-restart',
          'long-lived-graceful-restart',
          'add-path',
          'extended-message',
          'extended-next-hop',
          'role',
        ]),
      )
      .min(1)
      .optional()
      .describe('capabilities without which a peer is refused'),
    delayOpenSeconds: whole(1, 120)
      .optional()
      .describe('how long we wait for the peer’s OPEN before we send ours'),
    allowOwnAs: whole(0, 255).optional().describe('how often our own AS may be in a path'),
    refuseAsSets: z.boolean().optional().describe('routes with an AS_SET are not used. RFC 9774'),
    localAs: localAs.optional().describe('how a localASNumber shows; external sessions only'),
    overrideAs: z.boolean().optional().describe('the peer’s AS in a path becomes ours'),
    privateAs: z
      .enum(['remove', 'replace'])
      .optional()
      .describe('private AS numbers leave the paths that are sent, or become ours'),
    limits: z
      .strictObject({
        received: inbound.optional().describe('of what the peer says'),
        accepted: inbound.optional().describe('of what is left after import rules'),
        announced: limit(['warn', 'block'], 'warn').optional().describe('of what it is sent'),
      })
      .optional()
      .describe('how many prefixes of a family are too many'),
    passive: z.boolean().optional().describe('wait for the peer’s connection; BGPPeers only'),
  })
  .refine(value => value.roleRequired !== true || value.role !== undefined, {
    path: ['roleRequired'],
    error: 'needs a "role"',
  })

type Written = z.output<typeof sessionSchema>

/** What is written as what is meant. */
export function settingsOf(written: Written): SessionSettings {
  const { addPath, limits, longLivedSeconds, delayOpenSeconds } = written
  const { extendedMessages, extendedNextHop, role, roleRequired, required, allowOwnAs } = written
  const { refuseAsSets, localAs, overrideAs, privateAs, passive } = written
  return {
    ...(addPath && { addPath: { receive: addPath.receive, ...sendOf(addPath) } }),
    ...given({ extendedMessages, extendedNextHop, role, roleRequired, allowOwnAs }),
    ...given({ refuseAsSets, localAs, overrideAs, privateAs, passive }),
    // in one order, so that equal lists are equal
    ...(required && { required: [...new Set(required)].sort() }),
    ...(longLivedSeconds && { longLived: seconds(longLivedSeconds) }),
    ...(delayOpenSeconds && { delayOpen: seconds(delayOpenSeconds) }),
    ...(limits && {
      limits: {
        ...(limits.received && { received: limitOf(limits.received) }),
        ...(limits.accepted && { accepted: limitOf(limits.accepted) }),
        ...(limits.announced && { announced: limitOf(limits.announced) }),
      },
    }),
  }
}

/** The fields that are there: an absent key must not hide what another place says. */
function given<Fields extends object>(fields: Fields): Given<Fields> {
  // the type of what is left cannot be computed from the entries
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Given<Fields>
}

type Given<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

function sendOf({ send, most = SEND_MOST_DEFAULT }: z.output<typeof addPath>): {
  send?: SendPaths
} {
  return send === undefined ? {} : { send: { which: send, most } }
}

function limitOf({ most, warnPercent, action, restartSeconds }: LimitWritten): PrefixLimit {
  return { most, warnPercent, action, restartAfter: seconds(restartSeconds) }
}

interface LimitWritten {
  readonly most: number
  readonly warnPercent: number
  readonly action: PrefixLimit['action']
  readonly restartSeconds: number
}
