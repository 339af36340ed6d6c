import { z } from 'zod'
import { asNumberOf } from '../../core/calico/index.ts'
import { parsePrefix, parseQuad } from '../../core/net/index.ts'
import { kubernetesSchema } from './schemas/kubernetes.ts'
import { cniSchema, ipamSchema, registrationSchema } from './schemas/participation.ts'
import { sessionSchema } from './session-schema.ts'

/**
 * How a node's configuration is written: `martlet.yaml`. Every field has its default here and
 * nowhere else, and a description, which is what config/martlet.schema.json shows in an editor.
 */

const cidr = z.string().refine(text => parsePrefix(text) !== undefined, {
  error: 'is not a prefix; write the network and its length, as 10.200.0.0/24, host bits zero',
})

const routerId = z.string().refine(text => text === 'hash' || (parseQuad(text) ?? 0) !== 0, {
  error: 'is not a router id; write it as an IPv4 address, or "hash" to make one of the name',
})

const endpoint = z.string().refine(text => /^https?:\/\/[^/]+$/.test(text) && URL.canParse(text), {
  error: 'is not an endpoint; write http://HOST:2379 or https://HOST:2379',
})

const path = z.string().min(1)
const whole = (least: number, most: number) => z.int().min(least).max(most)

const etcd = z
  .strictObject({
    endpoints: z.array(endpoint).min(1).describe('URLs of the members'),
    username: z.string().min(1).optional(),
    password: z.string().optional().describe('better in passwordFile'),
    passwordFile: path.optional().describe('a file that holds the password alone'),
    ca: path.optional().describe('PEM file of the authority that signed the members’ certificates'),
    certificate: path.optional().describe('PEM file of the client’s certificate'),
    key: path.optional().describe('PEM file of the client’s key'),
  })
  .superRefine((value, context) => {
    const say = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message })
    if (value.password !== undefined && value.passwordFile !== undefined)
      say('passwordFile', 'and password are both given; keep one')
    const secret = value.password ?? value.passwordFile
    if (value.username !== undefined && secret === undefined)
      say('username', 'needs a password or a passwordFile')
    if (value.username === undefined && secret !== undefined)
      say('username', 'is missing; a password needs it')
    if ((value.certificate === undefined) !== (value.key === undefined))
      say(
        value.key === undefined ? 'key' : 'certificate',
        'is missing; certificate and key go together',
      )
    if (value.ca !== undefined && value.endpoints.some(url => url.startsWith('http:')))
      say('endpoints', 'must all be https:// where a ca is given')
  })

const store = z
  .strictObject({
    directory: path.optional().describe('a directory of YAML resources, shared by who mounts it'),
    etcd: etcd.optional().describe('an etcd cluster, v3 API, with Calico’s keys'),
  })
  .superRefine((value, context) => {
    if ((value.directory === undefined) === (value.etcd === undefined))
      context.addIssue({
        code: 'custom',
        message: 'needs exactly one of "directory" and "etcd"',
      })
  })

const asNumber = z
  .union([z.number(), z.string()])
  .refine(value => asNumberOf(value) !== undefined, {
    error: 'is not an AS number; write 1 to 4294967294, or asdot in quotes, as "1.10"',
  })

const range = z.strictObject({
  name: z
    .string()
    .regex(/^[a-zA-Z][a-zA-Z0-9-]{0,62}$/, { error: 'is not a name; use letters, digits and "-"' })
    .refine(name => !['Mesh', 'Global', 'Node'].includes(name), {
      error: 'is what sessions of resources are called; choose another',
    })
    .describe('its sessions are NAME_ADDRESS'),
  prefix: cidr.describe('who connects from it is a neighbour; the longest prefix counts'),
  asNumber: asNumber.describe('of all of them'),
  peersMax: whole(1, 1024).default(100).describe('most neighbours at a time'),
  passwordSecret: z
    .strictObject({ name: z.string().min(1), key: z.string().min(1) })
    .optional()
    .describe('a key of a secret: the password of TCP MD5 signatures'),
  ttlSecurity: whole(1, 255).optional().describe('most hops to them. RFC 5082'),
  routeReflectorClient: z
    .boolean()
    .default(false)
    .describe('routes are reflected to them; in the node’s own AS only. RFC 4456'),
  session: sessionSchema.optional().describe('what is asked of the sessions'),
})

const ranges = z.array(range).superRefine((all, context) => {
  for (const field of ['name', 'prefix'] as const)
    for (const [at, one] of all.entries())
      if (all.findIndex(other => other[field] === one[field]) < at)
        context.addIssue({
          code: 'custom',
          path: [at, field],
          message: 'is that of a range above already',
        })
})

const bgp = z.strictObject({
  routerId: routerId.optional().describe('BGP Identifier; by default the node’s IPv4 address'),
  holdSeconds: z
    .int()
    .refine(value => value === 0 || (value >= 3 && value <= 65535), {
      error: 'is not a hold time; RFC 4271 allows 0 (none) and 3 to 65535 seconds',
    })
    .default(90)
    .describe('offered hold time; a keepalive goes every third of it'),
  connectRetrySeconds: whole(1, 3600).default(5).describe('between two attempts to connect'),
  multipathMax: whole(1, 64).default(16).describe('most next hops of a route; 1: no ECMP'),
  families: z
    .array(z.enum(['ipv4', 'ipv6']))
    .min(1)
    .optional()
    .describe('carried by every session; by default the family of its addresses'),
  ranges: ranges.default([]).describe('neighbours that are known by where they connect from'),
})

