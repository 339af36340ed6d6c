import type { SessionConfig, SessionOptions } from './types.ts'

/** What an OPEN offers where nothing else is said. */

/**
 * What costs nothing where the peer does not know it. Refreshes are marked always (RFC 7313);
 * several paths, roles and long-lived graceful restart change what routes mean, so somebody must
 * ask for them.
 */
export const OPTIONS_DEFAULT: SessionOptions = { extendedMessages: true, extendedNextHop: true }

/** The options of a session, with the defaults of those that are absent. */
export function optionsOf(config: SessionConfig): SessionOptions {
  return { ...OPTIONS_DEFAULT, ...config.options }
}
