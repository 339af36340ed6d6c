/**
 * The command line as its own process, against a real etcd: what an operator types, and scripts
 * rely on.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'ava'
import { certificates, type EtcdMember, etcdMembers } from '../support/etcd.ts'

/** What was built, where there is any: it starts in half the time. */
const MAIN = resolve(import.meta.dirname, '../..', process.env.MARTLET_LAB_MAIN ?? 'src/main.ts')
const KEY = '/calico/resources/v3/projectcalico.org/bgppeers/tor'

const folder = mkdtempSync(join(tmpdir(), 'martlet-cli-'))
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const peer = (asNumber: number, metadata = ''): string => `apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor${metadata}}
spec: {peerIP: 10.240.0.1, asNumber: ${asNumber}}
`

interface Ended {
  readonly code: number
  readonly out: string
  readonly said: string
}

function martlet(...words: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    const options = { env: { ...process.env, MARTLET_CONFIG: join(folder, 'martlet.yaml') } }
    const child = execFile(process.execPath, [MAIN, ...words], options, (error, out, said) =>
      resolve({
        code: typeof error?.code === 'number' ? error.code : (child.exitCode ?? 0),
        out,
        said,
      }),
    )
    child.stdin?.end()
  })
}

let etcd: EtcdMember
test.before(async () => {
  const [member] = await etcdMembers(1)
  if (member === undefined) throw new Error('one member was asked for')
  etcd = member
  await etcd.start()
  file('martlet.yaml', `node: worker-0\nstore: {etcd: {endpoints: ['${etcd.endpoint}']}}\n`)
})
test.after.always(async () => {
  await etcd?.remove()
  rmSync(folder, { recursive: true, force: true })
})

test.serial(
  'a peer is applied, shown, replaced and deleted, with Calico’s key and value',
  async t => {
    const created = await martlet('apply', '-f', file('tor.yaml', peer(64512)))
    t.deepEqual(created, {
      code: 0,
      out: "Successfully applied 1 'BGPPeer' resource(s)\n",
      said: '',
    })
    const value = JSON.parse(await etcd.control('get', '--print-value-only', KEY))
    t.deepEqual(Object.keys(value), ['kind', 'apiVersion', 'metadata', 'spec'])
    t.deepEqual(Object.keys(value.metadata), ['name', 'uid', 'creationTimestamp'])
    const shown = await martlet('get', 'bgppeers')
    t.is(shown.out, 'NAME   PEERIP       NODE       ASN\ntor    10.240.0.1   (global)   64512\n')
    t.is((await martlet('create', '-f', join(folder, 'tor.yaml'))).code, 4)
    const { out } = await martlet('get', 'bgppeer', 'tor', '-o', 'json')
    const { metadata } = JSON.parse(out)
    t.is(metadata.uid, value.metadata.uid)
    const stale = `, resourceVersion: "${Number(metadata.resourceVersion) - 1}"`
    t.is((await martlet('replace', '-f', file('stale.yaml', peer(64513, stale)))).code, 4)
    t.is((await martlet('replace', '-f', file('new.yaml', peer(64513)))).code, 0)
    t.is((await martlet('delete', 'bgppeer', 'tor')).code, 0)
    t.is((await martlet('delete', 'bgppeer', 'tor')).code, 3)
    t.is(await etcd.control('get', KEY), '')
  },
)

test.serial('two that apply at once both succeed, and one of them is there whole', async t => {
  const files = [64601, 64602, 64603].map(asn =>
    file(`${asn}.yaml`, peer(asn, `, labels: {n: "${asn}"}`)),
  )
  const ended = await Promise.all(files.map(path => martlet('apply', '-f', path)))
  t.deepEqual(
    ended.map(({ code }) => code),
    [0, 0, 0],
  )
  const { metadata, spec } = JSON.parse(await etcd.control('get', '--print-value-only', KEY))
  t.is(metadata.labels.n, String(spec.asNumber))
})

