import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Other programs of this machine that may harm our routes, and what to do about them. */

/** Where systemd looks for its files, the first ones going before the others. networkd.conf(5) */
const ROOTS = ['etc/systemd', 'run/systemd', 'usr/local/lib/systemd', 'usr/lib/systemd'] as const

/** What networkd may be told not to touch; yes is what it does when nobody says. */
const FOREIGN = ['ManageForeignRoutes', 'ManageForeignNextHops'] as const

/**
 * Sentences, each with its remedy; none where nothing is found, or nothing can be seen, as in a
 * container.
 *
 * @param root  the machine's file system; for tests
 */
export function hazardsHere(root = '/'): readonly string[] {
  // written by networkd while it runs
  if (read(join(root, 'run/systemd/netif/state')) === undefined) return []
  const settings = networkdSettings(root)
  const harmful = FOREIGN.filter(name => isOn(settings.get(name)))
  if (harmful.length === 0) return []
  const words = harmful.map(name => `${name}=no`).join(' and ')
  return [
    'systemd-networkd runs, and removes routes and next hops of others when a link changes: ' +
      `write ${words} under [Network] in /etc/systemd/networkd.conf.d/martlet.conf, restart it`,
  ]
}

const isOn = (value: string | undefined): boolean =>
  value === undefined || /^(1|yes|y|true|t|on)$/i.test(value)

/** The main file, of which there is one, and after it the additions in the order of their names. */
function networkdSettings(root: string): ReadonlyMap<string, string> {
  const folders = ROOTS.map(folder => join(root, folder))
  const main = folders.map(folder => read(join(folder, 'networkd.conf'))).find(Boolean) ?? ''
  const additions = new Map<string, string>()
  for (const folder of folders)
    for (const name of list(join(folder, 'networkd.conf.d')))
      if (name.endsWith('.conf') && !additions.has(name))
        additions.set(name, read(join(folder, 'networkd.conf.d', name)) ?? '')
  const inOrder = [...additions].sort(([left], [right]) => (left < right ? -1 : 1))
  const settings = new Map<string, string>()
  for (const text of [main, ...inOrder.map(([, content]) => content)])
    for (const [, name = '', value = ''] of text.matchAll(/^\s*(\w+)\s*=\s*(\S*)\s*$/gm))
      settings.set(name, value)
  return settings
}

function read(path: string): string | undefined {
  return sight(() => readFileSync(path, 'utf8'))
}

function list(path: string): readonly string[] {
  return sight(() => readdirSync(path)) ?? []
}

/** What is there, and may be looked at. */
function sight<Found>(look: () => Found): Found | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}
