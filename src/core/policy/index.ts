/** Policies: terms compiled once, run for each route. Layer 3. */
export { PrefixSet } from './prefix-set.ts'
export {
  canonicalText,
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
  type Match,
  ORIGINATED_ONLY,
  type Policy,
  type PrefixRule,
  type Term,
} from './term.ts'
