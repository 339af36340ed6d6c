/** An assumption of ours was wrong. The process that meets it ends; nobody catches it. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Ends the process when `holds` is false: our own fault, never a peer's or the world's. */
export function invariant(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new InvariantError(sentence)
}
