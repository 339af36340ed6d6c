/** How long, and how patiently, something is waited for. */
export interface UntilOptions {
  /** 10 s where absent */
  readonly withinMs?: number
  /** between two looks; 5 ms where absent */
  readonly everyMs?: number
  /** what `look` throws is no failure yet: it is asked again, and told when the time is over */
  readonly forgiving?: boolean
}

/**
 * Waits until `look` finds something, asking again every few milliseconds: tests do not sleep.
 *
 * @param what  a sentence for the failure: what did not become true
 */
export async function until<Found>(
  look: () => Found | Promise<Found>,
  what: string,
  options: UntilOptions = {},
): Promise<Exclude<Found, undefined | null | false>> {
  const { withinMs = 10_000, everyMs = 5, forgiving = false } = options
  const deadline = process.hrtime.bigint() + BigInt(withinMs) * 1_000_000n
  for (;;) {
    let last: unknown
    try {
      const found = await look()
      if (isFound(found)) return found
      last = found
    } catch (error) {
      if (!forgiving) throw error
      last = error
    }
    if (process.hrtime.bigint() > deadline)
      throw new Error(`not within ${withinMs} ms: ${what} (${String(last)})`, { cause: last })
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}

const isFound = <Found>(found: Found): found is Exclude<Found, undefined | null | false> =>
  found !== undefined && found !== null && found !== false
