import type { Command } from 'commander'
import {
  ACCEPT_EMPTY_KEY,
  type AcceptDocument,
  documentText,
  NODES_ROOTS,
} from '../../../core/intent/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { describedCommand, withConfig } from '../options.ts'
import type { Surroundings } from '../surroundings.ts'
import { assemble } from './source.ts'

/** `martlet accept-empty`: that a store suddenly holds nothing is meant, and no disaster. */

/** Says so to every node that holds back, through the store. */
export function acceptCommand(surroundings: Surroundings): Command {
  const command = describedCommand('accept-empty', 'Have nodes follow a store that was emptied', {
    text:
      'A node whose store suddenly holds neither its Node nor anything else keeps its sessions ' +
      'and routes, and says "held". Where that was no accident, this lets all such nodes go on. ' +
      'Otherwise restore the store: what is back is followed by itself.',
    examples: [
      ['The cluster is really to be taken down', 'martlet accept-empty'],
      ['Who holds back?', 'martlet status --all-nodes'],
    ],
  })
  return withConfig(command).action((options: { readonly config?: string }) =>
    accept(surroundings, options.config),
  )
}

async function accept(
  { terminal, loadConfig, openStore, now }: Surroundings,
  config: string | undefined,
): Promise<void> {
  const store = await openStore(loadConfig(config))
  try {
    const { nodes } = assemble((await store.list(NODES_ROOTS)).entries)
    const held = nodes.filter(({ agent }) => agent?.mode === 'held')
    if (held.length === 0)
      throw new CommandFailure(EXIT.notFound, 'no node holds anything back, so nothing is done', {
        remedy: 'martlet status --all-nodes shows what nodes do',
      })
    const document: AcceptDocument = { at: now().toISOString() }
    await store.put(ACCEPT_EMPTY_KEY, documentText(document))
    for (const { node, agent } of held)
      terminal.print(`${node} goes on, where ${agent?.held?.why ?? 'the store was emptied'}\n`)
  } finally {
    await store.close()
  }
}
