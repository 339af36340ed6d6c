/** What a supervisor takes for a question of its child, which it does not trust. */
import test from 'ava'
import { question } from '../../../src/shell/process/index.ts'

const good = test.macro((t, message: object) => {
  t.deepEqual(question({ ...message, more: 1 }), message as never)
})

const bad = test.macro((t, message: unknown) => {
  t.is(question(message), undefined)
})

test('settings may be asked for', good, { ask: 'settings' })
test('a listener may be asked for', good, { ask: 'listen', id: 1, family: 'ipv6', port: 65_535 })
const there = { ask: 'listen', id: 1, family: 'ipv4', port: 179 }
test('it may be at one address', good, { ...there, address: '10.0.0.1' })
test('an address that is none is none', bad, { ...there, address: 'localhost' })
test('ports may be allowed', good, { ask: 'allow', ports: [179, 1] })
test('no port may be allowed', good, { ask: 'allow', ports: [] })

test('nothing is no question', bad, undefined)
test('a word is no question', bad, 'settings')
test('an unknown question is none', bad, { ask: 'shell' })
test('a listener without a number is none', bad, { ask: 'listen', family: 'ipv4', port: 179 })
test('port 0 is none', bad, { ask: 'listen', id: 1, family: 'ipv4', port: 0 })
test('a port beyond 65535 is none', bad, { ask: 'listen', id: 1, family: 'ipv4', port: 65_536 })
test('a family of its own is none', bad, { ask: 'listen', id: 1, family: 'unix', port: 179 })
test('ports that are no list are none', bad, { ask: 'allow', ports: 22 })
test('one port that is none spoils the list', bad, { ask: 'allow', ports: [179, '22'] })
