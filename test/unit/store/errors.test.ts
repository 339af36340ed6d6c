/** What a store's failures say to people. */
import test from 'ava'
import { sentenceOf } from '../../../src/shell/store/errors.ts'

test('a heading that gRPC leaves empty is not told', t => {
  const said = '14 UNAVAILABLE: No connection established. Last error: ECONNREFUSED.'
  t.is(sentenceOf(new Error(`${said} Resolution note: `)), said)
  t.is(sentenceOf(new Error(`${said} Resolution note: none`)), `${said} Resolution note: none`)
  t.is(sentenceOf('plain'), 'plain')
})