test.serial('a reader that goes away early is no failure', async t => {
  const get = `${process.execPath} ${MAIN} get bgppeers -o yaml`
  const command = `${get} | head -1; test "\${PIPESTATUS[0]}" = 0`
  const code = await new Promise(resolve => {
    const env = { ...process.env, MARTLET_CONFIG: join(folder, 'martlet.yaml') }
    execFile('bash', ['-c', command], { env }, error => resolve(error?.code ?? 0))
  })
  t.is(code, 0)
})

test.serial('an etcd that does not answer is code 5 and one line, within its deadline', async t => {
  await etcd.kill()
  const { code, out, said } = await martlet('get', 'bgppeers')
  t.is(code, 5)
  t.is(out, '')
  t.regex(said, /^martlet: .*"store" in the configuration says where\n$/)
})

test.serial(
  'with TLS and users, what is wrong is told in a line: whom the other does not trust',
  async t => {
    t.timeout(60_000)
    const tls = certificates(t)
    const at = (name: string): string => join(tls, name)
    const others = certificates(t)
    const trust = ['--trusted-ca-file', at('ca.crt'), '--client-cert-auth']
    const [secured] = await etcdMembers(1, {
      scheme: 'https',
      flags: [...trust, '--cert-file', at('server.crt'), '--key-file', at('server.key')],
      controlFlags: [
        '--cacert',
        at('ca.crt'),
        '--cert',
        at('client.crt'),
        '--key',
        at('client.key'),
      ],
    })
    if (secured === undefined) return t.fail('one member was asked for')
    t.teardown(() => secured.remove())
    await secured.start()
    await secured.control('user', 'add', 'root:secret')
    await secured.control('user', 'grant-role', 'root', 'root')
    await secured.control('role', 'add', 'martlet')
    for (const prefix of ['/calico/', '/martlet/'])
      await secured.control(
        'role',
        'grant-permission',
        'martlet',
        '--prefix=true',
        'readwrite',
        prefix,
      )
    await secured.control('user', 'add', 'martlet:tern')
    await secured.control('user', 'grant-role', 'martlet', 'martlet')
    await secured.control('auth', 'enable')
    const etcdOf = { endpoints: [secured.endpoint], ca: at('ca.crt') }
    const signed = { ...etcdOf, certificate: at('client.crt'), key: at('client.key') }
    const user = { username: 'martlet', passwordFile: file('password', 'tern\n') }
    const as = (etcd: object, ...words: string[]): Promise<Ended> =>
      martlet(
        ...words,
        '-c',
        file('tls.yaml', JSON.stringify({ node: 'worker-0', store: { etcd } })),
      )

    const tor = file('tor.yaml', peer(64512))
    t.deepEqual(await as({ ...signed, ...user }, 'apply', '-f', tor), {
      code: 0,
      out: "Successfully applied 1 'BGPPeer' resource(s)\n",
      said: '',
    })
    // a member that is not there costs time, and nothing else
    const endpoints = ['https://127.0.0.1:1', secured.endpoint]
    const found = await as({ ...signed, ...user, endpoints }, 'get', 'bgppeer', 'tor')
    t.deepEqual([found.code, found.said], [0, ''])
    const advice = '; look at the user and the certificates of "store"\n'
    const wrong: readonly (readonly [object, RegExp])[] = [
      [
        { ...signed, username: 'martlet', password: 'gull' },
        /^martlet: etcd refuses: .*invalid user ID or password$/,
      ],
      [signed, /^martlet: etcd refuses: .*permission denied$/],
      [{ ...etcdOf, ...user }, /^martlet: etcd at \S+: TLS fails: .*certificate/],
      [
        { ...signed, ...user, ca: join(others, 'ca.crt') },
        /: TLS fails: unable to verify the first certificate$/,
      ],
    ]
    for (const [etcd, sentence] of wrong) {
      const { code, out, said } = await as(etcd, 'get', 'bgppeers')
      t.deepEqual([code, out], [5, ''])
      t.true(said.endsWith(advice), said)
      t.regex(said.slice(0, -advice.length), sentence)
    }
  },
)
