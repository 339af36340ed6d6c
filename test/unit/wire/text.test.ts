import test from 'ava'
import { asPathText, COMMUNITIES, communityTexts } from '../../../src/core/wire/index.ts'

/** Attributes as people read them. */

const octets = (text: string): Uint8Array =>
  Uint8Array.from(text.split(' '), each => Number.parseInt(each, 16))

test('a community that means the same everywhere has its name', t => {
  t.deepEqual(communityTexts({ communities: Object.values(COMMUNITIES) }), [
    'graceful-shutdown',
    'llgr-stale',
    'no-llgr',
    'blackhole',
    'no-export',
    'no-advertise',
    'no-export-subconfed',
  ])
  t.deepEqual(communityTexts({ communities: [0xfde8_0001, 0, 0xffff_ffff] }), [
    '65000:1',
    '0:0',
    '65535:65535',
  ])
})

test('large communities are three numbers', t => {
  t.deepEqual(communityTexts({ largeCommunities: [[4294967295, 0, 7]] }), ['4294967295:0:7'])
})

test('extended communities that name routes are words, others are their octets', t => {
  const extendedCommunities = [
    octets('00 02 fd e8 00 01 00 00'),
    octets('01 03 c0 00 02 01 00 07'),
    octets('02 02 00 01 00 00 00 09'),
    octets('40 02 fd e8 00 00 00 01'),
    octets('06 02 0a 0b 0c 0d 0e 0f'),
  ]
  t.deepEqual(communityTexts({ extendedCommunities }), [
    'rt:65000:65536',
    'ro:192.0.2.1:7',
    'rt:65536:9',
    '0x4002fde800000001',
    '0x06020a0b0c0d0e0f',
  ])
  // of a message: octets that begin somewhere in its buffer
  const message = octets('ff ff 00 02 fd e8 00 01 00 00')
  t.deepEqual(communityTexts({ extendedCommunities: [message.subarray(2)] }), ['rt:65000:65536'])
})

test('a path shows what its segments are', t => {
  t.is(
    asPathText([
      { type: 'confed-sequence', asns: [65100, 65101] },
      { type: 'sequence', asns: [65001, 4200000000] },
      { type: 'set', asns: [1, 2] },
      { type: 'confed-set', asns: [3, 4] },
    ]),
    '(65100 65101) 65001 4200000000 {1,2} [3,4]',
  )
  t.is(asPathText([]), '')
})
