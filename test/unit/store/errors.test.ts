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
  t.is(said('14 UNAVAILABLE: Failed to connect (2026-11-20T17:24:13.218Z)'), 'Failed to connect')
  t.is(sentenceOf('plain'), 'plain')
})

test('of a TLS connection that fails it is told why, and neither where in OpenSSL nor how Node.js is started', t => {
  const alert =
    '40DD2774F37F0000:error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:' +
    '../deps/openssl/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 42:\n'
  const none = '14 UNAVAILABLE: No connection established. Last error: '
  t.is(
    sentenceOf(new Error(`${none}${alert} (2026-11-20T17:24:01.457Z).`)),
    'ssl/tls alert bad certificate',
  )
  const node =
    'unable to verify the first certificate; if the root CA is installed locally, try running Node.js with --x'
  t.is(sentenceOf(new Error(`${none}Error: ${node}.`)), 'unable to verify the first certificate')
})
