import type {
  AgentDocument,
  KernelDocument,
  RouteDocument,
  RoutesSummaryDocument,
  SessionDocument,
} from '../../core/intent/index.ts'

/**
 * What the agent of a node answers to operators: served on one side of the socket, asked on the
 * other.
 */

/** A node as far as its own agent knows it. */
export interface AgentState {
  readonly node: string
  readonly agent: AgentDocument
  readonly sessions: readonly SessionDocument[]
  readonly kernel?: KernelDocument
  readonly summary?: RoutesSummaryDocument
}

/** The questions. Both sides have this shape; the asking side rejects with an `ApiError`. */
export interface AgentAnswers {
  state(): Promise<AgentState>
  sessions(): Promise<readonly SessionDocument[]>
  /** Best routes; of one prefix or address, each with all its paths. */
  routes(asked: string | undefined): Promise<readonly RouteDocument[]>
  /** Has the peers of an address, or of a name, say all again; answers the names. RFC 2918 */
  refresh(peer: string): Promise<readonly string[]>
}

/** The agent does not answer, or not in a way that this version understands. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** `invalid` is the asker's fault: there is no such thing, or it cannot do what was asked */
  readonly code: 'API_UNREACHABLE' | 'API_FAILED' | 'API_INVALID'

  constructor(code: ApiError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
