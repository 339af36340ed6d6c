/** Which next hops a route may have, before anybody asks the kernel. */
import test from 'ava'
import { type NextHopName, NO_METRIC } from '../../../src/core/fib/index.ts'
import { type Address, address, addressBytes } from '../../../src/core/net/index.ts'
import { NextHops, scopedText } from '../../../src/core/rib/index.ts'

const OWN = address('10.0.0.1')

const eligible = test.macro<[string, boolean]>({
  exec(t, text, expected) {
    const hops = new NextHops()
    hops.own(new Set([OWN]))
    const bytes = addressBytes(address(text))
    const id = hops.hold(bytes, 0, bytes.length)
    t.is(hops.eligible[id], expected ? 1 : 0)
    // the same where our addresses change later
    hops.own(new Set())
    t.is(hops.eligible[id] === 1, expected || text === OWN)
    if (!expected) t.regex(hops.whyNot(id), text === OWN ? /./ : /no host has/)
  },
  title: (_, text, expected) => `${text} is ${expected ? 'a' : 'no'} next hop`,
})

test(eligible, '10.0.0.2', true)
test(eligible, '2001:db8::1', true)
test(eligible, OWN, false)
test(eligible, '0.0.0.0', false)
test(eligible, '127.0.0.1', false)
test(eligible, '224.0.0.5', false)
test(eligible, '255.255.255.255', false)
test(eligible, '::1', false)
test(eligible, '::', false)
test(eligible, 'ff02::1', false)

const LINK_LOCAL = addressBytes(address('fe80::1'))
const GLOBAL = addressBytes(address('2001:db8::1'))

/** What the kernel is told of a next hop that was received as `octets`. */
function wayOf(hops: NextHops, octets: readonly number[]) {
  const id = hops.hold(Uint8Array.from(octets), 0, octets.length)
  const [way] = hops.hopsOf(hops.holdGroup([id], 1, NO_METRIC))
  return { way, eligible: hops.eligible[id] === 1, why: hops.whyNot(id) }
}

test('a link-local next hop counts where its link is known, and is another one on another link', t => {
  const hops = new NextHops()
  const lost = wayOf(hops, [...LINK_LOCAL])
  t.false(lost.eligible)
  t.is(lost.why, 'nobody says which link the next hop fe80::1 is on')
  const links = ['eth0', 'eth1'].map(name => [0, hops.link(name)])
  const [first, second] = links.map(link => wayOf(hops, [...LINK_LOCAL, ...link]))
  t.like(first, { way: { address: address('fe80::1'), interface: 'eth0' }, eligible: true })
  t.like(second, { way: { address: address('fe80::1'), interface: 'eth1' }, eligible: true })
  t.is(hops.link('eth0'), links[0]![1]!, 'a name has one number')
})

test('a link-local address is ours on the link that we have it on, and nowhere else', t => {
  const hops = new NextHops()
  hops.own(new Set([scopedText(address('fe80::1'), 'eth0')]))
  const [ours, theirs] = ['eth0', 'eth1'].map(name =>
    wayOf(hops, [...LINK_LOCAL, 0, hops.link(name)]),
  )
  t.like(ours, { eligible: false, why: 'the next hop is this node' })
  t.like(theirs, { eligible: true })
  t.is(scopedText(OWN, 'eth0'), OWN, 'others are the same on every link')
})

test('of two addresses the link-local one is used where its link is known, the global one elsewhere', t => {
  const hops = new NextHops()
  const link = hops.link('eth0')
  const both = [...GLOBAL, ...LINK_LOCAL]
  t.deepEqual(wayOf(hops, both).way, { address: address('2001:db8::1'), weight: 1 })
  const { way } = wayOf(hops, [...both, 0, link])
  t.deepEqual(way, { address: address('fe80::1'), interface: 'eth0', weight: 1 })
})

test('what is known of an address holds for its rows, until no path names it any more', t => {
  const hops = new NextHops()
  const [there, other] = ['10.0.0.2', '10.0.0.3'].map(address)
  const hold = (of: Address) => hops.hold(addressBytes(of), 0, 4)
  const id = hold(there!)
  const rowOf = (metric: number) =>
    hops.resolve({ address: there! }, { eligible: true, metric, why: '' })
  t.deepEqual([hops.eligible[id], hops.metric[id]], [1, 0])
  t.deepEqual(rowOf(20), [id])
  t.deepEqual(rowOf(20), [], 'equal means silent')
  t.deepEqual([hops.eligible[id], hops.metric[id]], [1, 20])
  const no = { eligible: false, metric: 0, why: 'no route to 10.0.0.3' }
  t.deepEqual(hops.resolve({ address: other! }, no), [], 'no path names it')
  const row = hold(other!)
  t.is(hops.eligible[row], 1)
  t.deepEqual(hops.resolve({ address: other! }, no), [row])
  t.is(hops.eligible[row], 0)
  t.is(hops.whyNot(row), 'no route to 10.0.0.3')
  hops.release(row)
  t.is(hops.eligible[hold(other!)], 1, 'what was known went with its last path')
})

test('an address of ours is no next hop, however it is reached', t => {
  const hops = new NextHops()
  const id = hops.hold(addressBytes(OWN), 0, 4)
  hops.own(new Set([OWN]))
  hops.resolve({ address: OWN }, { eligible: true, metric: 1, why: '' })
  t.is(hops.eligible[id], 0)
  t.is(hops.whyNot(id), 'the next hop is this node')
})

test('who listens hears of a way before its first use and after its last, whatever names it', t => {
  const hops = new NextHops()
  const said: string[] = []
  const say = (word: string) => (hop: NextHopName) =>
    void said.push(`${word} ${scopedText(hop.address, hop.interface)}`)
  const listener = { track: say('track'), untrack: say('untrack') }
  hops.listen(listener)
  const hold = (octets: readonly number[]) => hops.hold(Uint8Array.from(octets), 0, octets.length)
  const link = [0, hops.link('eth0')]
  const alone = hold([...LINK_LOCAL, ...link])
  const both = hold([...GLOBAL, ...LINK_LOCAL, ...link])
  const four = hold([10, 0, 0, 2])
  t.deepEqual(said.splice(0), ['track fe80::1%eth0', 'track 10.0.0.2'])
  const down = { eligible: false, metric: 0, why: 'eth0 is down' }
  const way = { address: address('fe80::1'), interface: 'eth0' }
  t.deepEqual(hops.resolve(way, down), [alone, both])
  hops.release(alone)
  t.is(hops.whyNot(both), 'eth0 is down')
  hops.repeat(listener)
  t.deepEqual(said.splice(0), ['track fe80::1%eth0', 'track 10.0.0.2'])
  hops.release(both)
  hops.release(four)
  t.deepEqual(said.splice(0), ['untrack fe80::1%eth0', 'untrack 10.0.0.2'])
  for (const octets of [[127, 0, 0, 1], LINK_LOCAL]) hold([...octets])
  t.deepEqual(said, [], 'nobody needs to ask for what is no next hop')
})
