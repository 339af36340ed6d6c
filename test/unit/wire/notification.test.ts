import test from 'ava'
import {
  CEASE,
  cease,
  decodeNotification,
  describeNotification,
  encodeNotification,
  hardReset,
  insideHardReset,
  NOTIFICATION_DATA_MAX,
  notification,
  shutdownText,
} from '../../../src/core/wire/index.ts'

/** NOTIFICATION as operators read it. RFC 4271 §4.5, RFC 9003 */

const describes = test.macro((t, code: number, subcode: number, data: string, line: string) => {
  t.is(describeNotification(notification(code, subcode, Buffer.from(data, 'latin1'))), line)
})
test('a code without subcodes', describes, 4, 0, '', 'Hold Timer Expired')
test('a code and its subcode', describes, 2, 2, '', 'OPEN Message Error, Bad Peer AS')
test('an unspecific subcode', describes, 2, 0, '', 'OPEN Message Error')
test('a subcode without a name', describes, 6, 77, '', 'Cease, subcode 77')
test('a code without a name', describes, 99, 3, '', 'error code 99, subcode 3')
test(
  'RFC 9003: the text of a shutdown',
  describes,
  6,
  2,
  '\x0bmaintenance',
  'Cease, Administrative Shutdown: maintenance',
)
test('RFC 9003: the text of a reset', describes, 6, 4, '\x02hi', 'Cease, Administrative Reset: hi')
test(
  'RFC 9003: a length beyond the data',
  describes,
  6,
  2,
  '\x0cmaintenance',
  'Cease, Administrative Shutdown',
)
test(
  'RFC 9003: no text for another subcode',
  describes,
  6,
  3,
  '\x02hi',
  'Cease, Peer De-configured',
)
test(
  'RFC 9003: what steers a terminal is not printed',
  describes,
  6,
  2,
  '\x09a\x1b[2J\r\nb\x00',
  'Cease, Administrative Shutdown: a [2J b',
)

test(
  'RFC 8538 §3.1: a hard reset says what it would have been',
  describes,
  6,
  9,
  '\x06\x02\x0bmaintenance',
  'Cease, Hard Reset: Cease, Administrative Shutdown: maintenance',
)
test('RFC 8538 §3.1: a hard reset without a reason', describes, 6, 9, '', 'Cease, Hard Reset')
test(
  'a hard reset inside a hard reset is not looked into',
  describes,
  6,
  9,
  '\x06\x09\x06\x02',
  'Cease, Hard Reset',
)

test('RFC 8538 §3.1: what is put into a hard reset comes out of it', t => {
  const reason = cease(CEASE.ADMINISTRATIVE_SHUTDOWN, 'maintenance')
  t.deepEqual(insideHardReset(hardReset(reason)), reason)
  t.is(insideHardReset(reason), undefined)
  const long = notification(3, 1, new Uint8Array(NOTIFICATION_DATA_MAX))
  t.is(hardReset(long).data.length, NOTIFICATION_DATA_MAX)
})

test('RFC 9003: what turns the direction of writing is not printed', t => {
  t.is(shutdownText(cease(CEASE.ADMINISTRATIVE_SHUTDOWN, 'a\u202eb\u2028c\ufeff')), 'a b c')
})

test('RFC 9003: broken UTF-8 is replaced, not trusted', t => {
  const broken = notification(6, 2, Uint8Array.of(3, 0x61, 0xff, 0x62))
  t.is(shutdownText(broken), 'a\ufffdb')
})

test('RFC 9003 §2: a long text is cut at a character, within 255 octets', t => {
  const long = cease(CEASE.ADMINISTRATIVE_SHUTDOWN, `a${'\u00e9'.repeat(200)}`)
  t.is(long.data.length, 256)
  t.is(long.data[0], 255)
  t.is(shutdownText(long), `a${'\u00e9'.repeat(127)}`)
  t.is(cease(CEASE.ADMINISTRATIVE_SHUTDOWN, 'x\u00e9'.repeat(100)).data[0], 255)
  t.is(cease(CEASE.ADMINISTRATIVE_SHUTDOWN, '\u00e9'.repeat(200)).data[0], 254)
})

test('a Cease that may not carry text does not', t => {
  t.is(cease(CEASE.OUT_OF_RESOURCES, 'no memory').data.length, 0)
})

test('data that would not fit a message is cut', t => {
  const { data } = notification(3, 5, new Uint8Array(60000))
  t.is(data.length, NOTIFICATION_DATA_MAX)
  t.is(encodeNotification(notification(3, 5, new Uint8Array(60000))).length, 4096)
})

test('a NOTIFICATION of one octet is a fault', t => {
  t.true('remedy' in decodeNotification(Uint8Array.of(6)))
})
