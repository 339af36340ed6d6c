import { z } from 'zod'
import { configurationSchema } from './schema.ts'

/** config/martlet.schema.json: what editors complete and check `martlet.yaml` with. */

/** The file's text. `npm test` fails where the file is another. */
export function configurationJsonSchema(): string {
  const schema = z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any' })
  return `${JSON.stringify({ $id: 'martlet.schema.json', ...schema }, null, 2)}\n`
}
