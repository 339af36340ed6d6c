/** What both halves call a route to install. Layer 2. */
export {
  type Epoch,
  type FibNextHop,
  type FibWriter,
  type GroupId,
  metricOf,
  type NextHopAnswer,
  type NextHopGroup,
  type NextHopName,
  NO_METRIC,
} from './fib.ts'
