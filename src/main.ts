#!/usr/bin/env node
/**
 * Reads the words of the command line, hands them on, and ends with the exit code that comes back.
 */

const words = process.argv.slice(2)
const [name] = words

if (process.env.MARTLET_SUPERVISED === '1' && (name === 'speaker' || name === 'dataplane')) {
  // started by `martlet run`, which read the command line and the configuration for it
  const { runProcess } = await import('./app/index.ts')
  await runProcess(name, undefined)
  process.exit(0)
}
const { execute } = await import('./app/cli/index.ts')
process.exit(await execute(words))
