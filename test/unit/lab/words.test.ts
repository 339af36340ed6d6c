/** Variables and command lines in topology files. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what this file is about
import test from 'ava'
import fc from 'fast-check'
import { expand, splitCommand } from '../../../src/shell/lab/topology/words.ts'

const expands = test.macro({
  exec: (t, text: string, expected: string) =>
    t.is(expand(text, { NAME: 'frr', EMPTY: '', ROUTER: 'bird' }), expected),
  title: (_, text, expected) => `${text} expands to ${JSON.stringify(expected)}`,
})

test(expands, '$NAME', 'frr')
test(expands, '${NAME}-router', 'frr-router')
test(expands, '${UNSET:=directory}', 'directory')
test(expands, '${UNSET:-directory}', 'directory')
test(expands, '${ROUTER:=martlet}', 'bird')
test(expands, '${EMPTY:=martlet}', 'martlet')
test(expands, '${EMPTY-martlet}', '')
test(expands, '${UNSET}.', '.')
test(expands, '$$(hostname) costs 5 $', '$(hostname) costs 5 $')
test(expands, '$$NAME', '$NAME')

const splits = test.macro({
  exec: (t, line: string, ...words: string[]) => t.deepEqual(splitCommand(line), words),
  title: (_, line, ...words) => `${line} is ${words.length} words`,
})

test(splits, 'ip link set eth1 up', 'ip', 'link', 'set', 'eth1', 'up')
test(splits, '  sleep   1  ', 'sleep', '1')
test(splits, `sh -c 'a | b > "c"'`, 'sh', '-c', 'a | b > "c"')
test(splits, `sh -c "echo \\"x\\" \\\\ \\n"`, 'sh', '-c', 'echo "x" \\ \\n')
test(splits, `a'b'"c"\\ d`, 'abc d')
test(splits, `x '' ""`, 'x', '', '')
test(splits, '')

test('A quote that is not closed is a fault that shows the line', t => {
  for (const line of [`a 'b`, `a "b`, 'a\\']) {
    const words = splitCommand(line)
    t.true('fault' in words && words.fault.includes(line))
  }
})

test('Words in single quotes come back as they were', t => {
  const word = fc.string({ unit: 'grapheme-ascii' }).filter(text => !text.includes("'"))
  fc.assert(
    fc.property(fc.array(word), words => {
      t.deepEqual(splitCommand(words.map(text => `'${text}'`).join(' ')), words)
    }),
  )
  t.pass()
})
