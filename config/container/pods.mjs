/**
 * The container runtime of a worker in docker-compose.yml, as small as it can be: a network namespace for each
 * address of PODS, wired to this one in Calico's manner, and in each a probe that asks every address of OTHERS.
 * What the probes find is written to /results/<address>.json for check.mjs.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const BUILT = fileURLToPath(new URL('../../dist/shell/lab/probe.js', import.meta.url))
const WRITTEN = fileURLToPath(new URL('../../src/shell/lab/probe.ts', import.meta.url))
/** the image has what was built */
const PROBE = existsSync(BUILT) ? BUILT : WRITTEN
const REPORT_EVERY_MS = 500
const pods = (process.env.PODS ?? '').split(' ').filter(Boolean)
const others = (process.env.OTHERS ?? '').split(' ').filter(Boolean)
const children = []

function run(...command) {
  const { status, stderr } = spawnSync(command[0], command.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}

for (const [index, address] of pods.entries()) {
  const interface_ = `pod${index}`
  // the namespace lives as long as this process; it needs no name
  const pause = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  children.push(pause)
  await new Promise(resolve => setTimeout(resolve, 200))
  const inPod = ['nsenter', `--net=/proc/${pause.pid}/ns/net`]
  spawnSync('ip', ['link', 'delete', interface_], { stdio: 'ignore' })
  run(
    'ip',
    'link',
    'add',
    interface_,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    `${pause.pid}`,
  )
  run('ip', 'link', 'set', interface_, 'up')
  run('ip', 'route', 'replace', `${address}/32`, 'dev', interface_)
  run(...inPod, 'ip', 'link', 'set', 'lo', 'up')
  run(...inPod, 'ip', 'link', 'set', 'eth0', 'up')
  run(...inPod, 'ip', 'address', 'add', `${address}/32`, 'dev', 'eth0')
  run(...inPod, 'ip', 'route', 'add', '169.254.1.1', 'dev', 'eth0')
  run(...inPod, 'ip', 'route', 'add', 'default', 'via', '169.254.1.1')

  const probe = spawn(inPod[0], [...inPod.slice(1), process.execPath, PROBE], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(probe)
  const targets = others.filter(other => other !== address)
  probe.stdin.write(`${JSON.stringify({ targets, intervalMs: 200 })}\n`)
  setInterval(() => probe.stdin.write('{}\n'), REPORT_EVERY_MS)
  createInterface({ input: probe.stdout }).on('line', line => {
    if (!line.startsWith('[')) return
    const file = `/results/${address}.json`
    writeFileSync(`${file}.new`, line)
    renameSync(`${file}.new`, file)
  })
}

process.on('SIGTERM', () => {
  for (const child of children) child.kill('SIGKILL')
  process.exit(0)
})