const kernel = z.strictObject({
  table: whole(1, 4294967295).default(254).describe('routing table; 254 is main'),
  protocol: z
    .int()
    .refine(value => value >= 5 && value <= 255 && value !== 186, {
      error: 'cannot be ours; 0 to 4 are the kernel’s and 186 is FRR’s, write another up to 255',
    })
    .default(77)
    .describe('rtm_protocol: what makes a route ours'),
  metric: whole(1, 4294967295)
    .default(1024)
    .describe('of routes without LOCAL_PREF; a learned one has 2147483647 less it'),
  nexthopObjects: z
    .boolean()
    .default(true)
    .describe('routes that share next hops name a nexthop object, where the kernel has them'),
  routesMax: whole(1, 4_000_000).default(1_000_000).describe('most routes in the kernel'),
  staleSeconds: whole(0, 86400)
    .default(300)
    .describe('how long routes stay after the BGP half has gone; 0: for good'),
  resyncSeconds: whole(1, 86400).default(90).describe('between two comparisons with the kernel'),
  audit: z
    .array(
      z.strictObject({
        prefix: cidr.describe('routes to it and to what is inside it; the longest prefix counts'),
        action: z
          .enum(['restore', 'yield', 'alert'])
          .describe('put back; leave as it is; leave as it is, as a problem of this node'),
      }),
    )
    .max(256)
    .default([])
    .describe('where another hand changes a route of ours; by default all is put back'),
  allow: z
    .strictObject({
      prefixes: z
        .array(cidr)
        .min(1)
        .max(256)
        .optional()
        .describe('routes to these and to what is inside them; by default to anywhere'),
      interfaces: z
        .array(z.string().regex(/^[^\s/*]{1,15}\*?$/, 'is not the name of a link'))
        .min(1)
        .max(256)
        .optional()
        .describe('routes through these links, `cali*` for all that begin so; by default any'),
      metrics: z
        .array(whole(1, 4294967295))
        .min(1)
        .max(256)
        .optional()
        .describe('routes at these metrics; by default at any'),
    })
    .optional()
    .describe('what the kernel half may install, whoever asks for more'),
})

/** Where the sockets are when nobody says. */
export const RUN_DIRECTORY_DEFAULT = '/run/martlet'

/** What `martlet.yaml` may say. */
export const configurationSchema = z
  .strictObject({
    node: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe('name of the Node object; by default the host name'),
    store: store
      .optional()
      .describe('where the resources are; required, unless ETCD_ENDPOINTS is set'),
    secrets: z
      .strictObject({
        directory: path
          .optional()
          .describe('the key KEY of the secret NAME is the file NAME/KEY in it'),
        store: z
          .boolean()
          .default(false)
          .describe('the key KEY of the secret NAME is /martlet/v1/secrets/NAME/KEY in the store'),
      })
      .refine(value => (value.directory !== undefined) !== value.store, {
        error: 'needs exactly one of "directory" and "store: true"',
      })
      .optional()
      .describe('where the passwords of sessions are, which resources name by secretKeyRef'),
    registration: registrationSchema
      .optional()
      .describe('this node’s own Node object, made and kept true; by default it is left alone'),
    ipam: ipamSchema.prefault({}),
    cni: cniSchema
      .optional()
      .describe('a file for the container runtime: a bridge, and this node’s blocks for its pods'),
    kubernetes: kubernetesSchema
      .optional()
      .describe('whose services are announced; by default nobody asks Kubernetes'),
    podCIDRs: z.array(cidr).default([]).describe('by default those of the Node object or of IPAM'),
    calico: z
      .strictObject({
        felix: z
          .enum(['absent', 'beside'])
          .default('absent')
          .describe('beside: one runs here, and routes of workloads and of tunnels are its'),
      })
      .prefault({}),
    transit: z
      .boolean()
      .default(false)
      .describe('announce learned routes too: a router, not a node'),
    runDirectory: path.default(RUN_DIRECTORY_DEFAULT).describe('where the processes’ sockets are'),
    stateDirectory: path
      .optional()
      .describe(
        'where the last word of the store is kept over restarts; by default ' +
          '/var/lib/martlet/.node, or "state" in a runDirectory of its own',
      ),
    birdSocket: path
      .optional()
      .describe(
        'answers as BIRD’s control socket does, for calicoctl: /var/run/calico/bird.ctl; ' +
          'IPv6 is beside it, bird6.ctl. By default there is none',
      ),
    bgp: bgp.prefault({}),
    kernel: kernel.prefault({}),
    log: z
      .strictObject({
        level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
      })
      .prefault({}),
    state: z
      .strictObject({
        leaseSeconds: whole(2, 600)
          .default(10)
          .describe('how long the state of a dead node stays in the store'),
      })
      .prefault({}),
  })
  .superRefine(({ ipam, podCIDRs }, context) => {
    if (ipam.claim && podCIDRs.length > 0)
      context.addIssue({
        code: 'custom',
        path: ['ipam', 'claim'],
        message: 'and podCIDRs are both given; a node has the ones or the others',
      })
  })
  .describe('Configuration of one Martlet node')

/** The configuration as written, defaults applied. */
export type WrittenConfiguration = z.output<typeof configurationSchema>
