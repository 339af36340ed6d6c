/** What a store's failures say to people. */
import test from 'ava'
import { sentenceOf } from '../../../src/shell/store/errors.ts'

test('what gRPC puts around a sentence is not told', t => {
  const said = (text: string): string => sentenceOf(new Error(text))
  const none = '14 UNAVAILABLE: No connection established. Last error: '
  t.is(
    said(`${none}Error: connect ECONNREFUSED 127.0.0.1:2379.`),
    'connect ECONNREFUSED 127.0.0.1:2379',
  )
  t.is(said(`${none}ECONNREFUSED. Resolution note: `), 'ECONNREFUSED')
  t.is(said(`${none}down. Resolution note: none`), 'down. Resolution note: none')
  t.is(said('7 PERMISSION_DENIED: etcdserver: permission denied'), 'etcdserver: permission denied')
  t.is(sentenceOf('plain'), 'plain')
})
