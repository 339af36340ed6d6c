/** Messages of routes that say more than they may: the connection ends. */
import { create } from '@bufbuild/protobuf'
import test from 'ava'
import type { GroupId } from '../../../src/core/fib/index.ts'
import {
  AFI,
  BATCH_ANSWERS_MAX,
  BATCH_ROUTES_MAX,
  fromAnswers,
  GROUP_HOPS_MAX,
  routeEvents,
} from '../../../src/shell/link/convert/routes.ts'
import {
  FromSpeakerSchema,
  NextHopAnswerSchema,
} from '../../../src/shell/link/generated/link_pb.ts'

const hop = { address: Uint8Array.of(192, 0, 2, 1), interface: '', weight: 1 }

const group = (count: number) =>
  routeEvents(
    create(FromSpeakerSchema, {
      body: { case: 'groups', value: { groups: [{ id: 7, hops: Array(count).fill(hop) }] } },
    }),
  )

test('a group has GROUP_HOPS_MAX next hops at most, and one at least', t => {
  t.like(group(GROUP_HOPS_MAX)[0], { type: 'Group', id: 7 as GroupId })
  for (const count of [0, GROUP_HOPS_MAX + 1])
    t.throws(() => group(count), { code: 'LINK_MESSAGE', message: `a group of ${count} next hops` })
})

const withdraws = (count: number) =>
  routeEvents(
    create(FromSpeakerSchema, {
      body: {
        case: 'withdraws',
        value: {
          afi: AFI.ipv4,
          nlri: Uint8Array.from({ length: 2 * count }, (_, at) => 8 + (at % 2)),
        },
      },
    }),
  )

test('a batch has BATCH_ROUTES_MAX prefixes at most', t => {
  t.like(withdraws(BATCH_ROUTES_MAX)[0], { type: 'Withdraws', family: 'ipv4' })
  const message = `a batch of ${BATCH_ROUTES_MAX + 1} prefixes`
  t.throws(() => withdraws(BATCH_ROUTES_MAX + 1), { code: 'LINK_MESSAGE', message })
})

test('a message answers for BATCH_ANSWERS_MAX next hops at most', t => {
  const answer = create(NextHopAnswerSchema, { hop, eligible: true, metric: 0 })
  t.is(fromAnswers(Array(BATCH_ANSWERS_MAX).fill(answer)).length, BATCH_ANSWERS_MAX)
  const message = `answers for ${BATCH_ANSWERS_MAX + 1} next hops`
  t.throws(() => fromAnswers(Array(BATCH_ANSWERS_MAX + 1).fill(answer)), {
    code: 'LINK_MESSAGE',
    message,
  })
})
