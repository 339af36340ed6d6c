/**
 * Waits until `look` finds something, asking again every few milliseconds: tests do not sleep.
 *
 * @param what  a sentence for the failure: what did not become true
 */
export async function until<Found>(
  look: () => Found | Promise<Found>,
  what: string,
  options: { readonly withinMs?: number; readonly everyMs?: number } = {},
): Promise<Exclude<Found, undefined | null | false>> {
  const { withinMs = 10_000, everyMs = 5 } = options
  const deadline = process.hrtime.bigint() + BigInt(withinMs) * 1_000_000n
  for (;;) {
    const found = await look()
    if (isFound(found)) return found
    if (process.hrtime.bigint() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}

const isFound = <Found>(found: Found): found is Exclude<Found, undefined | null | false> =>
  found !== undefined && found !== null && found !== false
