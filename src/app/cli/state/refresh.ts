import type { Command } from 'commander'
import { CommandFailure, EXIT } from '../failure.ts'
import { describedCommand, withConfig } from '../options.ts'
import type { Surroundings } from '../surroundings.ts'
import { isCalled } from './peers.ts'

/** `martlet refresh`: what a neighbour has said is said again. */

/** Asks this node's agent only: it alone can ask the neighbour. */
export function refreshCommand(surroundings: Surroundings): Command {
  const command = describedCommand('refresh', 'Have a neighbour of this node say all again', {
    text:
      'Asks by ROUTE-REFRESH (RFC 2918). No session is reset, no route is lost: what the ' +
      'neighbour does not say again goes only where it marks the end (RFC 7313).',
    examples: [
      ['One neighbour', 'martlet refresh 10.240.0.1'],
      ['What that changed', 'martlet peers 10.240.0.1'],
    ],
  }).argument('<address>', 'of the neighbour, or the name of the session')
  return withConfig(command).action((asked: string, options: { readonly config?: string }) =>
    refresh(surroundings, asked, options.config),
  )
}

async function refresh(
  { terminal, loadConfig, openAgent }: Surroundings,
  asked: string,
  config: string | undefined,
): Promise<void> {
  const { socket, client } = await openAgent(loadConfig(config))
  if (client === undefined)
    throw new CommandFailure(EXIT.unreachable, `no agent answers at ${socket}`, {
      remedy: 'start it (martlet run), or run as root',
    })
  try {
    const found = (await client.sessions()).filter(session => isCalled(session, asked))
    if (found.length === 0)
      throw new CommandFailure(EXIT.notFound, `no peer ${asked} at this node`, {
        remedy: 'martlet peers lists them',
      })
    for (const { name, state, negotiated } of found) {
      if (negotiated?.routeRefresh !== true) {
        const why = negotiated === undefined ? `is ${state}` : 'does not offer route refresh'
        throw new CommandFailure(EXIT.failed, `${name} cannot be asked: it ${why}`)
      }
      await client.refresh(name)
      terminal.print(`${name} was asked for ${negotiated.families.join(' and ')}\n`)
    }
  } finally {
    await client.close()
  }
}
