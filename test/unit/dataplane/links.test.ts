/** Which index a name has, whatever order dumps and notifications are read in. */
import test from 'ava'
import { Links } from '../../../src/core/dataplane/table/links.ts'

const link = (index: number, name: string, up = true, present = true) => ({
  ...{ present, index, name, up, carrier: up },
})

test('what a notification says while a dump runs stands: the dump may be older', t => {
  const links = new Links()
  links.begin(1)
  links.learn(link(7, 'cali1'), 1)
  links.settle(1)
  links.begin(2)
  t.is(links.learn(link(7, 'cali1', true, false), 0), 'worse')
  t.is(links.learn(link(7, 'cali1'), 2), 'same')
  t.is(links.indexOf('cali1'), 0)
  links.learn(link(8, 'b', false), 0)
  links.learn(link(8, 'b', true), 2)
  t.is(links.whyNot(8), 'b is down')
  t.false(links.settle(2))
  t.is(links.indexOf('b'), 8)
})

test('notifications that are older than a dump do not take the name of the successor', t => {
  const links = new Links()
  links.begin(1)
  links.learn(link(11, 'cali1'), 1)
  links.settle(1)
  // of a link that came and went before the dump: read after it
  links.learn(link(9, 'cali1'), 0)
  t.is(links.learn(link(9, 'cali1', false, false), 0), 'worse')
  t.is(links.indexOf('cali1'), 11)
  t.is(links.nameOf(11), 'cali1')
})

test('a link of which neither a dump nor anything since it began has told is forgotten', t => {
  const links = new Links()
  links.begin(1)
  links.learn(link(7, 'cali1'), 0)
  t.false(links.settle(1))
  links.begin(2)
  const before = links.version
  t.true(links.settle(2))
  t.is(links.indexOf('cali1'), 0)
  t.true(links.version > before)
})

test('a link that is renamed leaves its name', t => {
  const links = new Links()
  links.learn(link(7, 'cali1'), 0)
  t.is(links.learn(link(7, 'cali2'), 0), 'better')
  t.deepEqual([links.indexOf('cali1'), links.indexOf('cali2')], [0, 7])
})
