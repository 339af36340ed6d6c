/** What both halves call a route to install. Layer 2. */
export type {
  Epoch,
  FibNextHop,
  FibWriter,
  GroupId,
  NextHopAnswer,
  NextHopGroup,
  NextHopName,
} from './fib.ts'
