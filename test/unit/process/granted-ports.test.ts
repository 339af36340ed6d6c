/** Which listeners a speaker gets by asking its supervisor. */
import { Server } from 'node:net'
import test from 'ava'
import { address } from '../../../src/core/net/index.ts'
import { SILENT } from '../../../src/shell/log/index.ts'
import { GrantedPorts } from '../../../src/shell/process/index.ts'

interface Asked {
  readonly opened: number[]
  ask(port: number): Promise<{ readonly answer: object; readonly server: Server | undefined }>
  readonly ports: GrantedPorts
}

function supervisor(listen: () => Promise<Server> = async () => new Server()): Asked {
  const opened: number[] = []
  const ports = new GrantedPorts({
    log: SILENT,
    listen: at => {
      opened.push(at.port)
      return listen()
    },
    explain: error => `because: ${error.message}`,
  })
  return {
    opened,
    ports,
    ask: port =>
      new Promise(resolve => {
        void ports.open({ family: 'ipv4', port }, 7, (answer, server) =>
          resolve({ answer, server }),
        )
      }),
  }
}

test('BGP’s own port and those that any process may have are opened', async t => {
  const { ask, opened } = supervisor()
  for (const port of [179, 1_024, 65_535]) {
    const { answer, server } = await ask(port)
    t.deepEqual(answer, { listen: 7 })
    t.true(server instanceof Server)
  }
  t.deepEqual(opened, [179, 1_024, 65_535])
})

test('one that is asked for at an address is opened there', async t => {
  const places: object[] = []
  const ports = new GrantedPorts({
    log: SILENT,
    listen: async at => {
      places.push(at)
      return new Server()
    },
    explain: String,
  })
  const at = { family: 'ipv4', port: 179, address: address('10.0.0.1') } as const
  await ports.open(at, 7, () => undefined)
  t.deepEqual(places, [at])
})

test('another low port is opened only while the controller says that it is named', async t => {
  const { ask, opened, ports } = supervisor()
  const refused = { listen: 7, code: 'EPERM' }
  t.like((await ask(22)).answer, refused)
  t.like((await ask(1_023)).answer, refused)
  ports.allow([180])
  t.deepEqual((await ask(180)).answer, { listen: 7 })
  t.like((await ask(22)).answer, refused)
  ports.allow([])
  t.like((await ask(180)).answer, refused)
  t.deepEqual((await ask(179)).answer, { listen: 7 })
  t.deepEqual(opened, [180, 179])
})

test('why a port cannot be had is the answer', async t => {
  const { ask } = supervisor(async () => {
    throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' })
  })
  const answer = { listen: 7, code: 'EADDRINUSE', text: 'because: in use' }
  t.deepEqual((await ask(179)).answer, answer)
})
