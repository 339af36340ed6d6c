import { readFileSync } from 'node:fs'
import test from 'ava'
import { imageOf, missingPackages } from '../../../src/shell/lab/index.ts'

/** Images: which program runs for a name, what it needs, and that ours is started as its Dockerfile says. */

const DOCKERFILE = new URL('../../../config/container/Dockerfile', import.meta.url)

const runs = test.macro({
  exec: (t, name: string, program: string) => t.is(imageOf(name).program, program),
  title: (_, name, program) => `image ${name} runs ${program}`,
})

test(runs, 'martlet', 'martlet')
test(runs, 'registry.example:5000/team/martlet:v1.2.3', 'martlet')
test(runs, 'quay.io/frrouting/frr:10.3.1', 'frr')
test(runs, 'frrouting/frr@sha256:0123', 'frr')
test(runs, 'bird:2', 'bird')
test(runs, 'jauderho/gobgp:v3.37.0', 'gobgp')
test(runs, 'quay.io/coreos/etcd:v3.5.21', 'etcd')
test(runs, 'debian:bookworm-slim', 'pause')

test('An image without a program here is refused with those that there are', t => {
  const error = t.throws(() => imageOf('vrnetlab/vr-sros:23.7'))
  t.regex(error?.message ?? '', /vr-sros.*martlet, frr, bird/)
})

test('What is not installed is told as a Debian package', t => {
  t.deepEqual(
    missingPackages(imageOf('quay.io/frrouting/frr'), () => false),
    ['frr'],
  )
  t.deepEqual(
    missingPackages(imageOf('bird'), file => file === '/usr/sbin/bird'),
    [],
  )
})

test('The lab starts the agent as its image does', t => {
  const lines = readFileSync(DOCKERFILE, 'utf8').split('\n')
  const last = (word: string): unknown =>
    JSON.parse(lines.findLast(line => line.startsWith(`${word} `))?.slice(word.length) ?? 'null')
  const { entrypoint, cmd } = imageOf('martlet')
  t.deepEqual(last('ENTRYPOINT'), entrypoint)
  t.deepEqual(last('CMD'), cmd)
})
