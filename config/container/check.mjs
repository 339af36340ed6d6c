/**
 * Waits until every pod of docker-compose.yml has reached every other, and has been seen by its own address;
 * prints who saw whom as what, and ends with 0, or with 1 when WITHIN_SECONDS are over.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'

const pods = (process.env.OTHERS ?? '').split(' ').filter(Boolean)
const begun = Date.now()
const withinMs = Number(process.env.WITHIN_SECONDS ?? 90) * 1000

/** One line for each pair: source, target, the source as the target saw it. */
function pairs() {
  return pods.flatMap(from => {
    const file = `/results/${from}.json`
    // results of an earlier run count as little as none
    const fresh = existsSync(file) && statSync(file).mtimeMs >= begun
    const reports = fresh ? JSON.parse(readFileSync(file, 'utf8')) : []
    return pods
      .filter(to => to !== from)
      .map(to => ({ from, to, ...reports.find(report => report.target === to) }))
  })
}

const timer = setInterval(() => {
  const all = pairs()
  const well = all.filter(pair => pair.seen === pair.from)
  const done = all.length > 0 && well.length === all.length
  if (!done && Date.now() - begun < withinMs) return
  clearInterval(timer)
  for (const { from, to, seen, roundTripMs } of all) {
    const answer = seen === undefined ? 'not reached' : `seen as ${seen}, ${roundTripMs} ms`
    process.stdout.write(`${from} -> ${to}: ${answer}\n`)
  }
  const seconds = ((Date.now() - begun) / 1000).toFixed(1)
  process.stdout.write(
    `${well.length} of ${all.length} pairs reach each other, after ${seconds} s\n`,
  )
  process.exitCode = done ? 0 : 1
}, 200)
