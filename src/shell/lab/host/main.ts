/**
 * The program that runs as the host inside a sandbox: `main.ts FILE NAME HOME MAIN`. One JSON event
 * a line on standard output; orders, one JSON object a line, on standard input. It runs until the
 * sandbox is ended.
 */
import { createInterface } from 'node:readline'
import { LabError } from '../error.ts'
import { loadTopology } from '../topology/topology.ts'
import { Host, type HostEvent, mountShared } from './host.ts'

/** An order from whoever holds the lab. */
export interface Order {
  readonly id: number
  readonly action: 'stop' | 'start'
  readonly node: string
  readonly signal: string
}

function say(event: HostEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

// whoever started the lab may go away and leave it running
process.stdout.on('error', () => {})
setInterval(() => {}, 2 ** 30)

const [file = '', name = '', home = '', main = ''] = process.argv.slice(2)
try {
  const topology = loadTopology(file, process.env)
  await mountShared(topology)
  const agent = { home, main, nodeBinary: process.execPath }
  const host = new Host(topology, name, agent, say)
  createInterface({ input: process.stdin }).on('line', line => {
    const order: Order = JSON.parse(line)
    host.order(order.action, order.node, order.signal).then(
      () => say({ type: 'done', id: order.id }),
      (error: unknown) => say({ type: 'done', id: order.id, error: String(error) }),
    )
  })
  await host.up()
} catch (error) {
  const known = error instanceof LabError
  say({
    type: 'failed',
    code: known ? error.code : 'LAB_FAILED',
    text: known ? error.message : String(error instanceof Error ? error.stack : error),
  })
}
