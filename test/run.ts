/**
 * Runs the suites, one kind of evidence after the other, and counts them.
 *
 *   node test/run.ts            all suites
 *   node test/run.ts unit labs  only these
 *
 * A suite that cannot run here is named with its reason and is not counted as passed. Exits 1 when a test failed,
 * when a suite that should have tests ran none, or when nothing ran.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import process from 'node:process'

interface Suite {
  readonly name: string
  readonly files: string
  /** several test files at once */
  readonly concurrency: number
  /** why it cannot run here */
  readonly leftOut?: string
}

const root = process.getuid?.() === 0
const needsRoot = root ? {} : { leftOut: 'needs root, for network namespaces' }

const suites: readonly Suite[] = [
  { name: 'tidy', files: 'test/tidy.test.ts', concurrency: 1 },
  { name: 'unit', files: 'test/unit/**/*.test.ts', concurrency: 2 },
  { name: 'vectors', files: 'test/vectors/**/*.test.ts', concurrency: 2 },
  { name: 'transcripts', files: 'test/transcripts/**/*.test.ts', concurrency: 2 },
  { name: 'property', files: 'test/property/**/*.test.ts', concurrency: 2 },
  { name: 'sim', files: 'test/sim/**/*.test.ts', concurrency: 2 },
  { name: 'fuzz', files: 'test/fuzz/**/*.test.ts', concurrency: 2 },
  { name: 'compliance', files: 'test/compliance/**/*.test.ts', concurrency: 2, ...needsRoot },
  { name: 'labs', files: 'test/labs/**/*.test.ts', concurrency: 2, ...needsRoot },
]

interface Count {
  passed: number
  failed: number
  skipped: number
  /** titles of what was skipped: each says its reason */
  readonly leftOut: string[]
}

/** Runs one command with its output shown; resolves with its exit status and what it printed. */
function run(
  command: string,
  args: readonly string[],
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      process.stdout.write(chunk)
    })
    child.once('error', reject)
    child.once('close', status => resolve({ status: status ?? 1, output }))
  })
}

/**
 * Reads what ava prints: a line for each test that passed, and closing lines, which are silent on those
 * that passed where one failed: `1 test failed`, `2 tests skipped`.
 */
function count(output: string): Count {
  const number = (word: string): number =>
    [
      ...output.matchAll(
        new RegExp(
          `^\\s+(\\d+) (?:tests?|uncaught exceptions?|unhandled rejections?) ?${word}`,
          'gm',
        ),
      ),
    ]
      .map(match => Number(match[1]))
      .reduce((sum, value) => sum + value, 0)
  return {
    passed: [...output.matchAll(/^\s+✔ /gm)].length,
    failed: number('failed'),
    skipped: number('skipped'),
    leftOut: [...output.matchAll(/^\s+- (?:\[skip\]:? )?(.*)$/gm)].map(match => match[1]!),
  }
}

async function runSuite(suite: Suite, total: Count): Promise<boolean> {
  const files = globSync(suite.files)
  if (files.length === 0) {
    console.log(`\n${suite.name}: no test file matches ${suite.files}`)
    return false
  }
  const started = process.hrtime.bigint()
  console.log(`\n${suite.name}: ${files.length} files`)
  const { status, output } = await run('ava', [
    '--concurrency',
    String(suite.concurrency),
    ...files,
  ])
  const result = count(output)
  total.passed += result.passed
  total.failed += result.failed
  total.skipped += result.skipped
  total.leftOut.push(...result.leftOut.slice(0, result.skipped))
  const elapsed = Number((process.hrtime.bigint() - started) / 1_000_000n) / 1000
  console.log(`${suite.name}: ${result.passed} passed in ${elapsed.toFixed(1)} s`)
  return status === 0 && result.passed > 0
}

async function main(): Promise<number> {
  const asked = process.argv.slice(2)
  const unknown = asked.filter(name => !suites.some(suite => suite.name === name))
  if (unknown.length > 0) {
    console.error(
      `no suite "${unknown[0]}"; there are ${suites.map(suite => suite.name).join(', ')}`,
    )
    return 2
  }
  const chosen = suites.filter(suite => asked.length === 0 || asked.includes(suite.name))
  const bad: string[] = []
  const total: Count = { passed: 0, failed: 0, skipped: 0, leftOut: [] }
  if (asked.length === 0) {
    console.log('lint: biome and tsc')
    if ((await run('biome', ['check', '.'])).status !== 0) bad.push('lint')
    if ((await run('tsc', ['--noEmit'])).status !== 0) bad.push('types')
  }
  for (const suite of chosen) {
    if (suite.leftOut !== undefined) continue
    if (!(await runSuite(suite, total))) bad.push(suite.name)
  }
  const leftOut = chosen.filter(suite => suite.leftOut !== undefined)
  console.log()
  for (const suite of leftOut) console.log(`left out, not passed: ${suite.name} (${suite.leftOut})`)
  for (const title of total.leftOut) console.log(`left out, not passed: ${title}`)
  if (bad.length > 0) console.log(`not passed: ${bad.join(', ')}`)
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  return bad.length === 0 && total.passed > 0 ? 0 : 1
}

// what was just built starts in half the time of the sources, and a lab starts hundreds of processes
process.env.MARTLET_LAB_MAIN ??= 'dist/main.js'
process.exitCode = await main()
