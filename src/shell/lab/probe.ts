/**
 * A program that runs in a pod or node of a lab, alone: it answers datagrams with the source
 * address that it saw, and sends such datagrams to others and counts the answers. So one process in
 * each pod shows who reaches whom, how fast, what was lost, and that nothing on the way changed an
 * address.
 *
 * Standard input, one JSON object a line: `{"targets": [...], "intervalMs": n}` begins to probe,
 * `{}` asks for a report. Standard output: `{"listening": true}`, then one report for each line
 * that asked.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { createInterface } from 'node:readline'

/** What is known of one target. */
export interface ProbeReport {
  readonly target: string
  readonly sent: number
  readonly received: number
  /** probes without an answer, not counting those younger than a second */
  readonly lost: number
  /** the longest run of probes without an answer, not counting those younger than a second */
  readonly lostInARow: number
  /** our address as the target saw it; absent before the first answer */
  readonly seen?: string
  /** of the last answer, in milliseconds */
  readonly roundTripMs?: number
}

/** What the program is asked. */
export interface ProbeRequest {
  readonly targets?: readonly string[]
  readonly intervalMs?: number
}

/** UDP port of questions and answers. */
const PORT = 7007
/** An answer that takes longer is lost. In milliseconds. */
const PATIENCE = 1000

interface Target {
  readonly address: string
  sent: number
  received: number
  /** probe number -> when it was sent, for those not answered */
  readonly open: Map<number, number>
  seen: string | undefined
  roundTrip: number | undefined
}

const targets = new Map<string, Target>()
let number = 0
let timer: NodeJS.Timeout | undefined

function receive(socket: Socket, datagram: Buffer, from: RemoteInfo): void {
  const [kind, id = '', address = '', seen = ''] = datagram.toString('utf8').split(' ')
  if (kind === '?') {
    socket.send(`! ${id} ${address} ${from.address}`, from.port, from.address)
    return
  }
  const target = targets.get(address)
  const at = target?.open.get(Number(id))
  if (target === undefined || at === undefined) return
  target.open.delete(Number(id))
  target.received++
  target.seen = seen
  target.roundTrip = performance.now() - at
}

function listen(type: 'udp4' | 'udp6'): Promise<Socket> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' })
  socket.on('message', (datagram, from) => receive(socket, datagram, from))
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(PORT, () => {
      socket.off('error', reject)
      // a pod without a route yet is what labs begin with
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

function report(): readonly ProbeReport[] {
  return [...targets.values()].map(({ address, sent, received, open, seen, roundTrip }) => ({
    target: address,
    sent,
    received,
    ...losses(open),
    ...(seen === undefined ? {} : { seen }),
    ...(roundTrip === undefined ? {} : { roundTripMs: Math.round(roundTrip * 100) / 100 }),
  }))
}

function losses(open: ReadonlyMap<number, number>): { lost: number; lostInARow: number } {
  const before = performance.now() - PATIENCE
  let lost = 0
  let lostInARow = 0
  let run = 0
  let last = Number.NaN
  for (const [id, at] of open) {
    if (at > before) break
    lost++
    // each round numbers all targets, so that one target's next probe is so much further
    run = id - last === targets.size ? run + 1 : 1
    last = id
    lostInARow = Math.max(lostInARow, run)
  }
  return { lost, lostInARow }
}

const [ipv4, ipv6] = await Promise.all([listen('udp4'), listen('udp6').catch(() => undefined)])

function round(): void {
  for (const target of targets.values()) {
    const socket = target.address.includes(':') ? ipv6 : ipv4
    const id = number++
    target.sent++
    target.open.set(id, performance.now())
    // the callback takes what send would throw: no route is an answer too
    socket?.send(`? ${id} ${target.address}`, PORT, target.address, () => {})
  }
}

createInterface({ input: process.stdin })
  .on('line', line => {
    const request: ProbeRequest = JSON.parse(line)
    if (request.targets === undefined) {
      process.stdout.write(`${JSON.stringify(report())}\n`)
      return
    }
    targets.clear()
    for (const address of request.targets) {
      const fresh = { sent: 0, received: 0, seen: undefined, roundTrip: undefined }
      targets.set(address, { address, open: new Map(), ...fresh })
    }
    clearInterval(timer)
    timer = setInterval(round, request.intervalMs ?? 100)
    round()
  })
  .on('close', () => {
    // nothing is left to do, so that the process ends by itself
    clearInterval(timer)
    ipv4.close()
    ipv6?.close()
  })
process.stdout.write('{"listening":true}\n')
