/**
 * The table: chapters ask for sessions, rows are what is to hold of them, columns are routers. Every
 * cell is a test of its own. Rows come one after the other, the cells of a row side by side, so that
 * a row may look at what every router sees of what one of them does.
 */
import type { ExecutionContext, TestFn } from 'ava'
import { missingPackages } from '../../../../src/shell/lab/index.ts'
import { labsLeftOut } from '../../support/lab.ts'
import type { Ability } from './program.ts'
import type { Router } from './router.ts'
import { type Cast, Scene, type SessionDescription } from './scene.ts'

/** One thing that is to hold between Martlet and every router. */
export interface Row {
  /** a true sentence about the router of the cell */
  readonly title: (router: string) => string
  /** what a router must be able to do for it */
  readonly needs?: readonly Ability[]
  /** once, before the cells */
  readonly prepare?: (scene: Scene) => Promise<void>
  readonly cell: (t: ExecutionContext, scene: Scene, router: Router) => Promise<void>
}

/** Rows that hold of one kind of session. */
export interface Chapter {
  readonly session: SessionDescription
  readonly rows: readonly Row[]
}

/** Eight labs may share two processors. */
const CELL_MS = 90_000

/** Makes a test of every cell; the lab is up from the first row on and goes after the last. */
export function matrix(test: TestFn, cast: Cast, chapters: readonly Chapter[]): void {
  const leftOut = labsLeftOut() ?? packagesLeftOut(cast)
  if (leftOut !== undefined) {
    test(`Left out: ${leftOut}`, t => t.pass())
    return
  }
  let scene: Promise<Scene> | undefined
  let before: Promise<unknown> = Promise.resolve()
  const [first] = chapters
  if (first === undefined) throw new Error('a matrix has chapters')
  const opened = (): Promise<Scene> => {
    scene ??= Scene.open(cast, first.session)
    return scene
  }
  test.after.always('the lab goes', async () => {
    await (await scene?.catch(() => undefined))?.close()
  })
  for (const chapter of chapters)
    for (const [at, row] of chapter.rows.entries()) {
      const opensChapter = at === 0 && chapter !== first
      before = declareRow(test, { cast, chapter, row, opensChapter, opened, before })
    }
}

interface Declaration {
  readonly cast: Cast
  readonly chapter: Chapter
  readonly row: Row
  readonly opensChapter: boolean
  readonly opened: () => Promise<Scene>
  /** resolves when the row before has ended, well or not */
  readonly before: Promise<unknown>
}

/** Declares the cells of a row; resolves when all of them have ended. */
function declareRow(test: TestFn, declaration: Declaration): Promise<unknown> {
  const { cast, chapter, row, opensChapter, opened, before } = declaration
  let ready: Promise<Scene> | undefined
  const prepared = async (): Promise<Scene> => {
    await before
    const scene = await opened()
    if (opensChapter) await scene.change(chapter.session)
    await row.prepare?.(scene)
    return scene
  }
  const ends = cast.routers.map(({ program, node }) => {
    const title = `${chapter.session.title}: ${row.title(program.name)}`
    const needs = [...(chapter.session.needs ?? []), ...(row.needs ?? [])]
    const missing = needs.find(ability => program.cannot[ability] !== undefined)
    if (missing !== undefined) {
      const why = `${program.name} cannot ${missing}: ${program.cannot[missing]}`
      test.skip(`${title} (${why})`, t => t.pass())
      return undefined
    }
    const end = Promise.withResolvers<void>()
    test(title, async t => {
      ready ??= prepared()
      try {
        const scene = await ready
        // from here on: until now it has waited for its turn
        t.timeout(CELL_MS)
        const router = scene.routers.find(({ place }) => place.node === node)
        if (router === undefined) throw new Error(`no router ${node}`)
        try {
          await row.cell(t, scene, router)
        } catch (error) {
          scene.tell(t)
          throw error
        }
      } finally {
        end.resolve()
      }
    })
    return end.promise
  })
  // a row of which no router is capable does not let the next one begin early
  return Promise.all([before, ...ends])
}

/** Every package that is not here, in one sentence. */
function packagesLeftOut({ routers }: Cast): string | undefined {
  const missing = routers.flatMap(({ program }) =>
    missingPackages({
      pattern: /^$/,
      program: program.name,
      entrypoint: [],
      cmd: [],
      env: {},
      empty: [],
      requires: [program.requires],
    }),
  )
  return missing.length === 0 ? undefined : `not installed: ${missing.join(' ')}`
}
