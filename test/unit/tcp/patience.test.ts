/** When what is to be sent leaves. */
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { millis } from '../../../src/core/base/index.ts'
import { Patience } from '../../../src/shell/tcp/patience.ts'
import { until } from '../../support/until.ts'

test('who has something to send waits one turn where nothing else happens', async t => {
  const sent: string[] = []
  const patience = new Patience<string>(one => sent.push(one))
  patience.wait('a')
  patience.wait('b')
  patience.wait('a')
  t.deepEqual(sent, [], 'never from inside a call')
  await until(() => sent.length > 0, 'it was released')
  t.deepEqual(sent, ['a', 'b'], 'each once')
})

test('while things go on happening it waits, but not for ever', async t => {
  const sent: number[] = []
  let time = 0
  const patience = new Patience<number>(
    one => sent.push(one),
    () => millis(time),
  )
  patience.wait(1)
  const passes = async (): Promise<void> => {
    patience.happened()
    await turn()
  }
  for (; time < 9; time++) await passes()
  t.deepEqual(sent, [], 'it waits')
  time++
  await until(() => passes().then(() => sent.length > 0), 'it was released')
  t.deepEqual(sent, [1])
})

test('who was sent for another reason does not wait any more', async t => {
  const sent: string[] = []
  const patience = new Patience<string>(one => sent.push(one))
  patience.wait('gone')
  patience.wait('here')
  patience.leave('gone')
  await until(() => sent.length > 0, 'it was released')
  await turn()
  t.deepEqual(sent, ['here'])
  patience.wait('gone')
  await until(() => sent.length > 1, 'it was released')
  t.deepEqual(sent, ['here', 'gone'], 'and may wait again')
})
