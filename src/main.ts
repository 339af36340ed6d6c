#!/usr/bin/env node
/**
 * Reads the words of the command line, hands them on, and ends with the exit code that comes back.
 */

/** The oldest Node.js that runs this; the npm packages bring one that does. */
const NODE_MAJOR_MIN = 24

// what a library does that Node.js will not have one day is nothing that an operator can act on
process.noDeprecation = true

const words = process.argv.slice(2)
const [name] = words

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `martlet: needs Node.js ${NODE_MAJOR_MIN} or newer, and this is ${process.version}; ` +
      'that of the checkout is node_modules/.bin/node\n',
  )
  process.exit(1)
}
if (process.env.MARTLET_SUPERVISED === '1' && (name === 'speaker' || name === 'dataplane')) {
  // started by `martlet run`, which read the command line and the configuration for it
  const { runProcess } = await import('./app/index.ts')
  await runProcess(name, undefined)
  process.exit(0)
}
const { execute } = await import('./app/cli/index.ts')
process.exit(await execute(words))
