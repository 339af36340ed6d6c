import test from 'ava'
import { after, millis, seconds } from '../../../src/core/base/index.ts'
import { MESSAGE_TYPES } from '../../../src/core/wire/index.ts'
import { CONFIG } from './network.ts'
import { reach, START } from './scripted.ts'

/** When KEEPALIVEs go. RFC 4271 §4.4 */

const interval = test.macro({
  title: (title = '') => title,
  exec(t, keepalive: number | undefined, expected: { readonly most: number }) {
    const config = keepalive === undefined ? CONFIG : { ...CONFIG, keepalive: seconds(keepalive) }
    const { session, record } = reach('Established', config)
    const sent = record.sent.length
    const due = session.deadline()
    const longest = after(START, seconds(expected.most))
    // RFC 4271 §10: jitter takes up to a quarter off
    t.true(due > START + 0.74 * (longest - START) && due <= longest, `due after ${due - START} ms`)
    session.tick(due)
    t.is(record.sent.length, sent + 1)
    t.is(record.sent.at(-1)?.bytes[18], MESSAGE_TYPES.KEEPALIVE)
    session.tick(millis(due + 1))
    t.is(record.sent.length, sent + 1)
  },
})

test('without a word of ours, a KEEPALIVE goes every third of the hold time', interval, undefined, {
  most: 30,
})
test('a shorter interval that we are told is kept', interval, 7, { most: 7 })
test('an interval beyond a third of the hold time is a third', interval, 60, { most: 30 })
