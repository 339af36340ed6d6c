/**
 * Waiting on a socket that the runtime does not know: the quick way and the plain one hear the
 * same.
 */
import test from 'ava'
import { encodeLinkDump, MessageReader, NativeWriter } from '../../../src/core/rtnl/index.ts'
import {
  type DatagramListener,
  type DatagramSource,
  listen,
  poll,
} from '../../../src/shell/netlink/index.ts'
import { openNetlink } from '../../../src/shell/netlink/socket.ts'
import { PosixSocket, socketOption } from '../../../src/shell/posix/index.ts'
import { until } from '../../support/until.ts'

type Open = (socket: PosixSocket, listener: DatagramListener) => DatagramSource

for (const [kind, open] of [
  ['epoll', listen],
  ['poll', poll],
] as const satisfies readonly (readonly [string, Open])[])
  test(`${kind}: a dump of links is heard, message by message`, async t => {
    const { socket } = openNetlink(0, 1 << 20)
    const messages = new MessageReader()
    let heard = 0
    let done = false
    const source = open(socket, {
      datagram(bytes, length) {
        messages.open(bytes, length)
        while (messages.next()) {
          if (messages.type === 3) done = true
          else heard++
        }
        t.false(messages.broken)
      },
      failed: error => t.fail(error.message),
    })
    t.is(source.kind, kind)
    const request = new NativeWriter(64)
    encodeLinkDump(request, 1)
    socket.sendNow(request.bytes())
    await until(() => done, 'the dump ends')
    t.true(heard >= 1, 'there is a loopback device at least')
    source.close()
  })

test('a socket refuses by name', t => {
  const error = t.throws(() => new PosixSocket(16, 3, 999))
  t.regex(error?.message ?? '', /^socket: EPROTONOSUPPORT$/)
  const { socket } = openNetlink(0, 1 << 20)
  t.throws(() => socket.bind(new Uint8Array(2)), { message: 'bind: EINVAL' })
  t.is(socket.receive(new Uint8Array(16)), -1)
  t.true(socketOption(socket.fd, 1, 8) >= 1 << 18)
  socket.close()
  t.notThrows(() => socket.close())
})

test('two sockets have two ports', t => {
  const [first, second] = [openNetlink(0, 1 << 16), openNetlink(0, 1 << 16)]
  t.not(first.port, second.port)
  t.true(first.port > 0 && second.port > 0)
  first.socket.close()
  second.socket.close()
})

test('a send that fails later says why in its answer', async t => {
  // a datagram socket without a destination
  const socket = new PosixSocket(2, 2, 0)
  const sent = await new Promise<number>(resolve => socket.send(new Uint8Array(3), resolve))
  t.is(sent, -89)
  socket.close()
})
