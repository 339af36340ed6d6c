/**
 * A lab without root: whoever may make user namespaces may run one, with the short PATH that Debian
 * gives to ordinary users.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { RunReport } from '../../src/app/cli/lab/report.ts'
import { labsLeftOut } from './support/lab.ts'

const USER = 65_534
const TOP = new URL('../../', import.meta.url).pathname
const MAIN = join(TOP, 'src/main.ts')

const asOrdinary = (...words: readonly string[]): readonly string[] => [
  'setpriv',
  `--reuid=${USER}`,
  `--regid=${USER}`,
  '--clear-groups',
  ...['env', '-i', 'PATH=/usr/local/bin:/usr/bin:/bin', 'LANG=C.UTF-8'],
  ...words,
]

function succeeds(words: readonly string[]): boolean {
  const [program = '', ...rest] = words
  return spawnSync(program, rest, { stdio: 'ignore' }).status === 0
}

function leftOut(): string | undefined {
  const general = labsLeftOut()
  if (general !== undefined) return general
  if (!succeeds(asOrdinary('test', '-r', MAIN))) return `an ordinary user cannot read ${TOP}`
  if (!succeeds(asOrdinary('unshare', '--user', '--map-root-user', '--net', 'true')))
    return 'this machine lets no ordinary user make namespaces'
  return undefined
}

const why = leftOut()
const title = 'All reach all in a lab of an ordinary user, and no lab is left'
const lab = why === undefined ? test : test.skip

lab(why === undefined ? title : `${title} (left out: ${why})`, t => {
  const home = mkdtempSync(join(tmpdir(), 'martlet-ordinary-'))
  t.teardown(() => rmSync(home, { recursive: true }))
  execFileSync('chown', [String(USER), home])
  const words = [process.execPath, MAIN, 'lab', 'run', '--once', '-t', 'mesh', '-o', 'json']
  const [program = '', ...rest] = asOrdinary(`HOME=${home}`, `TMPDIR=${home}`, ...words)
  const { status, stdout, stderr } = spawnSync(program, [...rest, '--name', 'ordinary'], {
    encoding: 'utf8',
    timeout: 110_000,
  })
  t.is(status, 0, stderr)
  const report: RunReport = JSON.parse(stdout)
  t.true(report.reached)
  t.true(report.pairs.length > 50, `${report.pairs.length} pairs`)
  const running = execFileSync(process.execPath, [MAIN, 'lab', 'status', '-o', 'json'])
  t.false(String(running).includes('"ordinary"'))
})
