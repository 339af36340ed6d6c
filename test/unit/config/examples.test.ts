/** What config/ shows is true: examples are valid, and the JSON schema is that of the code. */
import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { kindNamed, resourceKey } from '../../../src/core/calico/index.ts'
import { desired } from '../../../src/core/intent/index.ts'
import {
  configurationJsonSchema,
  loadConfig,
  parseResources,
  SnapshotReader,
} from '../../../src/shell/config/index.ts'
import { facts } from '../../support/cluster.ts'

const CONFIG = new URL('../../../config/', import.meta.url)
const EXAMPLES = new URL('examples/', CONFIG)

test('every example configuration is valid', t => {
  const files = readdirSync(EXAMPLES).filter(name => name.startsWith('martlet-'))
  t.true(files.length >= 2, `${files.length} files`)
  for (const name of files)
    t.notThrows(() => loadConfig(new URL(name, EXAMPLES).pathname, {}), name)
})

test('the defaults that the etcd example shows are the defaults', t => {
  const shown = loadConfig(new URL('martlet-etcd.yaml', EXAMPLES).pathname, {})
  const bare = loadConfig(new URL('martlet-directory.yaml', EXAMPLES).pathname, {})
  for (const part of ['kernel', 'log', 'state', 'runDirectory'] as const)
    t.deepEqual(shown[part], bare[part])
  t.deepEqual({ ...shown.facts, node: '', podCidrs: [] }, { ...bare.facts, node: '', podCidrs: [] })
})

test('the example resources are valid and mean a cluster', t => {
  const text = readFileSync(new URL('resources.yaml', EXAMPLES), 'utf8')
  const { resources, problems } = parseResources(text, 'resources.yaml')
  t.deepEqual(problems, [])
  t.is(resources.length, 4)
  const entries = resources.map(({ resource }, at) => ({
    key: resourceKey({ kind: kindNamed(resource.kind)!, name: resource.metadata.name }),
    value: JSON.stringify(resource),
    revision: at + 1,
  }))
  const found = desired(new SnapshotReader().read(entries), facts('worker-0'))
  t.deepEqual(found.problems, [])
  t.deepEqual(
    found.speaker?.peers.map(({ name }) => name),
    ['Global_10_240_0_1', 'Mesh_10_240_0_21'],
  )
})

test('martlet.schema.json is what config/write-schema.ts writes', t => {
  const text = readFileSync(new URL('martlet.schema.json', CONFIG), 'utf8')
  t.is(text, configurationJsonSchema())
  t.true(text.includes('"holdSeconds"') && text.includes('"additionalProperties": false'))
})
