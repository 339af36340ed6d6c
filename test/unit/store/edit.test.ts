/** Editing one object in a file of many: whatever is edited, the others are as they were. */
import test from 'ava'
import fc from 'fast-check'
import { readYaml } from '../../../src/shell/config/index.ts'
import { editText } from '../../../src/shell/store/file/edit.ts'

const keyOf = (name: string): string => `/calico/resources/v3/projectcalico.org/bgppeers/${name}`
const object = (name: string, peerIP: string): object => ({
  kind: 'BGPPeer',
  metadata: { name },
  spec: { peerIP },
})
const block = (name: string): string =>
  `kind: BGPPeer\nmetadata:\n  name: ${name}\nspec: # of ${name}\n  peerIP: "1"\n`

const form = fc.constantFrom(
  (name: string) => `---\n${block(name)}`,
  (name: string) => `--- # marked\n# above\n\n${block(name)}`,
  (name: string) => `---\n${block(name)}# below\n`,
  (name: string) => `--- ${JSON.stringify(object(name, '1'))}\n`,
  (name: string) => `---\n# nothing\n---\n${JSON.stringify(object(name, '1'))}\n`,
)
const files = fc
  .tuple(fc.array(form, { minLength: 1, maxLength: 5 }), fc.boolean(), fc.boolean())
  .map(([forms, first, open]) => {
    const text = forms.map((write, at) => write(`n${at}`)).join('')
    const file = first ? `# the file\n${text}` : text
    return { count: forms.length, text: open ? file.replace(/\n$/, '') : file }
  })

const objectsOf = (text: string): unknown[] => readYaml(text).map(({ value }) => value)

test('a replaced object is the new one, and the others are as they were', t => {
  fc.assert(
    fc.property(files, fc.nat(4), ({ count, text }, which) => {
      const at = which % count
      const next = object(`n${at}`, '2')
      const edited = editText(text, keyOf(`n${at}`), JSON.stringify(next))
      t.deepEqual(objectsOf(edited ?? ''), objectsOf(text).with(at, next))
      for (let other = 0; other < count; other++)
        if (other !== at && text.includes(`# of n${other}`))
          t.true(edited?.includes(`# of n${other}`))
    }),
  )
})

test('a deleted object is gone, and the others are as they were', t => {
  fc.assert(
    fc.property(files, fc.nat(4), ({ count, text }, which) => {
      const at = which % count
      const edited = editText(text, keyOf(`n${at}`), undefined)
      t.deepEqual(objectsOf(edited ?? 'x'), objectsOf(text).toSpliced(at, 1))
      t.is(edited === '', count === 1)
    }),
  )
})

test('an object that is not there is not edited', t => {
  fc.assert(
    fc.property(files, ({ text }) => t.is(editText(text, keyOf('absent'), undefined), undefined)),
  )
})
