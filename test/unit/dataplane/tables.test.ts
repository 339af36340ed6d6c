/** The small structures of the kernel half, each beside a slow twin. */
import test from 'ava'
import fc from 'fast-check'
import { type Millis, millis, NEVER } from '../../../src/core/base/index.ts'
import { Counted } from '../../../src/core/dataplane/table/counted.ts'
import { FIGHTS_MAX, Fights } from '../../../src/core/dataplane/table/fights.ts'
import { Links } from '../../../src/core/dataplane/table/links.ts'
import { RowQueue } from '../../../src/core/dataplane/table/row-queue.ts'

test('a queue gives rows back in the order in which they came, however long it grows', t => {
  const act = fc.oneof(fc.nat(1_000_000), fc.constant(-1))
  fc.assert(
    fc.property(fc.array(act, { maxLength: 500 }), acts => {
      const queue = new RowQueue()
      const twin: number[] = []
      for (const one of acts) {
        if (one >= 0) {
          queue.push(one)
          twin.push(one)
        } else t.is(queue.shift(), twin.shift() ?? -1)
        t.is(queue.size, twin.length)
      }
      for (const left of twin) t.is(queue.shift(), left)
      t.is(queue.shift(), -1)
    }),
  )
})

test('an id lives as long as something uses it, and is used again after', t => {
  const counted = new Counted<string>()
  const first = counted.take('a', () => 'A')
  t.is(
    counted.take('a', () => 'not made again'),
    first,
  )
  const second = counted.take('b', () => 'B')
  t.not(second, first)
  t.is(counted.drop(first), undefined)
  t.is(counted.get(first), 'A')
  t.is(counted.drop(first), 'A')
  t.throws(() => counted.get(first))
  t.is(
    counted.take('c', () => 'C'),
    first,
  )
  t.is(counted.size, 2)
})

test('uses are counted as a map of numbers would', t => {
  const act = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), take: fc.boolean() })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 100 }), acts => {
      const counted = new Counted<string>()
      const uses = new Map<string, number[]>()
      for (const { key, take } of acts) {
        const ids = uses.get(key) ?? []
        uses.set(key, ids)
        if (take) ids.push(counted.take(key, () => key))
        else {
          const id = ids.pop()
          if (id !== undefined) t.is(counted.drop(id), ids.length === 0 ? key : undefined)
        }
      }
      t.is(counted.size, [...uses.values()].filter(ids => ids.length > 0).length)
      for (const [key, ids] of uses) for (const id of ids) t.is(counted.get(id), key)
    }),
  )
})

test('five losses are repaired at once, then pauses double, and a quiet prefix starts over', t => {
  const fights = new Fights()
  let now: Millis = millis(0)
  const pauses: number[] = []
  for (let loss = 0; loss < 8; loss++) {
    pauses.push(fights.lost(3, now).pause)
    now = millis(now + 50)
  }
  t.deepEqual(pauses, [0, 0, 0, 0, 0, 100, 200, 400])
  t.true(fights.paused(3, now))
  t.false(fights.paused(4, now))
  t.deepEqual(fights.due(now), [])
  now = fights.next
  t.deepEqual(fights.due(now), [3])
  t.false(fights.paused(3, now))
  t.is(fights.next, NEVER)
  t.is(fights.lost(3, millis(now + 20_000)).pause, millis(0))
})

test('of more fights than FIGHTS_MAX the oldest is forgotten, and repaired at once', t => {
  const pauseAfter = (others: number): Millis => {
    const fights = new Fights()
    for (let loss = 0; loss < 5; loss++) fights.lost(0, millis(0))
    for (let row = 1; row <= others; row++) fights.lost(row, millis(0))
    return fights.lost(0, millis(0)).pause
  }
  t.is(pauseAfter(FIGHTS_MAX - 1), millis(100))
  t.is(pauseAfter(FIGHTS_MAX), millis(0))
})

test('a flush of a big table is not a fight', t => {
  const fights = new Fights()
  for (let row = 0; row < 20_000; row++) t.is(fights.lost(row, millis(row)).pause, millis(0))
  t.is(fights.next, NEVER)
})

const link = (index: number, name: string, state: 'up' | 'down' | 'dark' | 'gone') => ({
  present: state !== 'gone',
  index,
  name,
  up: state === 'up' || state === 'dark',
  carrier: state === 'up',
})

test('a link is better when it can be used and could not, and worse the other way round', t => {
  const links = new Links()
  t.is(links.learn(link(3, 'a', 'down'), 1), 'same')
  t.is(links.learn(link(3, 'a', 'dark'), 0), 'better')
  t.is(links.learn(link(3, 'a', 'up'), 0), 'better')
  t.is(links.learn(link(3, 'a', 'up'), 0), 'same')
  t.is(links.learn(link(3, 'a', 'dark'), 0), 'worse')
  t.is(links.learn(link(3, 'a', 'gone'), 0), 'worse')
  t.is(links.learn(link(3, 'a', 'gone'), 0), 'same')
})

test('a name means the index that it has now, after renaming and making again', t => {
  const links = new Links()
  links.learn(link(3, 'a', 'up'), 1)
  const { version } = links
  links.learn(link(4, 'a', 'up'), 0)
  // the old one is told to be gone after the new one came
  links.learn(link(3, 'a', 'gone'), 0)
  t.is(links.indexOf('a'), 4)
  links.learn(link(4, 'b', 'up'), 0)
  t.is(links.indexOf('a'), 0)
  t.is(links.indexOf('b'), 4)
  t.not(links.version, version)
})

test('a link that a dump does not name has gone', t => {
  const links = new Links()
  links.begin(1)
  links.learn(link(3, 'a', 'up'), 1)
  links.learn(link(4, 'b', 'up'), 1)
  t.false(links.settle(1))
  links.begin(2)
  links.learn(link(4, 'b', 'up'), 2)
  t.true(links.settle(2))
  t.is(links.indexOf('a'), 0)
  t.is(links.indexOf('b'), 4)
})
