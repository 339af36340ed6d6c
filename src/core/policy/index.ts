/** Policies: terms compiled once, run for each route. Layer 3. */
export { matchesGlob, type Subject } from './attribute-test.ts'
export { PrefixSet } from './prefix-set.ts'
export {
  canonicalText,
  KINDS_MAX,
  OUTCOMES_MAX,
  Program,
  Programs,
  REJECTED,
  type RouteView,
  UNCHANGED,
} from './program.ts'
export {
  ACCEPT_ALL,
  type Action,
  applyAction,
  type LargeCommunity,
  type Match,
  ORIGINATED_ONLY,
  type Policy,
  type PrefixRule,
  type Term,
} from './term.ts'
