/**
 * Writes config/martlet.schema.json from the schema of the configuration: `node
 * config/write-schema.ts`.
 */
import { writeFileSync } from 'node:fs'
import { configurationJsonSchema } from '../src/shell/config/index.ts'

writeFileSync(new URL('martlet.schema.json', import.meta.url), configurationJsonSchema())
