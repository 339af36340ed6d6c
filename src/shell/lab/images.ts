/**
 * What runs in a node for the name of an image: there are no containers here, so an image is a
 * program of this machine with the command line, environment and writable folders that the real
 * image would give it.
 */
import { existsSync } from 'node:fs'
import { LabError } from './error.ts'

/** One image: what its Dockerfile would say, and what must be on this machine for it. */
export interface Image {
  /** matched against the name without tag */
  readonly pattern: RegExp
  /** the word for it in tables */
  readonly program: string
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** folders that begin empty, whatever this machine has there */
  readonly empty: readonly string[]
  /** files that must exist, and the Debian package that has them */
  readonly requires: readonly { readonly file: string; readonly package: string }[]
}

/** Where a node finds the agent and the Node.js that runs it, as the image does. */
export const AGENT_HOME = '/opt/martlet'

/** The programs that labs here are made of. The first whose pattern matches is taken. */
export const IMAGES: readonly Image[] = [
  {
    pattern: /(^|\/)martlet$/,
    program: 'martlet',
    entrypoint: ['node', `${AGENT_HOME}/dist/main.js`],
    cmd: ['run', '--config', '/etc/martlet/martlet.yaml'],
    env: {},
    empty: ['/etc/martlet', '/var/lib/martlet'],
    requires: [],
  },
  {
    pattern: /(^|\/)frr$/,
    program: 'frr',
    // as docker-start of the image: watchfrr in the foreground, with the daemons that
    // /etc/frr/daemons names
    entrypoint: ['bash', '-c'],
    cmd: [
      'chown -R frr:frr /etc/frr 2>/dev/null; install -d -o frr -g frr /run/frr; ' +
        '. /usr/lib/frr/frrcommon.sh; exec /usr/lib/frr/watchfrr $(daemon_list)',
    ],
    env: {},
    empty: ['/etc/frr'],
    requires: [{ file: '/usr/lib/frr/watchfrr', package: 'frr' }],
  },
  {
    pattern: /(^|\/)bird2?$/,
    program: 'bird',
    entrypoint: ['sh', '-c'],
    cmd: ['mkdir -p /run/bird; exec bird -f -c /etc/bird/bird.conf'],
    env: {},
    empty: ['/etc/bird'],
    requires: [{ file: '/usr/sbin/bird', package: 'bird2' }],
  },
  {
    pattern: /(^|\/)gobgpd?$/,
    program: 'gobgp',
    entrypoint: ['gobgpd'],
    cmd: ['-t', 'yaml', '-f', '/etc/gobgp/gobgp.yml'],
    env: {},
    empty: ['/etc/gobgp'],
    requires: [{ file: '/usr/bin/gobgpd', package: 'gobgpd' }],
  },
  {
    pattern: /(^|\/)etcd$/,
    program: 'etcd',
    entrypoint: ['etcd'],
    cmd: [],
    env: { ETCDCTL_API: '3' },
    empty: ['/var/lib/etcd'],
    requires: [{ file: '/usr/bin/etcd', package: 'etcd-server' }],
  },
  {
    // nothing runs: the node is a place for interfaces, addresses and commands
    pattern: /(^|\/)(alpine|busybox|debian|netshoot|network-multitool|ubuntu)$/,
    program: 'pause',
    entrypoint: [],
    cmd: ['sleep', 'infinity'],
    env: {},
    empty: [],
    requires: [],
  },
]

/** The entry for the name of an image, with its registry and tag or without. */
export function imageOf(name: string): Image {
  const bare = name.replace(/@.*$/, '').replace(/:[^/]*$/, '')
  const image = IMAGES.find(({ pattern }) => pattern.test(bare))
  if (image !== undefined) return image
  const known = IMAGES.map(({ program }) => program).join(', ')
  throw new LabError(
    'LAB_TOPOLOGY',
    `image ${name}: the lab has no program for it; it knows ${known}, and plain distributions`,
  )
}

/** What of `image` is missing on this machine, as the names of Debian packages. */
export function missingPackages(
  image: Image,
  exists: (file: string) => boolean = existsSync,
): readonly string[] {
  return image.requires.filter(({ file }) => !exists(file)).map(({ package: name }) => name)
}
